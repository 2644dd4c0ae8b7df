//! Several costs at once: requests and tokens, each with its own quota and its own counters.

use std::sync::Mutex;

use crate::support::mock::{Mock, answer, status};
use crate::support::paused::*;
use http::Request;
use http::request::Parts;
use tokio::time::Instant;
use tower_backoff::policy::{Attempt, PartialQuota, Policy, Provider, Verdict, policy_fn};
use tower_backoff::{Cost, CostAboveQuota, Gates, Patience, Quota, RetryLayer, UnknownCost};

const URI: &str = "https://api.test/complete";

fn call(cost: Cost) -> Request<Body> {
    let mut request = post(URI);
    request.extensions_mut().insert(cost);
    request.extensions_mut().insert(Patience::of(secs(3_600)));
    request
}

fn tokens(tokens: u32) -> Request<Body> {
    call(Cost::of("tokens", tokens))
}

fn serves_all() -> Mock {
    Mock::new(|_, _| status(200)).taking(millis(50))
}

fn acme() -> Provider {
    Provider::new("acme")
        .quota(Quota::per_minute(100))
        .partial_quota(PartialQuota::of_costs("tokens", Quota::per_minute(9_000)))
}

#[tokio::test(start_paused = true)]
async fn requests_and_tokens_are_both_spent() {
    for (cost, in_the_first_minute) in [(900, 10), (10, 100), (9_000, 1)] {
        let mock = serves_all();
        let service = around(&mock, RetryLayer::new(acme()));
        let calls: Vec<_> = (0..150).map(|_| start(&service, tokens(cost))).collect();
        tokio::time::sleep(secs(55)).await;
        assert_eq!(
            mock.calls().len(),
            in_the_first_minute,
            "{cost} tokens each"
        );
        calls.iter().for_each(|call| call.abort());
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_without_tokens_is_not_kept_by_them() {
    let mock = serves_all();
    let service = around(&mock, RetryLayer::new(acme()));
    send(&service, tokens(9_000)).await.unwrap();
    let waits = start(&service, tokens(1));
    let begun = Instant::now();
    send(&service, get(URI)).await.unwrap();
    assert_eq!(begun.elapsed(), millis(50));
    waits.await.unwrap().unwrap();
    assert_between(begun.elapsed(), secs(60), secs(1));
}

/// Takes 10,000 tokens and 50 calls in 10 s, as a body says how many; publishes what is left of both.
fn publishes(cost: u32) -> Mock {
    let window = Mutex::new((Instant::now(), 0u32, 0u32));
    let script = move |_: usize, _: &Parts| {
        let mut window = window.lock().unwrap();
        let now = Instant::now();
        if window.1 == 0 || now >= window.0 + secs(10) {
            *window = (now, 0, 0);
        }
        let fits = window.2 + cost <= 10_000 && window.1 < 50;
        if fits {
            (window.1, window.2) = (window.1 + 1, window.2 + cost);
        }
        let reset = format!("{}ms", (window.0 + secs(10) - now).as_millis());
        let (requests, tokens) = ((50 - window.1).to_string(), (10_000 - window.2).to_string());
        let headers = [
            ("x-ratelimit-limit-requests", "50"),
            ("x-ratelimit-remaining-requests", &*requests),
            ("x-ratelimit-reset-requests", &*reset),
            ("x-ratelimit-limit-tokens", "10000"),
            ("x-ratelimit-remaining-tokens", &*tokens),
            ("x-ratelimit-reset-tokens", &*reset),
        ];
        answer(if fits { 200 } else { 429 }, &headers, "")
    };
    Mock::new(script).taking(millis(50))
}

#[tokio::test(start_paused = true)]
async fn published_tokens_are_spent_before_sending() {
    for workers in [1, 4, 11] {
        let mock = publishes(900);
        let provider =
            Provider::new("acme").partial_quota(PartialQuota::of_published_costs("tokens"));
        let service = around(&mock, RetryLayer::new(provider));
        let begun = Instant::now();
        let workers: Vec<_> = (0..workers)
            .map(|_| {
                let service = service.clone();
                tokio::spawn(async move {
                    let mut sent = 0;
                    while begun.elapsed() < secs(29) {
                        send(&service, tokens(900)).await.unwrap();
                        sent += 1;
                    }
                    sent
                })
            })
            .collect();
        let mut served = 0;
        for worker in workers {
            served += worker.await.unwrap();
        }
        // 11 of 900 in each window of 10,000.
        assert!((33..=44).contains(&served), "{served}");
        assert_eq!(mock.calls().len(), served, "none was refused");
    }
}

#[tokio::test(start_paused = true)]
async fn the_true_cost_replaces_what_was_said() {
    let inner = acme();
    let policy = policy_fn(move |attempt: &Attempt<'_>| -> Verdict {
        inner.judge(attempt).with_cost(Cost::of("tokens", 100))
    });
    /// A closure judges, and the provider says what is counted.
    struct Settled<P>(P, Provider);
    impl<P: Policy> Policy for Settled<P> {
        fn judge(&self, attempt: &Attempt<'_>) -> Verdict {
            self.0.judge(attempt)
        }
        fn partial_quotas(
            &self,
            request: &tower_backoff::policy::RequestHead<'_>,
        ) -> &[PartialQuota] {
            self.1.partial_quotas(request)
        }
    }
    let mock = serves_all();
    let service = around(&mock, RetryLayer::new(Settled(policy, acme())));
    for _ in 0..80 {
        send(&service, tokens(900)).await.unwrap();
    }
    // 80 calls of 100 tokens and not of 900: no call had to wait.
    assert_eq!(mock.calls().len(), 80);
    let waits = start(&service, tokens(8_900));
    tokio::time::sleep(secs(30)).await;
    assert_eq!(mock.calls().len(), 80);
    waits.abort();
}

#[tokio::test(start_paused = true)]
async fn a_cost_that_no_quota_counts_is_refused_where_it_is_said() {
    let gates = Gates::new();
    for provider in [acme(), Provider::new("other")] {
        let mock = serves_all();
        let service = around(&mock, RetryLayer::new(provider).gates(&gates));
        let error = send(&service, call(Cost::of("token", 900)))
            .await
            .unwrap_err();
        let unknown: &UnknownCost = error.downcast_ref().expect("an unknown cost");
        assert_eq!(unknown.name(), "token");
        assert_eq!(
            unknown.to_string(),
            "no quota of https://api.test counts token: declare it with PartialQuota::of_costs"
        );
        assert_eq!(mock.calls().len(), 0);
        assert_nobody_is_left(&gates);
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_of_more_tokens_than_there_ever_are_ends_at_once() {
    let mock = serves_all();
    let service = around(&mock, RetryLayer::new(acme()));
    let error = send(&service, tokens(9_001)).await.unwrap_err();
    let above: &CostAboveQuota = error.downcast_ref().expect("a cost above the quota");
    assert_eq!((above.cost(), above.limit()), (9_001, 9_000));
    assert_eq!(mock.calls().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn tokens_that_were_not_sent_are_given_back() {
    let gates = Gates::new();
    let mock = serves_all();
    let service = around(&mock, RetryLayer::new(acme()).gates(&gates));
    send(&service, tokens(8_000)).await.unwrap();
    // It has its tokens, and waits for the next one in line of the scope.
    for _ in 0..20 {
        let waits = start(&service, tokens(1_001));
        tokio::task::yield_now().await;
        waits.abort();
        tokio::task::yield_now().await;
    }
    let begun = Instant::now();
    send(&service, tokens(1_000)).await.unwrap();
    assert_eq!(begun.elapsed(), millis(50));
    assert_nobody_is_left(&gates);
}
