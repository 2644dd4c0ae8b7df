//! A refusal that is passed on: to a job queue behind clients that hide responses, or to one's own callers.

use crate::support::BoxError;
use crate::support::mock::{Mock, answer, status};
use crate::support::paused::*;
use http::Request;
use tokio::time::Instant;
use tower::{Layer, ServiceBuilder, ServiceExt};
use tower_backoff::policy::Provider;
use tower_backoff::{CircuitBreaker, NotBefore, ReportSlot, RetryLayer, StopReason};

const URI: &str = "https://api.test/";

fn layer() -> RetryLayer {
    RetryLayer::new(Provider::new("test"))
        .patience(secs(20))
        .end_with_not_before()
}

fn slotted() -> (ReportSlot, Request<Body>) {
    let (slot, mut request) = (ReportSlot::new(), get(URI));
    request.extensions_mut().insert(slot.clone());
    (slot, request)
}

#[tokio::test(start_paused = true)]
async fn a_refusal_past_the_patience_is_the_error_that_says_when() {
    let refusal = [("retry-after", "58")];
    let mock = Mock::new(move |_, _| answer(429, &refusal, "slow down"));
    let service = around(&mock, layer());
    let (slot, request) = slotted();
    let error = send(&service, request).await.unwrap_err();
    let not_before = NotBefore::find(&*error).expect("when to come back");
    assert_between(not_before.wait(), secs(58), millis(251));
    assert_eq!(not_before.decided_by(), "retry-after");
    assert_eq!(not_before.moment(), noon() + not_before.wait());
    assert!((58..=59).contains(&not_before.retry_after_seconds()));
    let report = slot.report().unwrap();
    assert_eq!(report.attempts(), 1);
    assert_eq!(report.stop_reason(), Some(StopReason::PatienceExceeded));
    assert_eq!(report.not_before(), Some(not_before.moment()));

    // Without the word it is the response.
    let usual = RetryLayer::new(Provider::new("usual")).patience(secs(20));
    let outcome = send(&around(&mock, usual), get(URI)).await;
    assert_eq!(status_of(&outcome), 429);
}

/// It has a response in hand when another call's refusal closes the gate for longer.
#[tokio::test(start_paused = true)]
async fn so_is_one_that_was_waited_for_until_the_gate_closed_for_longer() {
    let mock = Mock::new(|nth, _| match nth {
        1 => answer(429, &[("retry-after", "5")], ""),
        _ => answer(429, &[("retry-after", "600")], ""),
    });
    let slow = Mock::clone(&mock).taking_each(|nth, _| secs(if nth == 1 { 1 } else { 2 }));
    let service = around(&slow, layer());
    let waiting = start(&service, get(URI));
    let late = start(&service, get(URI));
    for outcome in [waiting.await.unwrap(), late.await.unwrap()] {
        let error = outcome.unwrap_err();
        let not_before = NotBefore::find(&*error).expect("when to come back");
        assert!(not_before.wait() > secs(590), "{not_before}");
    }
    assert_eq!(mock.calls().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn failures_past_the_patience_end_with_it_too() {
    let broken = Mock::new(|_, _| Err("the connection broke".into()));
    let failing = Mock::new(|_, _| status(503));
    for mock in [broken, failing] {
        let impatient = layer()
            .circuit_breaker(CircuitBreaker::off())
            .failure_patience(millis(1));
        let error = send(&around(&mock, impatient), get(URI)).await.unwrap_err();
        let not_before = NotBefore::find(&*error).expect("when to come back");
        assert_eq!(not_before.decided_by(), "backoff");
    }
}

#[tokio::test(start_paused = true)]
async fn what_ends_for_another_reason_ends_as_ever() {
    for (code, reason) in [
        (404, StopReason::Final),
        (500, StopReason::RetriesExhausted),
    ] {
        let mock = Mock::new(move |_, _| status(code));
        let outcome = send(&around(&mock, layer()), get(URI)).await;
        assert_eq!(status_of(&outcome), code);
        assert_eq!(report(&outcome).unwrap().stop_reason(), Some(reason));
    }
    let mock = Mock::new(|_, _| answer(429, &[("retry-after", "7")], ""));
    let outcome = send(&around(&mock, layer().max_refusals(0)), get(URI)).await;
    assert_eq!(status_of(&outcome), 429);
    let reason = report(&outcome).unwrap().stop_reason();
    assert_eq!(reason, Some(StopReason::RefusalsExhausted));
}

/// A client that turns each refusal into an error of its own, as SDKs do.
#[derive(Debug)]
struct OfSdk(BoxError);

impl std::fmt::Display for OfSdk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the API failed")
    }
}

impl std::error::Error for OfSdk {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.0)
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_hides_responses_shows_it_in_its_error() {
    let mock = Mock::new(|_, _| answer(429, &[("retry-after", "58")], ""));
    let service = ServiceBuilder::new()
        .map_err(OfSdk)
        .layer(layer())
        .service(mock);
    let error = send(&service, get(URI)).await.unwrap_err();
    let not_before = NotBefore::find(&error).expect("when to come back");
    assert!(not_before.retry_after_seconds() >= 58);
}

/// Two layers in a row: the outer one takes the error of the inner one for what it is.
#[tokio::test(start_paused = true)]
async fn a_layer_around_it_does_not_try_again() {
    let mock = Mock::new(|_, _| answer(429, &[("retry-after", "58")], ""));
    let inner = ServiceBuilder::new()
        .map_err(OfSdk)
        .service(around(&mock, layer()));
    let outer = RetryLayer::new(Provider::new("outer")).layer(inner);
    let (slot, request) = slotted();
    let error = outer.oneshot(request).await.unwrap_err();
    assert!(NotBefore::find(&*error).is_some());
    let report = slot.report().unwrap();
    assert_eq!(report.stop_reason(), Some(StopReason::PatienceExceeded));
    assert_eq!(mock.calls().len(), 1);
}

/// A disabled layer changes neither the request nor the response, and no call waits for it.
#[tokio::test(start_paused = true)]
async fn a_disabled_layer_passes_calls_through_untouched() {
    let mock = Mock::new(|nth, head| match nth {
        1 => answer(429, &[("retry-after", "3600")], "slow down"),
        2 => answer(503, &[("x-seen", head.method.as_str())], ""),
        3 => Err("the connection broke".into()),
        _ => status(200),
    });
    let gates = tower_backoff::Gates::new();
    let off = layer().gates(&gates).idempotency_keys().enabled(false);
    let service = around(&mock, off.clone());
    let begun = Instant::now();
    let outcome = send(&service, post(URI)).await;
    assert_eq!((status_of(&outcome), report(&outcome)), (429, None));
    assert_eq!(text(outcome).await, "slow down");
    assert_eq!(status_of(&send(&service, get(URI)).await), 503);
    let error = send(&service, get(URI)).await.unwrap_err();
    assert_eq!(error.to_string(), "the connection broke");
    assert_eq!(status_of(&send(&service, get(URI)).await), 200);
    assert_eq!(begun.elapsed(), secs(0));
    assert_eq!(mock.calls().len(), 4);
    assert!(mock.calls().iter().all(|call| call.headers.is_empty()));
    assert!(gates.snapshot().is_empty());

    let again = around(&mock, off.enabled(true));
    assert_eq!(status_of(&send(&again, get(URI)).await), 200);
    assert_eq!(gates.snapshot().len(), 1);
}
