//! What is told when little is left of a quota.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::alone::alone;
use crate::support::log::Log;
use crate::support::mock::{Mock, answer, status};
use crate::support::paused::*;
use tower_backoff::policy::{PartialQuota, Provider};
use tower_backoff::{Decision, LowQuota, Observer, Quota, RetryLayer};

/// The scope, how many calls of how many are left, and for how many seconds.
type Told = (String, u32, u32, u64);

/// What was told, and the windows of declared quotas.
#[derive(Clone, Default)]
struct Diary(Arc<Mutex<Vec<Told>>>, Arc<Mutex<Vec<Option<Duration>>>>);

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
        self.1.lock().unwrap().push(quota.window);
    }
}

/// Two windows of 40 calls each, one after the other.
fn server() -> Mock {
    server_that_resets_in("60")
}

fn server_that_resets_in(seconds: &'static str) -> Mock {
    Mock::new(move |nth, head| {
        if head.uri.path() == "/silent" {
            return status(200);
        }
        let left = (39 - (nth - 1) % 40).to_string();
        let headers = [
            ("x-ratelimit-limit", "40"),
            ("x-ratelimit-remaining", &*left),
            ("x-ratelimit-reset", seconds),
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

/// What was told of calls to a server that publishes nothing, so many in each of the hours: how many calls of how many
/// are left, and the window in seconds.
async fn told_of(quotas: &[Quota], hours: &[usize]) -> Vec<(u32, u32, u64)> {
    let hours = hours.iter().map(|calls| (*calls, secs(3_600 + 10)));
    told_of_calls(quotas, hours).await
}

/// The same, so many calls before each of the pauses.
async fn told_of_calls(
    quotas: &[Quota],
    calls: impl IntoIterator<Item = (usize, Duration)>,
) -> Vec<(u32, u32, u64)> {
    let diary = Diary::default();
    let provider = Provider::new("declared").quotas(quotas.iter().copied());
    let layer = RetryLayer::new(provider).observe(Arc::new(diary.clone()));
    let service = around(&Mock::new(|_, _| status(200)), layer);
    for (calls, pause) in calls {
        for _ in 0..calls {
            send(&service, get("https://api.test/")).await.unwrap();
        }
        tokio::time::sleep(pause).await;
    }
    let windows = diary.1.lock().unwrap();
    let told = diary.0.lock().unwrap();
    let with_windows = told.iter().zip(windows.iter());
    with_windows
        .map(|((_, remaining, limit, resets_in), window)| {
            let window = window.unwrap().as_secs();
            // A slot is freed late by less than a five-hundredth of the window.
            assert!(
                (1..=window + window / 500).contains(resets_in),
                "{resets_in}"
            );
            (*remaining, *limit, window)
        })
        .collect()
}

#[tokio::test(start_paused = true)]
async fn an_observer_is_told_once_that_little_is_left_of_a_declared_quota() {
    let hourly = [Quota::per_hour(40)];
    assert_eq!(told_of(&hourly, &[35]).await, []);
    let once = (4, 40, 3_600);
    assert_eq!(told_of(&hourly, &[40]).await, [once]);
    assert_eq!(told_of(&hourly, &[40, 35]).await, [once]);
    assert_eq!(told_of(&hourly, &[40, 36]).await, [once, once]);
    // Of several, each is told.
    let both = [Quota::per_day(60), Quota::per_hour(40)];
    let daily = (6, 60, 86_400);
    assert_eq!(told_of(&both, &[40, 20]).await, [once, daily]);
}

#[tokio::test(start_paused = true)]
async fn a_quota_that_is_spent_call_by_call_is_told_once() {
    // One call comes as another becomes free, at the mark and where all is spent.
    for (calls, pause) in [(300, 98), (300, 92)] {
        let calls = std::iter::repeat_n((1, secs(pause)), calls);
        let told = told_of_calls(&[Quota::per_hour(40)], calls).await;
        assert_eq!(told, [(4, 40, 3_600)], "every {pause} s");
    }
}

#[tokio::test(start_paused = true)]
async fn a_declared_quota_that_is_full_again_soon_is_never_told() {
    let five_minutes = Quota::new(40, Duration::from_secs(300));
    assert_eq!(told_of(&[five_minutes], &[40]).await.len(), 1);
    let shorter = Quota::new(40, Duration::from_secs(299));
    for quiet in [shorter, Quota::per_minute(40), Quota::concurrent(1)] {
        assert_eq!(told_of(&[quiet], &[40]).await, [], "{quiet:?}");
    }
    // These are filled call by call, however long the window is.
    for quiet in [Quota::per_hour(40).paced(), Quota::per_hour(40).burst(2)] {
        assert_eq!(told_of(&[quiet], &[3]).await, [], "{quiet:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_quota_that_is_declared_and_published_is_told_once_as_published() {
    for provider in [
        Provider::new("low").quota(Quota::per_hour(40)),
        Provider::new("low").plan(Quota::per_hour(40)),
    ] {
        let diary = Diary::default();
        let layer = RetryLayer::new(provider).observe(Arc::new(diary.clone()));
        let service = around(&server(), layer);
        for _ in 0..40 {
            send(&service, get("https://api.test/")).await.unwrap();
        }
        assert_eq!(diary.0.lock().unwrap().len(), 1);
        assert_eq!(*diary.1.lock().unwrap(), [None]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_declared_quota_is_told_where_a_longer_one_of_the_same_limit_is_published() {
    let diary = Diary::default();
    let provider = Provider::new("low").quota(Quota::per_hour(40));
    let layer = RetryLayer::new(provider).observe(Arc::new(diary.clone()));
    let service = around(&server_that_resets_in("86400"), layer);
    for _ in 0..40 {
        send(&service, get("https://api.test/")).await.unwrap();
    }
    let windows = diary.1.lock().unwrap();
    assert_eq!(windows.len(), 2, "{windows:?}");
    assert!(windows.contains(&Some(secs(3_600))), "{windows:?}");
}

#[tokio::test(start_paused = true)]
async fn a_longer_quota_of_the_same_limit_is_none_of_the_declared_one_when_its_reset_is_near() {
    let diary = Diary::default();
    let provider = Provider::new("low").quota(Quota::per_hour(40));
    let layer = RetryLayer::new(provider).observe(Arc::new(diary.clone()));
    let mock = Mock::new(|nth, _| {
        let reset = if nth < 20 { "4000" } else { "3000" };
        let headers = [
            ("x-ratelimit-limit", "40"),
            ("x-ratelimit-remaining", "30"),
            ("x-ratelimit-reset", reset),
        ];
        answer(200, &headers, "")
    });
    let service = around(&mock, layer);
    for _ in 0..40 {
        send(&service, get("https://api.test/")).await.unwrap();
    }
    assert_eq!(*diary.1.lock().unwrap(), [Some(secs(3_600))]);
}

#[tokio::test(start_paused = true)]
async fn slots_that_are_reserved_for_urgent_calls_are_not_left() {
    let half = [Quota::per_hour(40).reserved_for_urgent(20)];
    assert_eq!(told_of(&half, &[15]).await, []);
    assert_eq!(told_of(&half, &[16]).await, [(4, 40, 3_600)]);
    assert_eq!(told_of(&half, &[16, 16]).await.len(), 2);
    // All but little is reserved: that is told once, with the first call.
    let nearly_all = [Quota::per_hour(40).reserved_for_urgent(38)];
    assert_eq!(told_of(&nearly_all, &[2]).await, [(1, 40, 3_600)]);
    // A counter of the server does not know of them.
    let diary = Diary::default();
    let provider = Provider::new("low").quotas(half);
    let layer = RetryLayer::new(provider).observe(Arc::new(diary.clone()));
    let service = around(&server(), layer);
    for _ in 0..20 {
        send(&service, get("https://api.test/")).await.unwrap();
    }
    assert_eq!(*diary.1.lock().unwrap(), [Some(secs(3_600))]);
}

#[tokio::test(start_paused = true)]
async fn little_that_is_left_of_a_cap_below_the_published_quota_is_told() {
    let diary = Diary::default();
    let provider = Provider::new("low").quota(Quota::per_hour(20));
    let layer = RetryLayer::new(provider).observe(Arc::new(diary.clone()));
    let service = around(&server(), layer);
    for _ in 0..20 {
        send(&service, get("https://api.test/")).await.unwrap();
    }
    assert_eq!(*diary.1.lock().unwrap(), [Some(Duration::from_secs(3_600))]);
}

#[tokio::test(start_paused = true)]
async fn little_that_is_left_of_a_quota_for_some_calls_is_told() {
    let diary = Diary::default();
    let writes = PartialQuota::of_writes(Quota::per_hour(20));
    let provider = Provider::new("low").partial_quota(writes);
    let layer = RetryLayer::new(provider).observe(Arc::new(diary.clone()));
    let service = around(&Mock::new(|_, _| status(200)), layer);
    for _ in 0..20 {
        send(&service, post("https://api.test/")).await.unwrap();
        send(&service, get("https://api.test/")).await.unwrap();
    }
    let told = diary.0.lock().unwrap();
    let [(scope, remaining, limit, _)] = &told[..] else {
        panic!("{told:?}");
    };
    assert!(scope.contains("only writes"), "{scope}");
    assert_eq!((*remaining, *limit), (2, 20));
}

#[test]
fn the_log_says_once_that_little_is_left_of_a_declared_quota() {
    alone(
        "low_quota::the_log_says_once_that_little_is_left_of_a_declared_quota",
        one_hour,
    );
}

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn one_hour() {
    let log = Log::default();
    let _guard = log.listen_to(tracing::Level::INFO);
    let provider = Provider::new("declared").quota(Quota::per_hour(40));
    let service = around(
        &Mock::new(|_, _| status(200)),
        RetryLayer::new(provider).low_quota(25),
    );
    for nth in 1..=40 {
        send(&service, get("https://api.test/path-id"))
            .await
            .unwrap();
        let text = log.text();
        let said = text.matches("little is left of the declared quota").count();
        assert_eq!(said, usize::from(nth >= 30), "after {nth} calls");
    }
    let text = log.text();
    assert!(
        text.contains("scope=https://api.test remaining=10 limit=40"),
        "{text}"
    );
    assert!(!text.contains("path-id"), "{text}");
}
