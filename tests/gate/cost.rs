//! What a call costs, and what of it counts: for a declared quota, in the words of the answer, and where the
//! server publishes a count of its own.

use crate::support;
use crate::support::mock::{Mock, answer, status};
use crate::support::paused::*;
use http::Request;
use tokio::time::Instant;
use tower_backoff::policy::{Attempt, Policy, Provider, RequestHead, Verdict, policy_fn};
use tower_backoff::{Cost, CostAboveQuota, Gates, Quota, RetryLayer};

const URI: &str = "https://api.test/";

fn layer(quotas: impl IntoIterator<Item = Quota>) -> RetryLayer {
    RetryLayer::new(Provider::new("cost").quotas(quotas))
}

fn with_cost(cost: u32) -> Request<Body> {
    let mut request = get(URI);
    request.extensions_mut().insert(Cost::new(cost));
    request
}

#[tokio::test(start_paused = true)]
async fn a_call_takes_as_many_slots_as_it_costs() {
    let mock = Mock::new(|_, _| status(200));
    let service = around(&mock, layer([Quota::per_minute(10)]));
    let begun = Instant::now();
    for cost in [5, 5, 0, 1] {
        send(&service, with_cost(cost)).await.unwrap();
    }
    let sent = offsets(&mock, begun);
    assert_eq!(sent[..3], [secs(0); 3], "a free call needs no slot");
    assert_between(sent[3], secs(60), secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_closure_may_price_requests_and_a_request_knows_better() {
    let mock = Mock::new(|_, _| status(200));
    let layer = layer([Quota::per_minute(10)]).cost_by(|_| 6);
    let service = around(&mock, layer);
    let begun = Instant::now();
    send(&service, get(URI)).await.unwrap();
    send(&service, with_cost(4)).await.unwrap();
    assert_eq!(begun.elapsed(), secs(0));
    send(&service, get(URI)).await.unwrap();
    assert_between(begun.elapsed(), secs(60), secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_quota_per_call_counts_one_whatever_the_cost() {
    let mock = Mock::new(|_, _| status(200));
    let quotas = [Quota::per_minute(1_000), Quota::per_minute(2).per_call()];
    let service = around(&mock, layer(quotas));
    let begun = Instant::now();
    for _ in 0..2 {
        send(&service, with_cost(100)).await.unwrap();
    }
    assert_eq!(begun.elapsed(), secs(0));
    send(&service, with_cost(100)).await.unwrap();
    assert_between(begun.elapsed(), secs(60), secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_call_is_one_of_those_at_once_whatever_its_cost() {
    let mock = Mock::new(|_, _| status(200)).taking(secs(1));
    let service = around(&mock, layer([Quota::concurrent(2)]));
    let begun = Instant::now();
    let calls: Vec<_> = (0..3).map(|_| start(&service, with_cost(100))).collect();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    let sent = offsets(&mock, begun);
    assert_eq!(sent[..2], [secs(0); 2]);
    assert_between(sent[2], secs(1), millis(10));
}

#[tokio::test(start_paused = true)]
async fn a_cost_above_the_burst_is_no_reason_to_end_a_call() {
    let mock = Mock::new(|_, _| status(200));
    let service = around(&mock, layer([Quota::per_minute(600).burst(10)]));
    send(&service, with_cost(50)).await.unwrap();
    send(&service, with_cost(50)).await.unwrap();
    assert_eq!(mock.calls().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_cost_above_the_quota_is_refused_at_once_with_the_reason() {
    let mock = Mock::new(|_, _| status(200));
    let service = around(&mock, layer([Quota::per_minute(10), Quota::per_hour(100)]));
    let error = send(&service, with_cost(11)).await.unwrap_err();
    let above_quota = error.downcast_ref::<CostAboveQuota>().expect("the reason");
    assert_eq!((above_quota.cost(), above_quota.limit()), (11, 10));
    assert_eq!(
        error.to_string(),
        "a cost of 11 is above the quota of 10 of https://api.test"
    );
    assert!(mock.calls().is_empty());
    assert_eq!(status_of(&send(&service, with_cost(10)).await), 200);
}

#[tokio::test(start_paused = true)]
async fn cheap_calls_do_not_overtake_a_dear_one_that_waits() {
    let mock = Mock::new(|_, _| status(200));
    let service = around(&mock, layer([Quota::per_minute(10)]));
    send(&service, with_cost(5)).await.unwrap();
    let mut dear = with_cost(10);
    *dear.method_mut() = http::Method::PUT;
    let dear = start(&service, dear);
    tokio::task::yield_now().await;
    let cheap: Vec<_> = (0..5).map(|_| start(&service, with_cost(1))).collect();
    dear.await.unwrap().unwrap();
    assert_eq!(mock.calls()[1].method, http::Method::PUT);
    for call in cheap {
        call.await.unwrap().unwrap();
    }
}

/// A provider that says in a header what a call has cost.
struct SaysTheCost([Quota; 1]);

impl Policy for SaysTheCost {
    fn judge(&self, attempt: &Attempt<'_>) -> Verdict {
        let said = attempt.headers().and_then(|headers| headers.get("x-cost"));
        let cost = said.and_then(|cost| cost.to_str().ok()?.parse().ok());
        attempt.standard().with_cost(cost.unwrap_or(1))
    }

    fn quotas(&self, _: &RequestHead<'_>) -> &[Quota] {
        &self.0
    }
}

fn ten_a_minute() -> RetryLayer {
    RetryLayer::new(SaysTheCost([Quota::per_minute(10)]))
}

/// Every call has cost the same.
fn charging(cost: &'static str) -> Mock {
    Mock::new(move |_, _| answer(200, &[("x-cost", cost)], ""))
}

#[tokio::test(start_paused = true)]
async fn what_a_call_has_cost_in_truth_corrects_what_it_had_said() {
    let dearer = around(&charging("9"), ten_a_minute());
    let begun = Instant::now();
    send(&dearer, with_cost(2)).await.unwrap();
    send(&dearer, with_cost(2)).await.unwrap();
    assert_between(begun.elapsed(), secs(60), secs(1));

    let cheaper = around(&charging("1"), ten_a_minute());
    let begun = Instant::now();
    for _ in 0..5 {
        send(&cheaper, with_cost(6)).await.unwrap();
    }
    assert_eq!(begun.elapsed(), secs(0));
    send(&cheaper, with_cost(6)).await.unwrap();
    assert_between(begun.elapsed(), secs(60), secs(1));
}

#[test]
fn a_policy_function_may_say_what_a_call_has_cost() {
    let policy = policy_fn(|attempt: &Attempt<'_>| attempt.standard().with_cost(7));
    let request = Request::get(URI).body(()).unwrap();
    let response = http::Response::new(());
    let attempt = Attempt::new(&request, &response);
    let verdict = Policy::judge(&policy, &attempt);
    assert_ne!(verdict, attempt.standard());
}

#[tokio::test(start_paused = true)]
async fn a_cheaper_call_gives_back_though_its_answer_took_longer_than_the_slack() {
    let mock = charging("1").taking(millis(800));
    let service = around(&mock, ten_a_minute());
    let begun = Instant::now();
    for _ in 0..3 {
        send(&service, with_cost(8)).await.unwrap();
    }
    assert!(begun.elapsed() < secs(5), "{:?}", offsets(&mock, begun));
}

/// A server that answers each call after as long, and at the cost, as its headers say.
fn as_told() -> Mock {
    let said =
        |head: &http::request::Parts, name: &str| head.headers[name].to_str().unwrap().to_owned();
    Mock::new(move |_, head| answer(200, &[("x-cost", &said(head, "cost"))], ""))
        .taking_each(move |_, head| millis(said(head, "takes").parse().unwrap()))
}

/// A call with an estimate, its true cost, and the milliseconds that its answer takes.
fn told(estimate: u32, cost: u32, takes: u64) -> Request<Body> {
    let mut request = with_cost(estimate);
    request.headers_mut().insert("cost", cost.into());
    request.headers_mut().insert("takes", takes.into());
    request
}

/// One says 5, costs 1 and is answered after 4 s; another says and costs 5 and is answered just before. Of the
/// five slots of the other, four must not be free with the first, at 10.25 s, but at 14 s.
#[tokio::test(start_paused = true)]
async fn a_slow_cheaper_call_frees_nothing_that_others_hold_for_longer() {
    let mock = as_told();
    let ten = SaysTheCost([Quota::new(10, secs(10))]);
    let service = around(&mock, RetryLayer::new(ten));
    let begun = Instant::now();
    let first = start(&service, told(5, 1, 4_000));
    tokio::time::sleep(millis(3_900)).await;
    send(&service, told(5, 5, 95)).await.unwrap();
    first.await.unwrap().unwrap();
    let mut calls: Vec<_> = (0..4).map(|_| start(&service, told(1, 1, 50))).collect();
    tokio::time::sleep(millis(6_700)).await;
    calls.extend((0..6).map(|_| start(&service, told(1, 1, 50))));
    for call in calls {
        call.await.unwrap().unwrap();
    }
    let cost = |call: &support::mock::Call| -> u32 {
        call.headers["cost"].to_str().unwrap().parse().unwrap()
    };
    let sent = mock.calls();
    for last in &sent {
        let window =
            |call: &&support::mock::Call| call.at <= last.at && last.at < call.at + secs(10);
        let spent: u32 = sent.iter().filter(window).map(cost).sum();
        assert!(spent <= 10, "{spent} by {:?}", last.at - begun);
    }
}

#[tokio::test(start_paused = true)]
async fn an_absurd_cost_breaks_nothing() {
    let gates = Gates::new();
    let ten = SaysTheCost([Quota::new(10, secs(10))]);
    let service = around(&as_told(), RetryLayer::new(ten).gates(&gates));
    let begun = Instant::now();
    let absurd = [told(1, u32::MAX, 10), told(1, u32::MAX, 20), told(3, 0, 30)];
    let calls = absurd.map(|request| start(&service, request));
    for call in calls {
        call.await.unwrap().unwrap();
    }
    send(&service, told(1, 1, 10)).await.unwrap();
    assert!(begun.elapsed() < secs(12), "{:?}", begun.elapsed());
    assert_nobody_is_left(&gates);
}

/// As the docs of `providers::github` advise: writes cost 5 points of one limit, and 1 call of the published one.
#[tokio::test(start_paused = true)]
async fn a_published_count_of_calls_is_spent_by_calls() {
    let mock = Mock::new(|nth, _| {
        let left = 100usize.saturating_sub(nth).to_string();
        let headers = [
            ("x-ratelimit-limit", "100"),
            ("x-ratelimit-remaining", left.as_str()),
            ("x-ratelimit-reset", "3000"),
        ];
        answer(200, &headers, "")
    });
    let points = layer([Quota::per_minute(900), Quota::per_minute(80).per_call()]);
    let service = around(&mock, points.cost_by(|_| 5));
    let begun = Instant::now();
    for _ in 0..70 {
        send(&service, post(URI)).await.unwrap();
    }
    assert!(begun.elapsed() < secs(1), "{:?}", offsets(&mock, begun));
}

#[tokio::test(start_paused = true)]
async fn a_published_count_of_requests_is_not_spent_by_costs_in_tokens() {
    let mock = Mock::new(|nth, _| {
        let left = (500 - nth).to_string();
        let headers = [
            ("x-ratelimit-limit-requests", "500"),
            ("x-ratelimit-remaining-requests", left.as_str()),
            ("x-ratelimit-reset-requests", "60s"),
            ("x-ratelimit-limit-tokens", "30000"),
            ("x-ratelimit-remaining-tokens", "25000"),
            ("x-ratelimit-reset-tokens", "10s"),
        ];
        answer(200, &headers, "")
    });
    let quotas = [Quota::per_minute(30_000), Quota::per_minute(500).per_call()];
    let service = around(&mock, layer(quotas));
    let begun = Instant::now();
    for _ in 0..5 {
        send(&service, with_cost(1_000)).await.unwrap();
    }
    assert!(begun.elapsed() < secs(1), "{:?}", offsets(&mock, begun));
}

#[tokio::test(start_paused = true)]
async fn a_cost_of_the_largest_number_does_not_break_the_published_count() {
    let mock = Mock::new(|_, _| {
        answer(
            200,
            &[
                ("x-ratelimit-limit", "100"),
                ("x-ratelimit-remaining", "50"),
                ("x-ratelimit-reset", "30"),
            ],
            "",
        )
    })
    .taking(millis(50));
    let gates = Gates::new();
    let service = around(&mock, layer([]).gates(&gates));
    let calls: Vec<_> = (0..5)
        .map(|_| start(&service, with_cost(u32::MAX)))
        .collect();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    assert_nobody_is_left(&gates);
}
