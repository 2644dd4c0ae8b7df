//! Declared quotas are spent before sending: no server that enforces them refuses a call.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support;
use crate::support::paused::*;
use http::{Request, Response};
use tokio::time::Instant;
use tower::Layer;
use tower_backoff::policy::Provider;
use tower_backoff::{BoxError, Quota, Retry, RetryLayer, Scope};

const URI: &str = "https://api.test/";

/// How a server counts.
trait Limit: Send {
    fn takes(&mut self, now: Duration) -> bool;
}

/// A window of fixed length, the first one beginning at an offset.
struct Fixed {
    limit: usize,
    length: Duration,
    offset: Duration,
    window: u128,
    count: usize,
}

impl Limit for Fixed {
    fn takes(&mut self, now: Duration) -> bool {
        let window = (now + self.offset).as_nanos() / self.length.as_nanos();
        if window != self.window {
            (self.window, self.count) = (window, 0);
        }
        self.count += 1;
        self.count <= self.limit
    }
}

/// The times of all calls within the last window.
struct Log {
    limit: usize,
    length: Duration,
    taken: VecDeque<Duration>,
}

impl Limit for Log {
    fn takes(&mut self, now: Duration) -> bool {
        while self
            .taken
            .front()
            .is_some_and(|at| *at + self.length <= now)
        {
            self.taken.pop_front();
        }
        let takes = self.taken.len() < self.limit;
        if takes {
            self.taken.push_back(now);
        }
        takes
    }
}

/// A bucket that starts full and refills evenly, in thousandths of a call.
struct Bucket {
    size: u128,
    per: Duration,
    refill: u128,
    level: u128,
    at: Duration,
}

impl Limit for Bucket {
    fn takes(&mut self, now: Duration) -> bool {
        let more = (now - self.at).as_nanos() * self.refill * 1_000 / self.per.as_nanos();
        self.level = (self.level + more).min(self.size * 1_000);
        self.at = now;
        let takes = self.level >= 1_000;
        self.level -= if takes { 1_000 } else { 0 };
        takes
    }
}

/// Two counters: what the last window held weighs in the one that runs, less and less.
struct Sliding {
    limit: u32,
    length: Duration,
    offset: Duration,
    window: u128,
    last: u32,
    count: u32,
}

impl Sliding {
    fn new(limit: u32, length: Duration, offset: Duration) -> Self {
        Self {
            limit,
            length,
            offset,
            window: 0,
            last: 0,
            count: 0,
        }
    }
}

impl Limit for Sliding {
    fn takes(&mut self, now: Duration) -> bool {
        let (now, length) = ((now + self.offset).as_nanos(), self.length.as_nanos());
        let window = now / length;
        if window != self.window {
            let next = window == self.window + 1;
            self.last = if next { self.count } else { 0 };
            (self.window, self.count) = (window, 0);
        }
        let left = length - now % length;
        // In parts of a call as small as the nanoseconds of a window.
        let weighs = u128::from(self.last) * left + u128::from(self.count + 1) * length;
        let takes = weighs <= u128::from(self.limit) * length;
        self.count += u32::from(takes);
        takes
    }
}

/// Drains 300 jobs with 64 workers; returns how many were refused, and the time it took.
async fn drain(limit: impl Limit + 'static, quota: Quota) -> (usize, Duration) {
    drain_with(limit, of_quota(quota)).await
}

fn of_quota(quota: Quota) -> RetryLayer {
    RetryLayer::new(Provider::new("test").quota(quota)).seed(1)
}

async fn drain_with(limit: impl Limit + 'static, layer: RetryLayer) -> (usize, Duration) {
    let start = Instant::now();
    let state = Arc::new(Mutex::new((limit, 0_usize, 0_u64)));
    let server = {
        let state = Arc::clone(&state);
        tower::service_fn(move |_: Request<Body>| {
            let state = Arc::clone(&state);
            async move {
                // The way there and the way back take 25 to 35 ms each.
                let way = {
                    let mut state = state.lock().unwrap();
                    state.2 = state
                        .2
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1);
                    millis(25 + (state.2 >> 33) % 11)
                };
                tokio::time::sleep(way).await;
                let takes = {
                    let mut state = state.lock().unwrap();
                    let takes = state.0.takes(start.elapsed());
                    state.1 += usize::from(!takes);
                    takes
                };
                tokio::time::sleep(way).await;
                let status = if takes { 200 } else { 429 };
                Ok::<_, BoxError>(Response::builder().status(status).body(Body::default())?)
            }
        })
    };
    let service = layer.patience(secs(360_000)).layer(server);
    let jobs = Arc::new(Mutex::new(0..300));
    let workers = (0..64).map(|_| work(service.clone(), Arc::clone(&jobs)));
    futures_util::future::join_all(workers).await;
    let refused = state.lock().unwrap().1;
    (refused, start.elapsed())
}

async fn work<S>(service: Retry<S>, jobs: Arc<Mutex<std::ops::Range<u32>>>)
where
    Retry<S>: tower::Service<Request<Body>, Response: Send, Error = BoxError> + Clone,
{
    while let Some(_job) = { jobs.lock().unwrap().next() } {
        send(&service, get(URI)).await.map(|_| ()).unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn fixed_windows_at_any_alignment_refuse_nobody() {
    let (limit, length) = (20, secs(2));
    for tenth in 0..10 {
        let fixed = Fixed {
            limit,
            length,
            offset: length * tenth / 10,
            window: 0,
            count: 0,
        };
        let (refused, time) = drain(fixed, Quota::new(20, length)).await;
        assert_eq!(refused, 0, "at {tenth} tenths");
        // 15 windows, of which the first needs no wait.
        assert_between(time, secs(28), secs(2));
    }
}

#[tokio::test(start_paused = true)]
async fn a_sliding_log_refuses_nobody() {
    let log = Log {
        limit: 20,
        length: secs(2),
        taken: VecDeque::new(),
    };
    let (refused, time) = drain(log, Quota::new(20, secs(2))).await;
    assert_eq!(refused, 0);
    assert_between(time, secs(28), secs(2));
}

#[tokio::test(start_paused = true)]
async fn a_bucket_of_the_quota_refuses_nobody() {
    let bucket = Bucket {
        size: 20,
        per: secs(2),
        refill: 20,
        level: 20_000,
        at: Duration::ZERO,
    };
    let (refused, _) = drain(bucket, Quota::new(20, secs(2))).await;
    assert_eq!(refused, 0);
}

#[tokio::test(start_paused = true)]
async fn a_smaller_bucket_refuses_nobody_once_its_burst_is_declared() {
    let bucket = || Bucket {
        size: 5,
        per: secs(2),
        refill: 20,
        level: 5_000,
        at: Duration::ZERO,
    };
    let quota = Quota::new(20, secs(2));
    let (refused, time) = drain(bucket(), quota.burst(4)).await;
    assert_eq!(refused, 0);
    assert!(time < secs(40), "{time:?}");
}

#[tokio::test(start_paused = true)]
async fn a_paced_quota_is_spread_evenly() {
    let log = Log {
        limit: 2,
        length: millis(100),
        taken: VecDeque::new(),
    };
    let (refused, time) = drain(log, Quota::new(20, secs(2)).paced()).await;
    assert_eq!(
        refused, 0,
        "hardly ever more than one in a tenth of the window"
    );
    // Nineteen in a window and its slack: 300 are 299 of such waits after the first.
    assert_between(time, millis(2_250) * 299 / 19, secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_sliding_counter_refuses_nobody_once_it_is_declared() {
    let minute = secs(60);
    let of = [
        (1, secs(2)),
        (2, secs(2)),
        (3, secs(2)),
        (20, secs(2)),
        (20, minute),
        (100, minute),
        (600, minute),
    ];
    for (limit, length) in of {
        for tenth in [0, 3, 7, 8] {
            let sliding = Sliding::new(limit, length, length * tenth / 10);
            let (refused, _) = drain(sliding, Quota::new(limit, length).paced()).await;
            assert_eq!(refused, 0, "{limit} in {length:?} at {tenth} tenths");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_bucket_smaller_than_the_quota_is_learned() {
    // Each of them is bare, and closes the gate for a minute.
    for (per, ideal) in [(secs(2), secs(30)), (secs(60), secs(885))] {
        let bucket = Bucket {
            size: 5,
            per,
            refill: 20,
            level: 5_000,
            at: Duration::ZERO,
        };
        let (refused, time) = drain(bucket, Quota::new(20, per)).await;
        assert!(
            refused <= 30,
            "{refused}: the first fifteen, and as many again"
        );
        assert_between(time, ideal + secs(60), ideal / 6 + secs(120));
    }
}

#[tokio::test(start_paused = true)]
async fn a_sliding_counter_is_learned() {
    let sliding = Sliding::new(20, secs(60), secs(17));
    let (refused, time) = drain(sliding, Quota::per_minute(20)).await;
    assert!(refused <= 60, "{refused}: three bursts at most");
    assert_between(time, secs(885), secs(620));
}

#[tokio::test(start_paused = true)]
async fn a_sliding_counter_of_few_calls_is_learned_too() {
    for (limit, length) in [(1, secs(2)), (1, secs(60)), (2, secs(60)), (5, secs(60))] {
        for (tenth, seed) in [(0, 1), (0, 2), (3, 3), (3, 4), (7, 5), (7, 6)] {
            let sliding = Sliding::new(limit, length, length * tenth / 10);
            let layer = of_quota(Quota::new(limit, length)).seed(seed);
            let (refused, _) = drain_with(sliding, layer).await;
            // One in five of the calls that are served, where the last window weighs as much as a whole call.
            assert!(refused < 60, "{refused}: {limit} in {length:?} at {tenth}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn of_two_quotas_the_one_that_refuses_is_learned() {
    let fast = Quota::per_second(5);
    for fast in [fast, fast.burst(4)] {
        let bucket = Bucket {
            size: 5,
            per: secs(60),
            refill: 20,
            level: 5_000,
            at: Duration::ZERO,
        };
        let policy = Provider::new("test").quotas([fast, Quota::per_minute(20)]);
        let (refused, time) = drain_with(bucket, RetryLayer::new(policy).seed(1)).await;
        assert!(refused < 20, "{refused}");
        assert_between(time, secs(885), secs(300));
    }
}

/// Every call costs this many points.
struct EachCosts(Sliding, u32);

impl Limit for EachCosts {
    fn takes(&mut self, now: Duration) -> bool {
        let Self(sliding, cost) = self;
        let before = sliding.count;
        sliding.count += *cost - 1;
        let takes = sliding.takes(now);
        if !takes {
            sliding.count = before;
        }
        takes
    }
}

#[tokio::test(start_paused = true)]
async fn a_sliding_counter_of_points_refuses_nobody_once_it_is_declared() {
    for tenth in [0, 3, 7, 8] {
        let points = EachCosts(Sliding::new(60, secs(60), secs(6) * tenth), 10);
        let policy = Provider::new("test").quota(Quota::per_minute(60).paced());
        let layer = RetryLayer::new(policy).cost_by(|_| 10);
        let (refused, _) = drain_with(points, layer).await;
        assert_eq!(refused, 0, "at {tenth} tenths");
    }
}

#[tokio::test(start_paused = true)]
async fn a_quota_of_which_others_take_a_part_is_not_spread() {
    let others_take_six = Fixed {
        limit: 14,
        length: secs(60),
        offset: Duration::ZERO,
        window: 0,
        count: 0,
    };
    let (_, time) = drain(others_take_six, Quota::per_minute(20)).await;
    // 22 windows, and what it costs to find out that spreading does not help.
    assert_between(time, secs(21 * 60), secs(2 * 60));
}

/// Refused twice in a row, early in a window, as the script says; then serves. How many of a burst go at once.
async fn burst_after_two_refusals(
    quota: Quota,
    refuse: fn() -> support::mock::Answer,
    served_between: u32,
) -> usize {
    let mock = support::mock::Mock::new(move |nth, _| match nth {
        1 | 3 => refuse(),
        _ => support::mock::status(200),
    });
    let policy = Provider::new("test").quota(quota);
    let service = around(&mock, RetryLayer::new(policy).patience(secs(36_000)));
    for _ in 0..3 + served_between {
        send(&service, get(URI)).await.unwrap();
    }
    let length = quota.window().unwrap();
    tokio::time::sleep(length * 2).await;
    let before = mock.calls().len();
    let calls: Vec<_> = (0..20).map(|_| start(&service, get(URI))).collect();
    tokio::time::sleep(millis(10)).await;
    let at_once = mock.calls().len() - before;
    futures_util::future::join_all(calls).await;
    at_once
}

fn limited() -> support::mock::Answer {
    support::mock::answer(429, &[("retry-after", "1")], "")
}

fn unavailable() -> support::mock::Answer {
    support::mock::answer(503, &[("retry-after", "1")], "")
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_not_available_says_nothing_about_its_limit() {
    let quota = Quota::new(20, secs(2));
    assert_eq!(burst_after_two_refusals(quota, unavailable, 100).await, 20);
}

#[tokio::test(start_paused = true)]
async fn calls_of_an_hour_are_not_spread() {
    let quota = Quota::per_hour(1_000);
    assert_eq!(burst_after_two_refusals(quota, limited, 100).await, 20);
}

#[tokio::test(start_paused = true)]
async fn what_was_declared_is_not_unlearned() {
    let quota = Quota::new(20, secs(2)).burst(5);
    assert_eq!(burst_after_two_refusals(quota, limited, 700).await, 5);
}

#[tokio::test(start_paused = true)]
async fn two_quotas_hold_at_once() {
    let mock = support::mock::Mock::new(|_, _| support::mock::status(200));
    let policy = Provider::new("test").quotas([Quota::per_minute(50), Quota::per_hour(120)]);
    let service = around(&mock, RetryLayer::new(policy).patience(secs(7_200)));
    let start = Instant::now();
    let calls = (0..130).map(|_| send(&service, get(URI)));
    futures_util::future::join_all(calls).await;
    let sent = offsets(&mock, start);
    let before = |moment| sent.iter().filter(|at| **at < moment).count();
    assert_eq!(before(secs(60)), 50);
    assert_eq!(before(secs(120)), 100);
    assert_eq!(before(secs(3_600)), 120);
    assert_eq!(sent.len(), 130);
}

#[tokio::test(start_paused = true)]
async fn a_quota_is_counted_per_scope() {
    let mock = support::mock::Mock::new(|_, _| support::mock::status(200));
    let policy = Provider::new("test").quota(Quota::per_minute(1));
    let layer = RetryLayer::new(policy).scope_by(|request| match request.uri().host() {
        Some(host) => Scope::named(host),
        None => Scope::single(),
    });
    let service = around(&mock, layer);
    let start = Instant::now();
    for host in ["https://a.test/", "https://b.test/", "https://c.test/"] {
        send(&service, get(host)).await.unwrap();
    }
    assert!(start.elapsed().is_zero());
    send(&service, get("https://a.test/")).await.unwrap();
    assert_between(start.elapsed(), secs(60), secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_before_it_is_sent_releases_its_slot() {
    let mock = support::mock::Mock::new(|_, _| support::mock::status(200));
    let policy = Provider::new("test").quota(Quota::per_minute(1));
    let busy = tower::ServiceBuilder::new()
        .layer(RetryLayer::new(policy))
        .concurrency_limit(1)
        .service(mock.taking(secs(30)));
    let start = Instant::now();
    send(&busy, get(URI)).await.unwrap();
    for _ in 0..20 {
        // Waits for its turn, and is dropped.
        let _ = tokio::time::timeout(millis(10), send(&busy, get(URI))).await;
    }
    send(&busy, get(URI)).await.unwrap();
    assert_between(start.elapsed(), secs(90), secs(2));
}

#[tokio::test(start_paused = true)]
async fn a_quota_outlives_a_crowd_of_scopes() {
    let mock = support::mock::Mock::new(|_, _| support::mock::status(200));
    let service = around(
        &mock,
        RetryLayer::new(Provider::new("test").quota(Quota::per_minute(1))),
    );
    let start = Instant::now();
    send(&service, get(URI)).await.unwrap();
    for n in 0..1_024 {
        send(&service, get(&format!("https://h{n}.test/")))
            .await
            .unwrap();
    }
    send(&service, get(URI)).await.unwrap();
    assert_between(start.elapsed(), secs(60), secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_slow_answer_from_a_window_that_is_over_stops_nobody() {
    // The slow endpoint answers after three seconds that nothing was left, which was true then.
    let spent = [("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "60")];
    let mock = support::mock::Mock::new(move |_, head| match head.uri.path() {
        "/slow" => support::mock::answer(200, &spent, ""),
        _ => support::mock::status(200),
    });
    let latency = {
        let mock = mock.clone();
        tower::service_fn(move |request: Request<Body>| {
            let mut mock = mock.clone();
            async move {
                let slow = request.uri().path() == "/slow";
                tokio::time::sleep(if slow { secs(3) } else { millis(50) }).await;
                let ready = tower::ServiceExt::<Request<Body>>::ready(&mut mock).await?;
                tower::Service::call(ready, request).await
            }
        })
    };
    let layer = RetryLayer::new(Provider::new("test"));
    let service = tower::util::BoxCloneSyncService::new(layer.layer(latency));
    let slow = tokio::spawn({
        let service = service.clone();
        async move {
            send(&service, get("https://api.test/slow"))
                .await
                .map(|_| ())
        }
    });
    tokio::time::sleep(secs(2)).await;
    send(&service, get(URI)).await.unwrap();
    slow.await.unwrap().unwrap();
    let start = Instant::now();
    send(&service, get(URI)).await.unwrap();
    assert!(start.elapsed() < secs(1), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_shut_gate_outlives_a_crowd_of_scopes() {
    let mock = support::mock::Mock::new(|nth, _| match nth {
        1 => support::mock::answer(429, &[("retry-after", "200")], ""),
        _ => support::mock::status(200),
    });
    let layer = RetryLayer::new(Provider::new("test"));
    let service = around(&mock, layer);
    let start = Instant::now();
    let mut hurried = get(URI);
    let deadline = tower_backoff::Deadline::at(start);
    hurried.extensions_mut().insert(deadline);
    assert_eq!(status_of(&send(&service, hurried).await), 429);
    for n in 0..2_100 {
        let uri = format!("https://h{n}.test/");
        send(&service, get(&uri)).await.unwrap();
    }
    send(&service, get(URI)).await.unwrap();
    assert_between(start.elapsed(), secs(200), secs(1));
}
