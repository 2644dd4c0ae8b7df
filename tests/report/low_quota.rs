//! What is told when little is left of a quota that the server publishes.

use std::sync::{Arc, Mutex};

use crate::support::alone::alone;
use crate::support::log::Log;
use crate::support::mock::{Mock, answer, status};
use crate::support::paused::*;
use tower_backoff::policy::Provider;
use tower_backoff::{Decision, LowQuota, Observer, RetryLayer};

/// The scope, how many calls of how many are left, and for how many seconds.
type Told = (String, u32, u32, u64);

#[derive(Clone, Default)]
struct Diary(Arc<Mutex<Vec<Told>>>);

impl Observer for Diary {
    fn on_decision(&self, _: &Decision<'_>) {}

    fn on_low_quota(&self, quota: &LowQuota<'_>) {
        let resets_in = quota.resets_in.unwrap_or_default().as_secs();
        let told = (
            quota.scope.to_string(),
            quota.remaining,
            quota.limit,
            resets_in,
        );
        self.0.lock().unwrap().push(told);
    }
}

/// Two windows of 40 calls each, one after the other.
fn server() -> Mock {
    Mock::new(|nth, head| {
        if head.uri.path() == "/silent" {
            return status(200);
        }
        let left = (39 - (nth - 1) % 40).to_string();
        let headers = [
            ("x-ratelimit-limit", "40"),
            ("x-ratelimit-remaining", &*left),
            ("x-ratelimit-reset", "60"),
        ];
        answer(200, &headers, "")
    })
}

fn layer() -> RetryLayer {
    RetryLayer::new(Provider::new("low"))
}

async fn told(layer: RetryLayer, calls: usize) -> Vec<Told> {
    let diary = Diary::default();
    let service = around(&server(), layer.observe(Arc::new(diary.clone())));
    for _ in 0..calls {
        send(&service, get("https://api.test/")).await.unwrap();
    }
    let told = diary.0.lock().unwrap();
    told.clone()
}

#[tokio::test(start_paused = true)]
async fn an_observer_is_told_once_that_little_is_left_and_again_in_the_next_window() {
    let api = || "https://api.test".to_owned();
    assert_eq!(told(layer(), 35).await, []);
    assert_eq!(told(layer(), 36).await, [(api(), 4, 40, 60)]);
    assert_eq!(told(layer(), 75).await, [(api(), 4, 40, 60)]);
    let twice = [(api(), 4, 40, 60), (api(), 4, 40, 60)];
    assert_eq!(told(layer(), 80).await, twice);
    assert_eq!(told(layer().low_quota(50), 20).await, [(api(), 20, 40, 60)]);
    assert_eq!(told(layer().low_quota(0), 39).await, []);
    assert_eq!(told(layer().low_quota(0), 40).await, [(api(), 0, 40, 60)]);
}

#[test]
fn the_log_says_once_that_little_is_left() {
    alone(
        "low_quota::the_log_says_once_that_little_is_left",
        two_windows,
    );
}

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn two_windows() {
    let log = Log::default();
    let _guard = log.listen_to(tracing::Level::INFO);
    let service = around(&server(), layer());
    let said = || {
        log.text()
            .matches("little is left of the published quota")
            .count()
    };
    for nth in 1..=80 {
        send(&service, get("https://api.test/path-id"))
            .await
            .unwrap();
        let expected = usize::from(nth >= 36) + usize::from(nth >= 76);
        assert_eq!(said(), expected, "after {nth} calls");
    }
    send(&service, get("https://api.test/silent"))
        .await
        .unwrap();
    assert_eq!(said(), 2);
    let text = log.text();
    assert!(
        text.contains("scope=https://api.test remaining=4 limit=40 seconds=60"),
        "{text}"
    );
    assert!(!text.contains("path-id"), "{text}");
}
