//! Calls that come one upon the other, and pass with tickets: all is counted as if each had asked.

mod support;

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use support::mock::{Mock, answer, status};
use support::paused::*;
use tokio::time::Instant;
use tower_backoff::policy::Provider;
use tower_backoff::{Budget, Gates, Quota, RetryLayer};

const URI: &str = "https://api.test/";

/// So many that the gate has learned what answers look like.
const WARM: usize = 40;

fn layer(gates: &Gates) -> RetryLayer {
    RetryLayer::new(Provider::new("rush")).gates(gates)
}

fn with_quota(gates: &Gates, quota: Quota) -> RetryLayer {
    RetryLayer::new(Provider::new("rush").quota(quota)).gates(gates)
}

async fn all(calls: Vec<tokio::task::JoinHandle<Outcome>>) -> Vec<u16> {
    let mut statuses = Vec::new();
    for call in calls {
        statuses.push(status_of(&call.await.unwrap()));
    }
    statuses
}

#[tokio::test(start_paused = true)]
async fn nobody_passes_after_a_refusal() {
    let gates = Gates::new();
    let mock = Mock::new(|nth, _| match nth {
        100 => answer(429, &[("retry-after", "7")], ""),
        _ => status(200),
    });
    let service = around(&mock, layer(&gates));
    let begun = Instant::now();
    let calls: Vec<_> = (0..300).map(|_| start(&service, get(URI))).collect();
    assert_eq!(all(calls).await, [200; 300]);
    let offsets = offsets(&mock, begun);
    assert_eq!(offsets.len(), 301);
    assert!(offsets[..100].iter().all(|at| *at < millis(10)));
    assert!(offsets[100..].iter().all(|at| *at >= secs(7)));
    assert_nobody_is_left(&gates);
}

#[tokio::test(start_paused = true)]
async fn no_more_pass_in_a_window_than_declared() {
    let gates = Gates::new();
    let mock = Mock::new(|_, _| status(200));
    let service = around(&mock, with_quota(&gates, Quota::per_second(3_000)));
    let begun = Instant::now();
    let calls: Vec<_> = (0..7_000).map(|_| start(&service, get(URI))).collect();
    tokio::time::sleep(millis(500)).await;
    assert_eq!(mock.calls().len(), 3_000);
    assert_eq!(gates.all()[0].spent[0].spent, 3_000);
    assert_eq!(all(calls).await, [200; 7_000]);
    let offsets = offsets(&mock, begun);
    for pair in offsets.windows(3_001) {
        assert!(pair[3_000] - pair[0] >= secs(1), "{pair:?}");
    }
    assert_between(offsets[6_999], secs(2), millis(30));
}

#[tokio::test(start_paused = true)]
async fn what_is_spent_and_who_is_on_the_way_is_seen_at_any_moment() {
    let gates = Gates::new();
    let mock = Mock::new(|_, _| status(200)).taking_each(|nth, _| match nth {
        ..=WARM => millis(0),
        _ => millis(50),
    });
    let service = around(&mock, with_quota(&gates, Quota::per_minute(5_000)));
    for _ in 0..WARM {
        send(&service, get(URI)).await.unwrap();
    }
    let mut calls = Vec::new();
    for sent in 1..=150u32 {
        calls.push(start(&service, get(URI)));
        tokio::task::yield_now().await;
        let gate = &gates.all()[0];
        assert_eq!(gate.in_flight, sent);
        assert_eq!(gate.spent[0].spent, WARM as u32 + sent);
    }
    assert_eq!(all(calls).await, [200; 150]);
    assert_nobody_is_left(&gates);
}

#[tokio::test(start_paused = true)]
async fn the_budget_counts_every_call() {
    let gates = Gates::new();
    let mock = Mock::new(|_, head| match head.uri.path() {
        "/bad" => status(500),
        _ => status(200),
    });
    let budget = Budget::percent(10).at_least(0);
    let service = around(&mock, layer(&gates).budget(budget).max_retries(1));
    let calls: Vec<_> = (0..1_000).map(|_| start(&service, get(URI))).collect();
    assert_eq!(all(calls).await, [200; 1_000]);
    // By turns, so that it is not the whole scope that fails.
    let by_turns = [URI, "https://api.test/bad"].repeat(200);
    let calls = by_turns.iter().map(|uri| start(&service, get(uri)));
    assert_eq!(all(calls.collect()).await, [200, 500].repeat(200));
    let calls = 1_000 + 400;
    assert_eq!(mock.calls().len(), calls + calls / 10);
}

#[tokio::test(start_paused = true)]
async fn a_published_limit_is_spent_to_the_last_and_not_beyond() {
    const LIMIT: usize = 2_000;
    let refused = std::sync::Arc::new(AtomicUsize::new(0));
    let count = std::sync::Arc::clone(&refused);
    let begun = Instant::now();
    let mock = Mock::new(move |nth, _| {
        let window = begun.elapsed().as_secs() / 60;
        let left = (LIMIT * (window as usize + 1)).checked_sub(nth);
        let reset = (60 - begun.elapsed().as_secs() % 60).to_string();
        let limit = LIMIT.to_string();
        let remaining = left.unwrap_or(0).to_string();
        let status = if left.is_some() { 200 } else { 429 };
        count.fetch_add(usize::from(status == 429), Relaxed);
        let headers = [
            ("x-ratelimit-limit", &*limit),
            ("x-ratelimit-remaining", &*remaining),
            ("x-ratelimit-reset", &*reset),
        ];
        answer(status, &headers, "")
    });
    let service = around(&mock, layer(&Gates::new()));
    let calls: Vec<_> = (0..3_000).map(|_| start(&service, get(URI))).collect();
    assert_eq!(all(calls).await, [200; 3_000]);
    assert_eq!(refused.load(Relaxed), 0);
    let offsets = offsets(&mock, begun);
    assert!(offsets[LIMIT - 1] < secs(1), "{:?}", offsets[LIMIT - 1]);
    assert!(offsets[LIMIT] >= secs(60), "{:?}", offsets[LIMIT]);
}

#[tokio::test(start_paused = true)]
async fn callers_that_are_dropped_on_the_way_are_counted_once() {
    let gates = Gates::new();
    let mock = Mock::new(|_, _| status(200)).taking_each(|nth, _| match nth {
        ..=WARM => millis(0),
        _ => secs(5),
    });
    let service = around(&mock, with_quota(&gates, Quota::per_minute(5_000)));
    for _ in 0..WARM {
        send(&service, get(URI)).await.unwrap();
    }
    let calls: Vec<_> = (0..200).map(|_| start(&service, get(URI))).collect();
    tokio::time::sleep(millis(1)).await;
    calls.iter().step_by(2).for_each(|call| call.abort());
    tokio::time::sleep(millis(1)).await;
    let gate = &gates.all()[0];
    assert_eq!((gate.in_flight, gate.spent[0].spent), (100, 240));
    tokio::time::sleep(secs(6)).await;
    assert_nobody_is_left(&gates);
}
