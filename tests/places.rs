//! How many places a gate has: calls at once, calls with a price, callers that wait.

mod support;

use http::Request;
use http_body_util::BodyExt;
use support::mock::{Mock, answer, status};
use support::paused::*;
use tokio::time::Instant;
use tower_backoff::policy::{Attempt, Provider, Verdict, policy_fn};
use tower_backoff::{Gates, NotBefore, Price, Quota, Retry, RetryLayer, TooDear};

const URI: &str = "https://api.test/";

fn layer(quotas: impl IntoIterator<Item = Quota>) -> RetryLayer {
    RetryLayer::new(Provider::new("places").quotas(quotas))
}

fn priced(price: u32) -> Request<Body> {
    let mut request = get(URI);
    request.extensions_mut().insert(Price(price));
    request
}

/// A call in the background.
fn start(service: &Retry<Mock>, request: Request<Body>) -> tokio::task::JoinHandle<Outcome> {
    let service = service.clone();
    tokio::spawn(async move { send(&service, request).await })
}

#[tokio::test(start_paused = true)]
async fn a_place_is_held_until_the_body_has_ended() {
    let mock = Mock::new(|_, _| answer(200, &[], "a body"));
    let service = around(&mock, layer([Quota::concurrent(1)]));
    let first = send(&service, get(URI)).await.unwrap();
    let second = start(&service, get(URI));
    tokio::time::sleep(secs(30)).await;
    assert_eq!(mock.calls().len(), 1, "the first body is still open");
    let body = first.into_body().collect().await.unwrap();
    assert_eq!(body.to_bytes(), "a body");
    assert_eq!(status_of(&second.await.unwrap()), 200);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_dropped_frees_its_place() {
    let mock = Mock::new(|_, _| answer(200, &[], "a body"));
    let gates = Gates::new();
    let service = around(&mock, layer([Quota::concurrent(2)]).gates(&gates));
    let first = send(&service, get(URI)).await.unwrap();
    let second = send(&service, get(URI)).await.unwrap();
    assert_eq!(gates.all()[0].spent[0].spent, 2);
    let third = start(&service, get(URI));
    tokio::time::sleep(secs(1)).await;
    assert_eq!(gates.all()[0].waiting, 1);
    drop(second);
    let third = third.await.unwrap();
    drop((first, third));
    assert_eq!(gates.all()[0].spent[0].spent, 0);
}

#[tokio::test(start_paused = true)]
async fn an_answer_without_a_body_holds_no_place() {
    let mock = Mock::new(|_, _| status(204));
    let service = around(&mock, layer([Quota::concurrent(1)]));
    let first = send(&service, get(URI)).await;
    let second = send(&service, get(URI)).await;
    assert_eq!((status_of(&first), status_of(&second)), (204, 204));
}

#[tokio::test(start_paused = true)]
async fn failures_refusals_and_dropped_callers_free_their_place() {
    let mock = Mock::new(|nth, _| match nth {
        1 => answer(500, &[], "broken"),
        2 => answer(429, &[("retry-after", "3")], "not now"),
        3 => Err("the connection broke".into()),
        _ => answer(200, &[], "done"),
    })
    .taking(millis(50));
    let gates = Gates::new();
    let service = around(&mock, layer([Quota::concurrent(1)]).gates(&gates));
    let dropped = tokio::time::timeout(millis(10), send(&service, get(URI))).await;
    assert!(dropped.is_err());
    let outcome = send(&service, get(URI)).await;
    assert_eq!(status_of(&outcome), 200);
    assert_eq!(mock.calls().len(), 4);
    drop(outcome);
    assert_eq!(gates.all()[0].spent[0].spent, 0);
}

#[tokio::test(start_paused = true)]
async fn never_more_calls_at_once_than_the_quota_allows() {
    let mock = Mock::new(|_, _| answer(200, &[], "done")).taking(millis(100));
    let service = around(&mock, layer([Quota::concurrent(3)]));
    let begun = Instant::now();
    let calls: Vec<_> = (0..12).map(|_| start(&service, get(URI))).collect();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    let sent = offsets(&mock, begun);
    for window in sent.windows(4) {
        assert!(window[3] - window[0] >= millis(100), "{sent:?}");
    }
    assert!(begun.elapsed() < millis(450), "and no slower than needed");
}

#[tokio::test(start_paused = true)]
async fn a_call_takes_as_many_places_as_it_costs() {
    let mock = Mock::new(|_, _| status(200));
    let service = around(&mock, layer([Quota::per_minute(10)]));
    let begun = Instant::now();
    for price in [5, 5, 0, 1] {
        send(&service, priced(price)).await.unwrap();
    }
    let sent = offsets(&mock, begun);
    assert_eq!(sent[..3], [secs(0); 3], "a free call needs no place");
    assert_between(sent[3], secs(60), secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_closure_may_price_requests_and_a_request_knows_better() {
    let mock = Mock::new(|_, _| status(200));
    let layer = layer([Quota::per_minute(10)]).price_by(|_| 6);
    let service = around(&mock, layer);
    let begun = Instant::now();
    send(&service, get(URI)).await.unwrap();
    send(&service, priced(4)).await.unwrap();
    assert_eq!(begun.elapsed(), secs(0));
    send(&service, get(URI)).await.unwrap();
    assert_between(begun.elapsed(), secs(60), secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_quota_per_call_counts_one_whatever_the_price() {
    let mock = Mock::new(|_, _| status(200));
    let quotas = [Quota::per_minute(1_000), Quota::per_minute(2).per_call()];
    let service = around(&mock, layer(quotas));
    let begun = Instant::now();
    for _ in 0..2 {
        send(&service, priced(100)).await.unwrap();
    }
    assert_eq!(begun.elapsed(), secs(0));
    send(&service, priced(100)).await.unwrap();
    assert_between(begun.elapsed(), secs(60), secs(1));
}

/// A server that says in a header what a call has cost.
fn said_by_the_server(said: &'static str) -> (Mock, Retry<Mock>) {
    let mock = Mock::new(move |_, _| answer(200, &[("x-cost", said)], ""));
    struct Acme;
    impl tower_backoff::policy::Policy for Acme {
        fn judge(&self, attempt: &Attempt<'_>) -> Verdict {
            let said = attempt.headers().and_then(|headers| headers.get("x-cost"));
            let cost = said.and_then(|cost| cost.to_str().ok()?.parse().ok());
            attempt.standard().costing(cost.unwrap_or(1))
        }
        fn quotas(&self, _: &tower_backoff::policy::RequestHead<'_>) -> &[Quota] {
            const TEN: [Quota; 1] = [Quota::per_minute(10)];
            &TEN
        }
    }
    let service = around(&mock, RetryLayer::new(Acme));
    (mock, service)
}

#[tokio::test(start_paused = true)]
async fn what_a_call_has_cost_in_truth_corrects_what_it_had_said() {
    let (_, dearer) = said_by_the_server("9");
    let begun = Instant::now();
    send(&dearer, priced(2)).await.unwrap();
    send(&dearer, priced(2)).await.unwrap();
    assert_between(begun.elapsed(), secs(60), secs(1));

    let (_, cheaper) = said_by_the_server("1");
    let begun = Instant::now();
    for _ in 0..5 {
        send(&cheaper, priced(6)).await.unwrap();
    }
    assert_eq!(begun.elapsed(), secs(0));
    send(&cheaper, priced(6)).await.unwrap();
    assert_between(begun.elapsed(), secs(60), secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_price_above_the_quota_is_refused_at_once_with_the_reason() {
    let mock = Mock::new(|_, _| status(200));
    let service = around(&mock, layer([Quota::per_minute(10), Quota::per_hour(100)]));
    let error = send(&service, priced(11)).await.unwrap_err();
    let too_dear = error.downcast_ref::<TooDear>().expect("the reason");
    assert_eq!((too_dear.price(), too_dear.limit()), (11, 10));
    assert_eq!(
        error.to_string(),
        "a price of 11 is above the quota of 10 of https://api.test"
    );
    assert!(mock.calls().is_empty());
    assert_eq!(status_of(&send(&service, priced(10)).await), 200);
}

#[tokio::test(start_paused = true)]
async fn cheap_calls_do_not_overtake_a_dear_one_that_waits() {
    let mock = Mock::new(|_, _| status(200));
    let service = around(&mock, layer([Quota::per_minute(10)]));
    send(&service, priced(5)).await.unwrap();
    let mut dear = priced(10);
    *dear.method_mut() = http::Method::PUT;
    let dear = start(&service, dear);
    tokio::task::yield_now().await;
    let cheap: Vec<_> = (0..5).map(|_| start(&service, priced(1))).collect();
    dear.await.unwrap().unwrap();
    assert_eq!(mock.calls()[1].method, http::Method::PUT);
    for call in cheap {
        call.await.unwrap().unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn beyond_the_bound_on_waiting_callers_the_next_one_is_told_at_once() {
    let mock = Mock::new(|nth, _| match nth {
        1 => answer(429, &[("retry-after", "40")], ""),
        _ => status(200),
    });
    let service = around(&mock, layer([]).max_waiting(2));
    let begun = Instant::now();
    let waiting: Vec<_> = (0..2).map(|_| start(&service, get(URI))).collect();
    tokio::time::sleep(millis(1)).await;
    // The refused one and one more wait: there is no third place.
    let error = send(&service, get(URI)).await.unwrap_err();
    let not_before = error
        .downcast_ref::<NotBefore>()
        .expect("when to come back");
    assert_eq!(not_before.decided_by(), "retry-after");
    assert_between(not_before.wait(), secs(39), secs(2));
    assert!(begun.elapsed() < secs(1));
    for call in waiting {
        assert_eq!(status_of(&call.await.unwrap()), 200);
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_was_sent_is_not_sent_away_by_those_who_came_after() {
    let mock = Mock::new(|nth, _| match nth {
        1 => answer(429, &[("retry-after", "1")], ""),
        _ => status(200),
    })
    .taking(millis(100));
    let service = around(&mock, layer([Quota::concurrent(1)]).max_waiting(1));
    let first = start(&service, get(URI));
    tokio::time::sleep(millis(1)).await;
    let second = start(&service, get(URI));
    assert_eq!(status_of(&first.await.unwrap()), 200);
    assert_eq!(status_of(&second.await.unwrap()), 200);
}

#[tokio::test(start_paused = true)]
async fn what_the_server_publishes_corrects_a_declared_quota() {
    async fn sent_in_a_minute(published: &'static str) -> usize {
        let left = published.parse::<usize>().unwrap();
        let mock = Mock::new(move |nth, _| {
            let remaining = left.saturating_sub(nth).max(1).to_string();
            let headers = [
                ("x-ratelimit-limit", published),
                ("x-ratelimit-remaining", &*remaining),
                ("x-ratelimit-reset", "60"),
            ];
            answer(200, &headers, "")
        })
        .taking(millis(10));
        let service = around(&mock, layer([Quota::per_minute(10)]));
        let calls: Vec<_> = (0..40).map(|_| start(&service, get(URI))).collect();
        tokio::time::sleep(secs(50)).await;
        let sent = mock.calls().len();
        drop(calls);
        sent
    }
    assert_eq!(sent_in_a_minute("20").await, 20, "a bigger plan");
    assert_eq!(sent_in_a_minute("10").await, 10);
    // The first ten go at once: nothing is known yet.
    assert_eq!(sent_in_a_minute("5").await, 10, "and not one more");
}

#[tokio::test(start_paused = true)]
async fn a_limit_of_another_window_does_not_correct_the_declared_quota() {
    let mock = Mock::new(|_, _| {
        let headers = [
            ("x-ratelimit-limit", "5000"),
            ("x-ratelimit-remaining", "4990"),
            ("x-ratelimit-reset", "1800"),
        ];
        answer(200, &headers, "")
    });
    let service = around(&mock, layer([Quota::per_second(10)]));
    let begun = Instant::now();
    for _ in 0..21 {
        send(&service, get(URI)).await.unwrap();
    }
    assert_between(begun.elapsed(), secs(2), millis(100));
}

#[test]
fn a_policy_function_may_say_what_a_call_has_cost() {
    let policy = policy_fn(|attempt: &Attempt<'_>| attempt.standard().costing(7));
    let request = Request::get(URI).body(()).unwrap();
    let response = http::Response::new(());
    let attempt = Attempt::new(&request, &response);
    let verdict = tower_backoff::policy::Policy::judge(&policy, &attempt);
    assert_ne!(verdict, attempt.standard());
}
