//! What a waiting call must not hold: permits, connections, locks, slots.

use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use crate::support;
use crate::support::mock::{Mock, answer, status};
use crate::support::paused::*;
use futures_util::FutureExt;
use http::Request;
use tokio::time::Instant;
use tower::{Layer, Service, ServiceBuilder, ServiceExt};
use tower_backoff::policy::{Provider, policy_fn};
use tower_backoff::{Backoff, Budget, Gates, Jitter, RetryLayer};

const A: &str = "https://a.test/";
const B: &str = "https://b.test/";

fn standard() -> RetryLayer {
    RetryLayer::new(Provider::new("test"))
}

/// Host A refuses its first call for nine seconds; all else is served.
fn a_refuses_once() -> Mock {
    let refused = Mutex::new(false);
    Mock::new(move |_, head| {
        let first = !std::mem::replace(&mut *refused.lock().unwrap(), true);
        if first && head.uri.host() == Some("a.test") {
            answer(429, &[("retry-after", "9")], "")
        } else {
            status(200)
        }
    })
}

#[tokio::test(start_paused = true)]
async fn no_permit_is_held_while_a_call_waits_for_another_host() {
    let service = ServiceBuilder::new()
        .layer(standard())
        .concurrency_limit(1)
        .service(a_refuses_once());
    let start = Instant::now();
    let waiting = tokio::spawn(send_owned(service.clone(), A));
    tokio::time::sleep(millis(10)).await;
    send(&service, get(B)).await.unwrap();
    assert_eq!(
        start.elapsed(),
        millis(10),
        "the call to B did not wait for A"
    );
    waiting.await.unwrap();
    assert!(start.elapsed() >= secs(9));
}

async fn send_owned<S>(service: S, uri: &'static str)
where
    S: Service<Request<Body>>,
    S::Error: std::fmt::Debug,
{
    service.oneshot(get(uri)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_call_that_finds_the_gate_shut_lets_go_of_the_permit_it_was_readied_with() {
    let service = ServiceBuilder::new()
        .layer(standard())
        .concurrency_limit(1)
        .service(a_refuses_once());
    let first = tokio::spawn(send_owned(service.clone(), A));
    tokio::time::sleep(millis(10)).await;
    // Readied, so that it holds the only permit, then sent to the closed gate of A.
    let mut readied = service.clone();
    let start = Instant::now();
    let ready = ServiceExt::<Request<Body>>::ready(&mut readied)
        .await
        .unwrap();
    let second = tokio::spawn(ready.call(get(A)));
    tokio::task::yield_now().await;
    send(&service, get(B)).await.unwrap();
    assert!(start.elapsed() < millis(5));
    first.await.unwrap();
    second.await.unwrap().unwrap();
}

/// Notes when it is polled for readiness and when it is called.
#[derive(Clone)]
struct Diary {
    inner: Mock,
    log: Arc<Mutex<Vec<(&'static str, Instant)>>>,
}

impl Service<Request<Body>> for Diary {
    type Response = <Mock as Service<Request<Body>>>::Response;
    type Error = support::BoxError;
    type Future = <Mock as Service<Request<Body>>>::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.log.lock().unwrap().push(("ready", Instant::now()));
        Service::<Request<Body>>::poll_ready(&mut self.inner, cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        self.log.lock().unwrap().push(("call", Instant::now()));
        self.inner.call(request)
    }
}

#[tokio::test(start_paused = true)]
async fn readiness_is_polled_before_every_attempt_after_the_wait_and_never_during_it() {
    let log = Arc::default();
    let diary = Diary {
        inner: a_refuses_once(),
        log: Arc::clone(&log),
    };
    let start = Instant::now();
    standard().layer(diary).oneshot(get(A)).await.unwrap();
    let log: Vec<_> = log
        .lock()
        .unwrap()
        .iter()
        .map(|(what, at)| (*what, (*at - start).as_secs()))
        .collect();
    assert_eq!(log, [("ready", 0), ("call", 0), ("ready", 9), ("call", 9)]);
}

/// Drops a call after each moment of a list and looks whether anything is left behind.
#[tokio::test(start_paused = true)]
async fn dropping_a_call_in_any_state_leaves_gate_and_counters_right() {
    let gates = Gates::new();
    let mock = Mock::new(|nth, _| match nth % 3 {
        1 => answer(429, &[("retry-after", "1")], "refused"),
        2 => answer(503, &[], "broken"),
        _ => status(200),
    })
    .taking(millis(40));
    let service = around(&mock, standard().gates(&gates));
    for moment in (0..4_000).step_by(7) {
        let calls = (0..3).map(|_| send(&service, get(A)));
        let all = futures_util::future::join_all(calls);
        let _ = tokio::time::timeout(millis(moment), all).await;
        let [gate] = gates.snapshot().try_into().expect("one gate");
        assert_eq!((gate.waiting, gate.in_flight), (0, 0), "after {moment} ms");
        tokio::time::sleep(secs(1)).await;
    }
    assert_eq!(status_of(&send(&service, get(A)).await), 200);
}

#[tokio::test(start_paused = true)]
async fn the_slot_of_a_dropped_caller_goes_to_the_next() {
    let mock = Mock::new(|nth, _| {
        if nth == 1 {
            answer(429, &[("retry-after", "5")], "")
        } else {
            status(200)
        }
    });
    let service = around(&mock, standard());
    let first = tokio::spawn(send_owned(service.clone(), A));
    tokio::time::sleep(millis(1)).await;
    let second = tokio::spawn(send_owned(service.clone(), A));
    let third = tokio::spawn(send_owned(service.clone(), A));
    tokio::time::sleep(millis(1)).await;
    first.abort();
    second.abort();
    third.await.expect("the third is not stuck behind the dead");
}

#[tokio::test(start_paused = true)]
async fn a_retry_that_is_dropped_before_it_is_sent_refunds_the_budget() {
    let mock = Mock::new(|_, head| match head.uri.path() {
        "/fine" => status(200),
        _ => status(500),
    });
    let layer = standard()
        .backoff(Backoff::default().jitter(Jitter::None))
        .budget(Budget::percent(0).min_retries(1));
    let service = around(&mock, layer);
    for _ in 0..50 {
        let dropped = tokio::time::timeout(millis(10), send(&service, get(A))).await;
        assert!(dropped.is_err(), "dropped while it backs off");
        send(&service, get("https://a.test/fine")).await.unwrap();
    }
    let outcome = send(&service, get(A)).await;
    let report = report(&outcome).unwrap();
    assert_eq!(report.attempts(), 2, "the one retry is still there");
    assert_eq!(
        report.stop_reason(),
        Some(tower_backoff::StopReason::BudgetExhausted)
    );
}

#[tokio::test(start_paused = true)]
async fn the_budget_bounds_the_retries_of_a_scope() {
    // Every other answer is a failure.
    let mock = Mock::new(|nth, _| status(if nth % 2 == 1 { 500 } else { 200 }));
    let layer = standard().budget(Budget::percent(20).min_retries(0));
    let service = around(&mock, layer);
    let calls = (0..100).map(|_| send(&service, get(A)));
    let outcomes = futures_util::future::join_all(calls).await;
    assert_eq!(mock.calls().len(), 120, "a fifth of a hundred is twenty");
    let budget = Some(tower_backoff::StopReason::BudgetExhausted);
    let failed = outcomes
        .iter()
        .filter(|outcome| status_of(outcome) == 500)
        .inspect(|outcome| assert_eq!(report(outcome).unwrap().stop_reason(), budget));
    assert_eq!(failed.count(), 40);
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_panics_fails_its_call_and_the_gate_stays_sound() {
    let gates = Gates::new();
    let policy = policy_fn(|attempt| {
        assert_ne!(
            attempt.status().map(|status| status.as_u16()),
            Some(418),
            "boom"
        );
        attempt.standard()
    });
    let mock = Mock::new(|nth, _| status(if nth == 1 { 418 } else { 200 }));
    let service = around(&mock, RetryLayer::new(policy).gates(&gates));
    let call = std::panic::AssertUnwindSafe(send(&service, get(A)));
    assert!(call.catch_unwind().await.is_err());
    assert_eq!(gates.snapshot()[0].in_flight, 0);
    assert_eq!(status_of(&send(&service, get(A)).await), 200);
}

#[tokio::test(start_paused = true)]
async fn a_gate_that_shuts_while_a_call_waits_for_readiness_holds_that_call() {
    // One permit. Two calls pass the open gate of A; the second waits for the permit while the first is refused.
    let mock = Mock::new(|nth, _| match nth {
        1 => answer(429, &[("retry-after", "9")], ""),
        _ => status(200),
    })
    .taking(millis(50));
    let calls = mock.clone();
    let start = Instant::now();
    let service = ServiceBuilder::new()
        .layer(standard())
        .concurrency_limit(1)
        .service(mock);
    let both = [send(&service, get(A)), send(&service, get(A))];
    futures_util::future::join_all(both).await;
    let sent = offsets(&calls, start);
    assert!(sent[1] >= secs(9), "{sent:?}");
}
