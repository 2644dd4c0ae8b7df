//! Many callers, some of whom go away: nobody is stuck, nothing leaks, nothing is sent early.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use support::mock::{Mock, answer, status};
use support::paused::*;
use tower::util::BoxCloneSyncService;
use tower::{Layer, ServiceExt};
use tower_backoff::policy::Provider;
use tower_backoff::{BoxError, Gates, Quota, RetryLayer};

/// Numbers that look random and are the same every time.
fn shuffled(n: u64) -> u64 {
    let mut z = n.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z ^ (z >> 31)
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_callers_dropped_at_random_leave_nothing_behind() {
    let gates = Gates::new();
    let mock = Mock::new(|nth, _| match shuffled(nth as u64) % 20 {
        0 => answer(429, &[("retry-after", "2")], "slow down"),
        1 => status(500),
        2 => Err("the wire broke".into()),
        3 => answer(503, &[("retry-after", "1")], ""),
        4 => answer(
            200,
            &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1")],
            "",
        ),
        _ => status(200),
    })
    .taking(millis(40));
    let policy = Provider::new("stress").quota(Quota::per_second(200));
    let service = around(&mock, RetryLayer::new(policy).gates(&gates));
    let calls = (0..10_000_u64).map(|n| {
        let service = service.clone();
        tokio::spawn(async move {
            tokio::time::sleep(millis(shuffled(n) % 20_000)).await;
            let patience = millis(shuffled(n + 1) % 4_000);
            let _ = tokio::time::timeout(patience, send(&service, get("https://a.test/"))).await;
        })
    });
    futures_util::future::join_all(calls).await;
    let [gate] = gates.all().try_into().expect("one gate");
    assert_eq!((gate.waiting, gate.in_flight), (0, 0));
    tokio::time::sleep(secs(60)).await;
    let after = send(&service, get("https://a.test/")).await;
    assert!(after.is_ok(), "the gate still opens");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_thousand_callers_on_four_threads_all_get_through() {
    let gates = Gates::new();
    let sent = Arc::new(AtomicU64::new(0));
    let server = {
        let sent = Arc::clone(&sent);
        tower::service_fn(move |_: http::Request<Body>| {
            let nth = sent.fetch_add(1, Ordering::Relaxed);
            async move {
                tokio::time::sleep(Duration::from_micros(shuffled(nth) % 2_000)).await;
                let refuse = shuffled(nth) % 100 == 0;
                let response = http::Response::builder()
                    .status(if refuse { 429 } else { 200 })
                    .header("retry-after", "0.01");
                Ok::<_, BoxError>(response.body(Body::default())?)
            }
        })
    };
    let layer = RetryLayer::new(Provider::new("threads")).gates(&gates);
    let service = BoxCloneSyncService::new(layer.layer(server));
    let calls = (0..2_000).map(|n| {
        let call = service.clone().oneshot(get("https://a.test/"));
        tokio::spawn(async move {
            if n % 10 == 0 {
                // Dropped if it takes too long; then it has no answer, and that is well.
                let _ = tokio::time::timeout(Duration::from_millis(3), call).await;
                return true;
            }
            call.await.is_ok_and(|response| response.status() == 200)
        })
    });
    for call in futures_util::future::join_all(calls).await {
        assert!(call.expect("no panic"), "a call was lost");
    }
    let [gate] = gates.all().try_into().expect("one gate");
    assert_eq!((gate.waiting, gate.in_flight), (0, 0));
}
