//! Calls that are on their way for longer than a window lasts, or than a bucket needs to refill.

use std::sync::Mutex;

use crate::support::mock::{Mock, answer};
use crate::support::paused::*;
use tokio::time::Instant;
use tower_backoff::policy::Provider;
use tower_backoff::{Quota, RetryLayer};

const URI: &str = "https://api.test/";

/// Sends 100 calls at once, and returns after how many seconds all are served. None may be refused.
async fn seconds_for_100_calls(mock: Mock, quotas: impl IntoIterator<Item = Quota>) -> u64 {
    let provider = Provider::new("far").quotas(quotas);
    let service = around(&mock, RetryLayer::new(provider));
    let begun = Instant::now();
    let calls: Vec<_> = (0..100).map(|_| start(&service, get(URI))).collect();
    for call in calls {
        assert_eq!(call.await.unwrap().unwrap().status(), 200);
    }
    assert_eq!(mock.calls().len(), 100, "none was refused");
    begun.elapsed().as_secs()
}

/// Serves five calls in each 400 ms, and says in whole seconds when all are back.
fn short_windows() -> Mock {
    let window = Mutex::new((Instant::now(), 0u32));
    Mock::new(move |_, _| {
        let mut window = window.lock().unwrap();
        let now = Instant::now();
        if window.1 == 0 || now >= window.0 + millis(400) {
            *window = (now, 0);
        }
        window.1 += 1;
        let left = 5u32.saturating_sub(window.1).to_string();
        let headers = [
            ("ratelimit-limit", "5"),
            ("ratelimit-remaining", &*left),
            ("ratelimit-reset", "1"),
        ];
        answer(if window.1 <= 5 { 200 } else { 429 }, &headers, "")
    })
    .taking(secs(2))
}

#[tokio::test(start_paused = true)]
async fn a_short_window_that_ended_on_the_way_is_waited_for_no_longer() {
    let quotas = [Quota::new(5, millis(400)), Quota::new(20, secs(2))];
    let took = seconds_for_100_calls(short_windows(), quotas).await;
    // At least 10 s, and 45 s if each answer is waited for.
    assert!(took < 20, "{took}");
}

/// A bucket of two calls, one of which is back after 100 ms, with a counter that names no reset.
fn bucket() -> Mock {
    let full_at = Mutex::new(Instant::now());
    Mock::new(move |_, _| {
        let mut full_at = full_at.lock().unwrap();
        let now = Instant::now();
        let missing = full_at.duration_since(now);
        let is_served = missing <= millis(100);
        if is_served {
            *full_at = (*full_at).max(now) + millis(100);
        }
        let left = (200 - full_at.duration_since(now).as_millis()) / 100;
        let left = left.to_string();
        let headers = [
            ("x-ratelimit-limit", "2"),
            ("x-ratelimit-remaining", &*left),
        ];
        answer(if is_served { 200 } else { 429 }, &headers, "")
    })
    .taking(secs(2))
}

#[tokio::test(start_paused = true)]
async fn a_bucket_that_has_refilled_on_the_way_is_not_held_by_its_counter() {
    let quota = Quota::new(20, secs(2)).burst(2);
    let took = seconds_for_100_calls(bucket(), [quota]).await;
    // At least 10 s, and 163 s if each answer is waited for.
    assert!(took < 25, "{took}");
}

/// Serves 20 calls in each 2 s, takes 2 s for each, and publishes a counter without a reset.
fn windows_of_two_seconds() -> Mock {
    let window = Mutex::new((Instant::now(), 0u32));
    Mock::new(move |_, _| {
        let mut window = window.lock().unwrap();
        let now = Instant::now();
        if window.1 == 0 || now >= window.0 + secs(2) {
            *window = (now, 0);
        }
        window.1 += 1;
        let left = 20u32.saturating_sub(window.1).to_string();
        let limit = ("x-ratelimit-limit", "20");
        match window.1 <= 20 {
            true => answer(200, &[limit, ("x-ratelimit-remaining", &*left)], ""),
            false => answer(429, &[limit, ("retry-after", "2")], ""),
        }
    })
    .taking(secs(2))
}

#[tokio::test(start_paused = true)]
async fn a_counter_of_a_window_that_is_over_when_it_arrives_binds_no_call() {
    let declared = Provider::new("published").quota(Quota::new(20, secs(2)));
    for (provider, most) in [(declared, 25), (Provider::new("published"), 45)] {
        let mock = windows_of_two_seconds();
        let service = around(&mock, RetryLayer::new(provider));
        let begun = Instant::now();
        let calls: Vec<_> = (0..200).map(|_| start(&service, get(URI))).collect();
        for call in calls {
            assert_eq!(call.await.unwrap().unwrap().status(), 200);
        }
        // At least 20 s, and 38 s if each window is waited for and then its answers.
        assert!(begun.elapsed() < secs(most), "{:?}", begun.elapsed());
    }
}
