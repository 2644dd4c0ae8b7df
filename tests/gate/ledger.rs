//! Processes that share a quota through a ledger: a backlog in virtual time, and what happens when the ledger is away.

mod cold_start;
mod reopening;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::mock::{Mock, answer, status};
use crate::support::paused::*;
use tokio::time::Instant;
use tower_backoff::fleet::ledger::{
    ClosingListener, Exchange, LedgerClient, LedgerState, Reply, Unreachable,
};
use tower_backoff::fleet::{LedgerFleet, ScopeName};
use tower_backoff::policy::Provider;
use tower_backoff::{Cost, Gates, Quota, Retry, RetryLayer};

const URI: &str = "https://api.test/";

/// A ledger that all processes of a test reach within a millisecond.
struct TestLedger {
    began: Instant,
    states: Mutex<HashMap<ScopeName, LedgerState>>,
    listeners: Mutex<Vec<ClosingListener>>,
    exchanges: AtomicUsize,
    is_away: AtomicBool,
}

impl TestLedger {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            began: Instant::now(),
            states: Mutex::default(),
            listeners: Mutex::default(),
            exchanges: AtomicUsize::new(0),
            is_away: AtomicBool::new(false),
        })
    }

    fn set_away(&self, away: bool) {
        self.is_away.store(away, Ordering::Relaxed);
    }
}

/// A connection of one process.
struct Connection(Arc<TestLedger>);

impl LedgerClient for Connection {
    async fn exchange(&self, scope: ScopeName, exchange: &Exchange) -> Result<Reply, Unreachable> {
        if self.0.is_away.load(Ordering::Relaxed) {
            tokio::time::sleep(secs(10)).await;
        }
        tokio::time::sleep(Duration::from_micros(500)).await;
        self.0.exchanges.fetch_add(1, Ordering::Relaxed);
        let reply = {
            let mut states = self.0.states.lock().unwrap();
            let state = states.entry(scope).or_default();
            state.exchange(exchange, self.0.began.elapsed())
        };
        if exchange.closing.is_some() {
            let listeners = self.0.listeners.lock().unwrap().clone();
            listeners
                .iter()
                .for_each(|listener| listener.on_closing(reply.closed_for));
        }
        tokio::time::sleep(Duration::from_micros(500)).await;
        Ok(reply)
    }

    fn on_closing(&self, _: ScopeName, listener: ClosingListener) {
        self.0.listeners.lock().unwrap().push(listener);
    }
}

/// A server that serves so many in any window, and refuses the others. It counts both.
struct Server {
    mock: Mock,
    refused: Arc<AtomicUsize>,
    served: Arc<Mutex<Vec<Instant>>>,
}

impl Server {
    fn serving(limit: usize, window: Duration, takes: Duration) -> Self {
        let refused = Arc::new(AtomicUsize::new(0));
        let served = Arc::new(Mutex::new(Vec::<Instant>::new()));
        let (refuses, serves) = (Arc::clone(&refused), Arc::clone(&served));
        let mock = Mock::new(move |_, _| {
            let mut served = serves.lock().unwrap();
            let now = Instant::now();
            let in_window = served.iter().rev().take_while(|at| now - **at < window);
            if in_window.count() >= limit {
                refuses.fetch_add(1, Ordering::Relaxed);
                return answer(429, &[("retry-after", "1")], "");
            }
            served.push(now);
            status(200)
        })
        .taking(takes);
        Self {
            mock,
            refused,
            served,
        }
    }

    fn refused(&self) -> usize {
        self.refused.load(Ordering::Relaxed)
    }

    /// How many were served in each second, from this one on.
    fn each_second(&self, from: Instant, seconds: u64) -> Vec<usize> {
        let served = self.served.lock().unwrap();
        let second = |nth| {
            let (begins, ends) = (from + secs(nth), from + secs(nth + 1));
            served
                .iter()
                .filter(|at| **at >= begins && **at < ends)
                .count()
        };
        (0..seconds).map(second).collect()
    }
}

fn process(
    server: &Server,
    ledger: &Arc<TestLedger>,
    quota: Quota,
) -> (Retry<Mock>, LedgerFleet<Connection>) {
    let fleet = LedgerFleet::new(Connection(Arc::clone(ledger)));
    let layer = RetryLayer::new(Provider::new("acme").quota(quota))
        .gates(&Gates::new())
        .patience(secs(3_600))
        .fleet(fleet.clone());
    (around(&server.mock, layer), fleet)
}

/// Lets this many workers of a process call one after the other until they are told to stop.
fn work(service: &Retry<Mock>, workers: usize, stops: &Arc<AtomicBool>) {
    for _ in 0..workers {
        let (service, stops) = (service.clone(), Arc::clone(stops));
        tokio::spawn(async move {
            while !stops.load(Ordering::Relaxed) {
                send(&service, get(URI)).await.unwrap();
            }
        });
    }
}

/// Starts sixteen processes with 25 workers each.
fn start_sixteen(
    server: &Server,
    ledger: &Arc<TestLedger>,
    quota: Quota,
    stops: &Arc<AtomicBool>,
) -> Vec<LedgerFleet<Connection>> {
    let fleets = (0..16).map(|_| {
        let (service, fleet) = process(server, ledger, quota);
        work(&service, 25, stops);
        fleet
    });
    fleets.collect()
}

#[tokio::test(start_paused = true)]
async fn sixteen_processes_spend_one_quota_without_a_refusal() {
    let (ledger, quota) = (TestLedger::new(), Quota::per_second(200));
    let server = Server::serving(200, secs(1), millis(1));
    let stops = Arc::new(AtomicBool::new(false));
    start_sixteen(&server, &ledger, quota, &stops);
    let began = Instant::now();
    tokio::time::sleep(secs(12)).await;
    stops.store(true, Ordering::Relaxed);
    let seconds = server.each_second(began + secs(2), 10);
    assert_eq!(server.refused(), 0);
    let used: usize = seconds.iter().sum();
    assert!(used >= 1_960, "{used} of 2,000: {seconds:?}");
    assert!(seconds.iter().all(|second| *second >= 180), "{seconds:?}");
    let calls = server.mock.calls().len();
    let exchanges = ledger.exchanges.load(Ordering::Relaxed);
    assert!(
        exchanges * 10 <= calls * 6,
        "{exchanges} exchanges for {calls} calls"
    );
}

#[tokio::test(start_paused = true)]
async fn a_refusal_in_one_process_holds_the_others() {
    let ledger = TestLedger::new();
    let server = Server::serving(1_000, secs(1), millis(1));
    let refusing = Mock::new(|nth, _| match nth {
        2 => answer(429, &[("retry-after", "30")], ""),
        _ => status(200),
    });
    let refusing = Server {
        mock: refusing,
        ..server
    };
    let quota = Quota::per_second(100);
    let (one, _) = process(&refusing, &ledger, quota);
    let (another, _) = process(&refusing, &ledger, quota);
    send(&one, get(URI)).await.unwrap();
    let begun = Instant::now();
    let refused = start(&one, get(URI));
    tokio::time::sleep(millis(10)).await;
    send(&another, get(URI)).await.unwrap();
    assert_between(begun.elapsed(), secs(30), secs(1));
    refused.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_ledger_that_is_away_leaves_each_process_its_share_and_is_back_at_once() {
    let (ledger, quota) = (TestLedger::new(), Quota::per_second(200));
    let server = Server::serving(200, secs(1), millis(1));
    let stops = Arc::new(AtomicBool::new(false));
    let fleets = start_sixteen(&server, &ledger, quota, &stops);
    let began = Instant::now();
    tokio::time::sleep(secs(4)).await;
    ledger.set_away(true);
    tokio::time::sleep(secs(6)).await;
    assert!(fleets[0].status()[0].alone_for.is_some());
    ledger.set_away(false);
    tokio::time::sleep(secs(6)).await;
    stops.store(true, Ordering::Relaxed);
    assert!(fleets[0].status()[0].alone_for.is_none());
    assert_eq!(fleets[0].status()[0].members, 16);
    let seconds = server.each_second(began, 16);
    assert_eq!(server.refused(), 0, "{seconds:?}");
    let alone: usize = seconds[6..10].iter().sum();
    assert!(alone >= 4 * 180, "12 for each of 16: {seconds:?}");
    assert!(
        seconds[12..].iter().all(|second| *second >= 180),
        "{seconds:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_ledger_that_has_forgotten_all_is_told_again() {
    let (ledger, quota) = (TestLedger::new(), Quota::per_second(200));
    let server = Server::serving(200, secs(1), millis(1));
    let stops = Arc::new(AtomicBool::new(false));
    start_sixteen(&server, &ledger, quota, &stops);
    let began = Instant::now();
    tokio::time::sleep(millis(4_300)).await;
    ledger.states.lock().unwrap().clear();
    tokio::time::sleep(secs(8)).await;
    stops.store(true, Ordering::Relaxed);
    let seconds = server.each_second(began, 12);
    assert_eq!(server.refused(), 0, "{seconds:?}");
    assert!(
        seconds[10..].iter().all(|second| *second >= 180),
        "{seconds:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn one_hungry_process_gets_what_the_others_leave() {
    let (ledger, quota) = (TestLedger::new(), Quota::per_second(200));
    let server = Server::serving(200, secs(1), millis(1));
    let stops = Arc::new(AtomicBool::new(false));
    work(&process(&server, &ledger, quota).0, 100, &stops);
    for _ in 0..15 {
        work(&process(&server, &ledger, quota).0, 1, &stops);
    }
    let began = Instant::now();
    tokio::time::sleep(secs(10)).await;
    stops.store(true, Ordering::Relaxed);
    let seconds = server.each_second(began + secs(3), 7);
    assert_eq!(server.refused(), 0);
    let used: usize = seconds.iter().sum();
    assert!(used * 100 >= 7 * 200 * 98, "{seconds:?}");
}

#[tokio::test(start_paused = true)]
async fn a_quota_that_the_server_publishes_is_spent_by_all_without_a_refusal() {
    let ledger = TestLedger::new();
    let refused = Arc::new(AtomicUsize::new(0));
    let windows = Arc::new(Mutex::new(HashMap::<u64, u64>::new()));
    let (refuses, counts) = (Arc::clone(&refused), Arc::clone(&windows));
    let began = Instant::now();
    let mock = Mock::new(move |_, _| {
        let elapsed = began.elapsed();
        let window = elapsed.as_secs() / 10;
        let resets = (secs(10 * (window + 1)) - elapsed).as_secs() + 1;
        let mut counts = counts.lock().unwrap();
        let count = counts.entry(window).or_default();
        if *count == 500 {
            refuses.fetch_add(1, Ordering::Relaxed);
            return answer(429, &[("retry-after", &resets.to_string())], "");
        }
        *count += 1;
        let left = (500 - *count).to_string();
        let resets = resets.to_string();
        answer(
            200,
            &[
                ("x-ratelimit-limit", "500"),
                ("x-ratelimit-remaining", &left),
                ("x-ratelimit-reset", &resets),
            ],
            "",
        )
    })
    .taking(millis(20));
    let stops = Arc::new(AtomicBool::new(false));
    for _ in 0..8 {
        let fleet = LedgerFleet::new(Connection(Arc::clone(&ledger)));
        let layer = RetryLayer::new(Provider::new("acme"))
            .gates(&Gates::new())
            .patience(secs(3_600))
            .fleet(fleet);
        work(&around(&mock, layer), 25, &stops);
    }
    tokio::time::sleep(secs(40)).await;
    stops.store(true, Ordering::Relaxed);
    let windows = windows.lock().unwrap();
    let refused = refused.load(Ordering::Relaxed);
    println!("{windows:?}, {refused} refused");
    assert!(
        windows[&1] + windows[&2] + windows[&3] >= 1_470,
        "{windows:?}"
    );
    assert!(refused <= 1, "{refused} refused: {windows:?}");
}

/// How equally this was shared: 1 is equal.
fn jain(shares: &[usize]) -> f64 {
    let sum: usize = shares.iter().sum();
    let squares: usize = shares.iter().map(|share| share * share).sum();
    (sum * sum) as f64 / (shares.len() * squares) as f64
}

#[tokio::test(start_paused = true)]
async fn more_processes_than_places_get_equal_parts() {
    let (ledger, quota) = (TestLedger::new(), Quota::new(20, secs(2)));
    let server = Server::serving(20, secs(2), millis(1));
    let counts: Vec<_> = (0..16).map(|_| Arc::new(AtomicUsize::new(0))).collect();
    for count in &counts {
        let (service, _) = process(&server, &ledger, quota);
        for _ in 0..25 {
            let (service, count) = (service.clone(), Arc::clone(count));
            tokio::spawn(async move {
                loop {
                    send(&service, get(URI)).await.unwrap();
                    count.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    }
    let began = Instant::now();
    tokio::time::sleep(secs(40)).await;
    let before = ledger.exchanges.load(Ordering::Relaxed);
    tokio::time::sleep(secs(20)).await;
    let exchanges = (ledger.exchanges.load(Ordering::Relaxed) - before) / 10;
    let seconds = server.each_second(began + secs(2), 56);
    let shares: Vec<_> = counts
        .iter()
        .map(|count| count.load(Ordering::Relaxed))
        .collect();
    println!(
        "{shares:?}: {}; {exchanges} exchanges in a window; {seconds:?}",
        jain(&shares)
    );
    assert_eq!(server.refused(), 0);
    assert!(seconds.iter().sum::<usize>() >= 28 * 20 - 10, "{seconds:?}");
    assert!(jain(&shares) >= 0.97, "{shares:?}");
    assert!(exchanges <= 8 * 16, "{exchanges}");
}

#[tokio::test(start_paused = true)]
async fn slow_answers_lose_no_more_than_their_time() {
    let (ledger, quota) = (TestLedger::new(), Quota::per_second(200));
    let server = Server::serving(200, secs(1), millis(50));
    let stops = Arc::new(AtomicBool::new(false));
    start_sixteen(&server, &ledger, quota, &stops);
    let began = Instant::now();
    tokio::time::sleep(secs(22)).await;
    stops.store(true, Ordering::Relaxed);
    let seconds = server.each_second(began + secs(2), 20);
    let calls = server.mock.calls().len();
    let exchanges = ledger.exchanges.load(Ordering::Relaxed);
    println!("{seconds:?} {exchanges} for {calls}");
    assert_eq!(server.refused(), 0);
    let used: usize = seconds.iter().sum();
    // A place is free a window and a way after it was used.
    assert!(used * 105 >= 20 * 200 * 98, "{used} of 4,000: {seconds:?}");
    assert!(exchanges * 10 <= calls * 6, "{exchanges} for {calls} calls");
}

fn process_of(mock: &Mock, ledger: &Arc<TestLedger>, provider: Provider) -> Retry<Mock> {
    let fleet = LedgerFleet::new(Connection(Arc::clone(ledger)));
    let layer = RetryLayer::new(provider)
        .gates(&Gates::new())
        .patience(secs(3_600))
        .fleet(fleet);
    around(mock, layer)
}

#[tokio::test(start_paused = true)]
async fn calls_at_once_are_shared_until_their_bodies_have_ended() {
    let ledger = TestLedger::new();
    let at_once = Arc::new(AtomicUsize::new(0));
    let most = Arc::new(AtomicUsize::new(0));
    let mock = Mock::new(|_, _| answer(200, &[], "some content")).taking(millis(50));
    let stops = Arc::new(AtomicBool::new(false));
    for _ in 0..4 {
        let provider = Provider::new("acme").quota(Quota::concurrent(10));
        let service = process_of(&mock, &ledger, provider);
        for _ in 0..10 {
            let (service, stops) = (service.clone(), Arc::clone(&stops));
            let (at_once, most) = (Arc::clone(&at_once), Arc::clone(&most));
            tokio::spawn(async move {
                while !stops.load(Ordering::Relaxed) {
                    let response = send(&service, get(URI)).await.unwrap();
                    // Each of them has been in flight for 50 ms, and is until here.
                    let now = at_once.fetch_add(1, Ordering::Relaxed) + 1;
                    most.fetch_max(now, Ordering::Relaxed);
                    tokio::time::sleep(millis(50)).await;
                    at_once.fetch_sub(1, Ordering::Relaxed);
                    drop(response);
                }
            });
        }
    }
    tokio::time::sleep(secs(20)).await;
    stops.store(true, Ordering::Relaxed);
    let calls = mock.calls().len();
    let (most, exchanges) = (
        most.load(Ordering::Relaxed),
        ledger.exchanges.load(Ordering::Relaxed),
    );
    println!("{calls} calls, at most {most} at once, {exchanges} exchanges");
    assert!(most <= 10, "{most} bodies at once");
    // Ten at once for 100 ms each: 2,000 calls in 20 s.
    assert!(calls >= 1_400, "{calls} of 2,000");
}

#[tokio::test(start_paused = true)]
async fn costs_are_shared_in_each_of_two_windows() {
    let ledger = TestLedger::new();
    let served = Arc::new(Mutex::new(Vec::<(Instant, u32)>::new()));
    let refused = Arc::new(AtomicUsize::new(0));
    let (serves, refuses) = (Arc::clone(&served), Arc::clone(&refused));
    let mock = Mock::new(move |_, head| {
        let cost: u32 = head.uri.path()[1..].parse().unwrap();
        let now = Instant::now();
        let mut served = serves.lock().unwrap();
        let used = |window: Duration| -> u32 {
            let recent = served.iter().rev().take_while(|(at, _)| now - *at < window);
            recent.map(|(_, cost)| cost).sum()
        };
        if used(secs(1)) + cost > 100 || used(secs(10)) + cost > 600 {
            refuses.fetch_add(1, Ordering::Relaxed);
            return answer(429, &[("retry-after", "1")], "");
        }
        served.push((now, cost));
        status(200)
    })
    .taking(millis(5));
    let stops = Arc::new(AtomicBool::new(false));
    for process in 0..4_u32 {
        let provider =
            Provider::new("acme").quotas([Quota::per_second(100), Quota::new(600, secs(10))]);
        let service = process_of(&mock, &ledger, provider);
        for worker in 0..10_u32 {
            let (service, stops) = (service.clone(), Arc::clone(&stops));
            tokio::spawn(async move {
                let mut cost = (process + worker) % 5 + 1;
                while !stops.load(Ordering::Relaxed) {
                    cost = cost % 5 + 1;
                    let mut request = get(&format!("https://api.test/{cost}"));
                    request.extensions_mut().insert(Cost::new(cost));
                    send(&service, request).await.unwrap();
                }
            });
        }
    }
    tokio::time::sleep(secs(60)).await;
    stops.store(true, Ordering::Relaxed);
    let used: u32 = served.lock().unwrap().iter().map(|(_, cost)| cost).sum();
    println!("{used} of 3,600");
    assert_eq!(refused.load(Ordering::Relaxed), 0);
    assert!(used >= 3_300, "{used} of 3,600");
}

#[tokio::test(start_paused = true)]
async fn a_bucket_that_the_server_names_is_shared_by_all() {
    let ledger = TestLedger::new();
    let refused = Arc::new(AtomicUsize::new(0));
    let used = Arc::new(Mutex::new(HashMap::<u64, u32>::new()));
    let (refuses, uses) = (Arc::clone(&refused), Arc::clone(&used));
    let began = Instant::now();
    let mock = Mock::new(move |_, _| {
        let elapsed = began.elapsed();
        let window = elapsed.as_secs() / 10;
        let resets = (10 * (window + 1) - elapsed.as_secs()).to_string();
        let mut uses = uses.lock().unwrap();
        let count = uses.entry(window).or_default();
        let is_left = *count < 60;
        *count += u32::from(is_left);
        let left = (60 - *count).to_string();
        let headers = [
            ("x-ratelimit-resource", "search"),
            ("x-ratelimit-limit", "60"),
            ("x-ratelimit-remaining", &left),
            ("x-ratelimit-reset", &resets),
        ];
        if !is_left {
            refuses.fetch_add(1, Ordering::Relaxed);
        }
        answer(if is_left { 200 } else { 429 }, &headers, "")
    })
    .taking(millis(20));
    let stops = Arc::new(AtomicBool::new(false));
    for _ in 0..4 {
        let provider = Provider::new("acme").buckets_in("x-ratelimit-resource");
        work(&process_of(&mock, &ledger, provider), 5, &stops);
    }
    tokio::time::sleep(secs(40)).await;
    stops.store(true, Ordering::Relaxed);
    let (used, refused) = (used.lock().unwrap(), refused.load(Ordering::Relaxed));
    println!("{used:?}, {refused} refused");
    // The first call of each process does not know the bucket yet.
    assert!(refused <= 4, "{refused}: {used:?}");
    assert!(used[&1] + used[&2] + used[&3] >= 170, "{used:?}");
}

/// Calls that cost most of the quota: what one process has of it is of no use for the other's call.
#[tokio::test(start_paused = true)]
async fn dear_calls_of_several_processes_do_not_block_each_other() {
    for (processes, cost, workers) in [(2, 8_u32, 2), (4, 6, 3), (8, 3, 4), (3, 10, 2)] {
        let (ledger, quota) = (TestLedger::new(), Quota::per_second(10));
        let server = Server::serving(1_000, secs(1), millis(1));
        let stops = Arc::new(AtomicBool::new(false));
        for _ in 0..processes {
            let fleet = LedgerFleet::new(Connection(Arc::clone(&ledger)));
            let layer = RetryLayer::new(Provider::new("acme").quota(quota))
                .gates(&Gates::new())
                .patience(secs(3_600))
                .cost_by(move |_| cost)
                .fleet(fleet);
            work(&around(&server.mock, layer), workers, &stops);
        }
        let began = Instant::now();
        tokio::time::sleep(secs(62)).await;
        stops.store(true, Ordering::Relaxed);
        let seconds = server.each_second(began + secs(2), 60);
        let served: usize = seconds.iter().sum();
        println!("{processes} processes, cost {cost}: {served} {seconds:?}");
        let most = 60 * (10 / cost as usize);
        assert!(
            served * 10 >= most * 9,
            "{processes} x {cost}: {served} of {most}: {seconds:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn fewer_places_than_processes_go_round() {
    for (limit, processes, cost) in [(4, 16, 1), (1, 4, 1), (9, 16, 1), (15, 16, 1), (10, 3, 10)] {
        let (ledger, quota) = (TestLedger::new(), Quota::per_second(limit));
        let server = Server::serving(limit as usize, secs(1), millis(1));
        let counts: Vec<_> = (0..processes)
            .map(|_| Arc::new(AtomicUsize::new(0)))
            .collect();
        for count in &counts {
            let fleet = LedgerFleet::new(Connection(Arc::clone(&ledger)));
            let layer = RetryLayer::new(Provider::new("acme").quota(quota))
                .gates(&Gates::new())
                .patience(secs(3_600))
                .cost_by(move |_| cost)
                .fleet(fleet);
            let service = around(&server.mock, layer);
            for _ in 0..3 {
                let (service, count) = (service.clone(), Arc::clone(count));
                tokio::spawn(async move {
                    loop {
                        send(&service, get(URI)).await.unwrap();
                        count.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
        }
        tokio::time::sleep(secs(120)).await;
        let shares: Vec<_> = counts
            .iter()
            .map(|count| count.load(Ordering::Relaxed))
            .collect();
        println!(
            "{limit} places, {processes} processes, cost {cost}: {shares:?}: {}",
            jain(&shares)
        );
    }
}

/// A program of several runtimes, one after the other: by the clock of the machine, which they share.
#[test]
fn a_member_whose_runtime_has_ended_goes_on_in_the_next_one() {
    let runtime = || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_all().build().unwrap()
    };
    let first = runtime();
    let (ledger, server) = first.block_on(async {
        (
            TestLedger::new(),
            Server::serving(1_000, secs(1), Duration::ZERO),
        )
    });
    let (service, fleet) = process(&server, &ledger, Quota::new(1_000, millis(100)));
    let is_alone = || fleet.status()[0].alone_for.is_some();
    ledger.set_away(true);
    first.block_on(async { send(&service, get(URI)).await.unwrap() });
    assert!(is_alone());
    drop(first);
    ledger.set_away(false);
    let second = runtime();
    second.block_on(async {
        for _ in 0..20 {
            send(&service, get(URI)).await.unwrap();
            tokio::time::sleep(millis(50)).await;
        }
        assert!(!is_alone(), "the ledger is back since a second");
        fleet.leave().await;
        // After it, too, no task stays.
        for _ in 0..3 {
            send(&service, get(URI)).await.unwrap();
            tokio::time::sleep(millis(10)).await;
        }
        let tasks = tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks();
        assert_eq!(tasks, 0);
    });
}

#[tokio::test(start_paused = true)]
async fn the_task_of_a_gate_ends_with_it_even_if_an_exchange_is_on_its_way() {
    let ledger = TestLedger::new();
    let server = Server::serving(1_000, secs(1), millis(1));
    let before = tokio::runtime::Handle::current()
        .metrics()
        .num_alive_tasks();
    for wait in 0..20 {
        let (service, _) = process(&server, &ledger, Quota::per_second(100));
        for _ in 0..3 {
            send(&service, get(URI)).await.unwrap();
        }
        tokio::time::sleep(Duration::from_micros(100 * wait)).await;
        drop(service);
    }
    tokio::time::sleep(secs(10)).await;
    let after = tokio::runtime::Handle::current()
        .metrics()
        .num_alive_tasks();
    assert_eq!(after, before);
}
