//! Late answers, costs and fleets, in the corners where two of them meet.
mod support;

use http::{HeaderName, Request, Response};
use http_body_util::{BodyExt, Full};
use std::time::Duration;
use support::mock::{Mock, answer, status};
use support::paused::*;
use tokio::time::Instant;
use tower_backoff::policy::{Attempt, Policy, Provider, RequestHead, Route, Verdict};
use tower_backoff::{Gates, Price, Quota, Retry, RetryLayer};

const URI: &str = "https://api.test/";

/// A service whose answer takes as long as the request says, and costs what it says.
#[derive(Clone, Default)]
struct Slow {
    sent: std::sync::Arc<std::sync::Mutex<Vec<(Duration, String)>>>,
    begun: Option<Instant>,
}
impl tower::Service<Request<Body>> for Slow {
    type Response = Response<Full<bytes::Bytes>>;
    type Error = support::BoxError;
    type Future =
        std::pin::Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;
    fn poll_ready(
        &mut self,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), Self::Error>> {
        std::task::Poll::Ready(Ok(()))
    }
    fn call(&mut self, r: Request<Body>) -> Self::Future {
        let name = |n: &str| {
            r.headers()
                .get(n)
                .map(|v| v.to_str().unwrap().to_owned())
                .unwrap_or_default()
        };
        let takes: u64 = name("takes").parse().unwrap();
        let cost = name("cost");
        self.sent
            .lock()
            .unwrap()
            .push((self.begun.unwrap().elapsed(), cost.clone()));
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(takes)).await;
            answer(200, &[("x-cost", &cost)], "")
        })
    }
}
struct Tokens;
impl Policy for Tokens {
    fn judge(&self, attempt: &Attempt<'_>) -> Verdict {
        let said = attempt.headers().and_then(|headers| headers.get("x-cost"));
        let cost = said.and_then(|cost| cost.to_str().ok()?.parse().ok());
        attempt.standard().costing(cost.unwrap_or(1))
    }
    fn quotas(&self, _: &RequestHead<'_>) -> &[Quota] {
        const TEN: [Quota; 1] = [Quota::new(10, Duration::from_secs(10))];
        &TEN
    }
}
fn call(price: u32, cost: u32, takes: u64) -> Request<Body> {
    let mut r = get(URI);
    r.extensions_mut().insert(Price(price));
    r.headers_mut().insert("takes", takes.into());
    r.headers_mut().insert("cost", cost.into());
    r
}
/// A: says 5, costs 1, answered after 4 s. B: says and costs 5, answered at 4 s, just before.
/// Of B's five places four must not be free with A's, at 10.25 s, but at 14 s.
#[tokio::test(start_paused = true)]
async fn a_slow_cheaper_call_frees_nothing_that_others_hold_for_longer() {
    use tower::{Layer, ServiceExt};
    let begun = Instant::now();
    let slow = Slow {
        begun: Some(begun),
        ..Slow::default()
    };
    let service = RetryLayer::new(Tokens).seed(1).layer(slow.clone());
    let a = tokio::spawn(service.clone().oneshot(call(5, 1, 4_000)));
    tokio::time::sleep(millis(3_900)).await;
    // Answered at 3.99.
    service.clone().oneshot(call(5, 5, 95)).await.unwrap();
    a.await.unwrap().unwrap();
    // One true place of A, until 10.25 at the latest, five of B until 13.99.
    let mut calls = Vec::new();
    for _ in 0..4 {
        calls.push(tokio::spawn(service.clone().oneshot(call(1, 1, 50))));
    }
    tokio::time::sleep(millis(6_700)).await; // 10.7 s
    for _ in 0..6 {
        calls.push(tokio::spawn(service.clone().oneshot(call(1, 1, 50))));
    }
    for c in calls {
        c.await.unwrap().unwrap();
    }
    let sent = slow.sent.lock().unwrap().clone();
    // By true cost, counted by the server when sent at the earliest.
    for (at, _) in &sent {
        let spent: u32 = sent
            .iter()
            .filter(|(when, _)| when <= at && *at < *when + secs(10))
            .map(|(_, c)| c.parse::<u32>().unwrap())
            .sum();
        assert!(
            spent <= 10,
            "{spent} within ten seconds before {at:?}: {sent:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_absurd_cost_breaks_nothing() {
    use tower::{Layer, ServiceExt};
    let begun = Instant::now();
    let slow = Slow {
        begun: Some(begun),
        ..Slow::default()
    };
    let gates = Gates::new();
    let service = RetryLayer::new(Tokens)
        .gates(&gates)
        .seed(1)
        .layer(slow.clone());
    let a = tokio::spawn(service.clone().oneshot(call(1, u32::MAX, 10)));
    let b = tokio::spawn(service.clone().oneshot(call(1, u32::MAX, 20)));
    let c = tokio::spawn(service.clone().oneshot(call(3, 0, 30)));
    let _ = (a.await, b.await, c.await);
    service.clone().oneshot(call(1, 1, 10)).await.unwrap();
    assert!(begun.elapsed() < secs(12));
    assert!(
        gates
            .all()
            .iter()
            .all(|gate| gate.in_flight == 0 && gate.waiting == 0)
    );
}

/// The declared quota is one of tokens; the server publishes how many requests a minute it takes.
#[tokio::test(start_paused = true)]
async fn a_published_limit_of_requests_does_not_correct_a_quota_of_tokens() {
    let mock = Mock::new(|nth, _| {
        let left = (500 - nth).to_string();
        let headers = [
            ("x-ratelimit-limit-requests", "500"),
            ("x-ratelimit-remaining-requests", left.as_str()),
            ("x-ratelimit-reset-requests", "60s"),
        ];
        answer(200, &headers, "")
    });
    let gates = Gates::new();
    let service = around(
        &mock,
        RetryLayer::new(Provider::new("acme").quotas([Quota::per_minute(30_000)])).gates(&gates),
    );
    let mut r = get(URI);
    r.extensions_mut().insert(Price(100));
    send(&service, r).await.unwrap();
    assert_eq!(gates.all()[0].spent[0].of, 30_000);
}

/// Global refusal while shut for a bucket; place counts at the end.
#[tokio::test(start_paused = true)]
async fn dropped_at_any_moment_nothing_is_left_behind() {
    for drop_at in (0..4_000).step_by(7) {
        let mock = Mock::new(|nth, _| {
            let headers = [
                ("x-ratelimit-resource", "a"),
                ("x-ratelimit-remaining", "3"),
                ("x-ratelimit-limit", "5"),
                ("x-ratelimit-reset", "30"),
                ("retry-after", "1"),
            ];
            match nth % 4 {
                1 => answer(429, &headers, "no"),
                2 => answer(503, &headers[..4], "down"),
                3 => Err("broken".into()),
                _ => answer(200, &headers[..4], "yes"),
            }
        })
        .taking(millis(100));
        let gates = Gates::new();
        let provider = Provider::new("g")
            .buckets_in(HeaderName::from_static("x-ratelimit-resource"))
            .quotas([Quota::concurrent(2), Quota::per_second(10)]);
        let service = around(&mock, RetryLayer::new(provider).gates(&gates));
        let calls: Vec<_> = (0..4)
            .map(|_| {
                let s: Retry<Mock> = service.clone();
                tokio::spawn(async move {
                    tokio::time::timeout(millis(drop_at), send(&s, get(URI))).await
                })
            })
            .collect();
        for c in calls {
            drop(c.await);
        }
        for gate in gates.all() {
            assert_eq!((gate.in_flight, gate.waiting), (0, 0), "{gate:?}");
            for spent in &gate.spent {
                if spent.of == 2 {
                    assert_eq!(spent.spent, 0, "{drop_at} {gate:?}");
                }
            }
        }
    }
}

/// Body ends in an error, or is read past its end.
#[tokio::test(start_paused = true)]
async fn a_place_is_freed_once() {
    let mock = Mock::new(|_, _| answer(200, &[], "body"));
    let gates = Gates::new();
    let service = around(
        &mock,
        RetryLayer::new(Provider::new("p").quotas([Quota::concurrent(2)])).gates(&gates),
    );
    let mut one = send(&service, get(URI)).await.unwrap();
    let two = send(&service, get(URI)).await.unwrap();
    let _ = one.body_mut().frame().await;
    assert_eq!(gates.all()[0].spent[0].spent, 1);
    let _ = one.body_mut().frame().await;
    drop(one);
    assert_eq!(gates.all()[0].spent[0].spent, 1);
    drop(two);
    let _ = status(200);
    let _ = Route::named("x");
}
