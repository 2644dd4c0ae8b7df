//! The fast path of a call skips nothing that matters: reports, observers, policies, bodies, pauses, closings.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use crate::support::mock::{Mock, answer, status};
use crate::support::paused::*;
use tokio::time::Instant;
use tower::ServiceExt;
use tower_backoff::hint::Field;
use tower_backoff::policy::{Attempt, Provider, policy_fn};
use tower_backoff::{Decision, Gates, Observer, Quota, ReportSlot, Retry, RetryLayer, Scope};

const URI: &str = "https://api.test/";

fn layer() -> RetryLayer {
    RetryLayer::new(Provider::new("fast-path"))
}

/// Calls before those under test: the gate is in use, and no longer fresh.
const WARM: usize = 40;

/// Through this very service, which has cached the gate.
async fn on(service: &mut Retry<Mock>) -> Outcome {
    let service = ServiceExt::<http::Request<Body>>::ready(service).await?;
    service.call(get(URI)).await
}

async fn warm(service: &Retry<Mock>) {
    for _ in 0..WARM {
        send(service, get(URI)).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_slot_is_filled_however_plainly_a_call_is_served() {
    let service = around(&Mock::new(|_, _| status(200)), layer());
    warm(&service).await;
    let slot = ReportSlot::new();
    let mut request = get(URI);
    request.extensions_mut().insert(slot.clone());
    send(&service, request).await.unwrap();
    assert!(slot.report().is_some());
}

#[tokio::test(start_paused = true)]
async fn a_policy_of_ones_own_judges_every_served_answer() {
    let judged = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&judged);
    let policy = policy_fn(move |attempt: &Attempt<'_>| {
        count.fetch_add(1, Relaxed);
        attempt.standard()
    });
    let service = around(&Mock::new(|_, _| status(200)), RetryLayer::new(policy));
    warm(&service).await;
    assert_eq!(judged.load(Relaxed), WARM);
}

#[tokio::test(start_paused = true)]
async fn an_observer_sees_every_served_answer() {
    let seen = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&seen);
    let layer = layer().observe(Counts(count));
    let service = around(&Mock::new(|_, _| status(200)), layer);
    warm(&service).await;
    assert_eq!(seen.load(Relaxed), WARM);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_under_200_is_found_in_the_body_after_many_served_answers() {
    let mock = Mock::new(|nth, _| match nth {
        41 => answer(200, &[], r#"{"code":"SLOW"}"#),
        _ => answer(200, &[], r#"{"code":"FINE"}"#),
    });
    let provider = Provider::new("fast-path")
        .inspect_bodies_of([200])
        .throttled_codes(["SLOW"]);
    let service = around(&mock, RetryLayer::new(provider));
    warm(&service).await;
    let begun = Instant::now();
    send(&service, get(URI)).await.unwrap();
    assert_between(begun.elapsed(), secs(60), secs(1));
}

#[tokio::test(start_paused = true)]
async fn named_waits_are_kept_to_the_letter_when_a_call_is_served_after_each() {
    let spent = [("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1")];
    let mock = Mock::new(move |nth, _| match nth % 2 {
        0 => answer(503, &[("retry-after", "3")], ""),
        _ => answer(200, &spent, "{}"),
    });
    let provider = Provider::new("fast-path")
        .inspect_bodies_of([200])
        .throttled_codes(["SLOW"]);
    let service = around(&mock, RetryLayer::new(provider));
    let begun = Instant::now();
    for _ in 0..16 {
        send(&service, get(URI)).await.unwrap();
    }
    assert_between(begun.elapsed(), secs(15 * (3 + 1)), secs(3));
}

#[tokio::test(start_paused = true)]
async fn a_pause_in_a_header_is_kept_after_many_served_answers() {
    let mock = Mock::new(|nth, _| match nth {
        40 => answer(200, &[("slow-down", "7")], ""),
        _ => answer(200, &[("slow-down", "")], ""),
    });
    let provider = Provider::new("fast-path").pause_from(Field::header("slow-down"));
    let service = around(&mock, RetryLayer::new(provider));
    warm(&service).await;
    let begun = Instant::now();
    send(&service, get(URI)).await.unwrap();
    assert_between(begun.elapsed(), secs(7), secs(1));
}

#[tokio::test(start_paused = true)]
async fn concurrency_slots_are_right_with_windows_beside_them() {
    let gates = Gates::new();
    let mock = Mock::new(|_, _| answer(200, &[], "body")).taking(millis(10));
    let provider =
        Provider::new("fast-path").quotas([Quota::concurrent(3), Quota::per_second(1_000)]);
    let service = around(&mock, RetryLayer::new(provider).gates(&gates));
    warm(&service).await;
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(send(&service, get(URI)).await.unwrap());
    }
    let fourth = start(&service, get(URI));
    tokio::time::sleep(secs(10)).await;
    assert!(!fourth.is_finished());
    held.pop();
    fourth.await.unwrap().unwrap();
    drop(held);
    tokio::time::sleep(secs(2)).await;
    let used: Vec<_> = gates.snapshot()[0]
        .quotas
        .iter()
        .map(|usage| usage.used)
        .collect();
    assert!(used.iter().all(|used| *used == 0), "{used:?}");
    assert_nobody_is_left(&gates);
}

#[tokio::test(start_paused = true)]
async fn a_call_served_after_a_closing_that_it_was_sent_before_changes_nothing() {
    // The second wait is twice the first: what was sent before does not end the growth.
    let mock = Mock::new(|nth, _| status(if nth == 42 || nth == 43 { 429 } else { 200 }))
        .taking_each(|_, head| {
            if head.uri.path() == "/slow" {
                secs(5)
            } else {
                millis(0)
            }
        });
    let gates = Gates::new();
    let service = around(&mock, layer().gates(&gates).patience(secs(3600)));
    warm(&service).await;
    let slow = start(&service, get("https://api.test/slow"));
    tokio::time::sleep(millis(1)).await;
    let begun = Instant::now();
    let refused = start(&service, get(URI));
    slow.await.unwrap().unwrap();
    let early = start(&service, get(URI));
    refused.await.unwrap().unwrap();
    early.await.unwrap().unwrap();
    assert_between(begun.elapsed(), secs(180), secs(3));
    assert_eq!(mock.calls().len(), 45, "{:?}", offsets(&mock, begun));
    assert_nobody_is_left(&gates);
}

#[tokio::test(start_paused = true)]
async fn a_gate_that_an_idle_service_has_cached_is_not_made_twice() {
    let gates = Gates::new();
    let provider = Provider::new("fast-path").quota(Quota::new(2, secs(3_600)));
    let layer = RetryLayer::new(provider).gates(&gates).patience(secs(1));
    let mut idle = around(&Mock::new(|_, _| status(200)), layer.clone());
    on(&mut idle).await.unwrap();
    tokio::time::sleep(secs(4_000)).await;
    let other = around(&Mock::new(|_, _| status(200)), layer);
    for nth in 0..1_500 {
        let uri = format!("https://other-{nth}.test/");
        send(&other, get(&uri)).await.unwrap();
        if nth == 1_000 {
            tokio::time::sleep(secs(4_000)).await;
        }
    }
    assert!(gates.snapshot().len() < 1_000, "the others were forgotten");
    on(&mut idle).await.unwrap();
    send(&other, get(URI)).await.unwrap();
    assert!(on(&mut idle).await.is_err() && send(&other, get(URI)).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn reopening_reaches_the_gate_that_a_service_has_cached() {
    let gates = Gates::new();
    let mock = Mock::new(|nth, _| match nth {
        41 => answer(429, &[("retry-after", "86400")], ""),
        _ => status(200),
    });
    let layer = layer().gates(&gates);
    let mut service = around(&mock, layer);
    for _ in 0..WARM {
        on(&mut service).await.unwrap();
    }
    let refused = on(&mut service).await.unwrap();
    assert_eq!(refused.status(), 429);
    assert!(on(&mut service).await.is_err());
    gates.reopen(&Scope::origin(&URI.parse().unwrap()));
    assert_eq!(on(&mut service).await.unwrap().status(), 200);
}

struct Counts(Arc<AtomicUsize>);
impl Observer for Counts {
    fn on_decision(&self, _: &Decision<'_>) {
        self.0.fetch_add(1, Relaxed);
    }
}
