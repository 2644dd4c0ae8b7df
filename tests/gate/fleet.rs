//! A ledger that several processes share is asked before a call is sent.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::mock::{Mock, answer, status};
use crate::support::paused::*;
use http::HeaderName;
use tokio::time::Instant;
use tower::{Layer, ServiceExt};
use tower_backoff::fleet::{Fleet, Reply, ReplyFuture};
use tower_backoff::policy::Provider;
use tower_backoff::{
    Cost, GateStatus, Gates, NotBefore, Patience, Quota, Retry, RetryLayer, Scope, providers,
};

const URI: &str = "https://api.lemlist.com/api/campaigns";

/// What all processes share: two calls a second, and until when no process may call.
#[derive(Default)]
struct Ledger {
    takes: Duration,
    closed: Mutex<Option<Instant>>,
    granted: Mutex<Vec<Instant>>,
}

impl Ledger {
    fn answering_after(takes: Duration) -> Arc<Self> {
        Arc::new(Self {
            takes,
            ..Self::default()
        })
    }

    fn decide(&self) -> Reply {
        let now = Instant::now();
        if let Some(closed) = self.closed.lock().unwrap().filter(|closed| *closed > now) {
            return Reply::NotBefore(closed - now);
        }
        let mut granted = self.granted.lock().unwrap();
        let slot = granted.iter().rev().nth(1).map(|before| *before + secs(1));
        match slot.filter(|slot| *slot > now) {
            Some(slot) => Reply::NotBefore(slot - now),
            None => {
                granted.push(now);
                Reply::Granted
            }
        }
    }
}

impl Fleet for Ledger {
    fn admit(&self, _: &Scope, _: u32) -> ReplyFuture {
        let (answer, takes) = (self.decide(), self.takes);
        Box::pin(async move {
            if !takes.is_zero() {
                tokio::time::sleep(takes).await;
            }
            answer
        })
    }

    fn on_close(&self, _: &Scope, closed_for: Duration) {
        *self.closed.lock().unwrap() = Some(Instant::now() + closed_for);
    }
}

/// A process of its own: nothing is shared but the ledger.
fn process(mock: &Mock, ledger: &Arc<Ledger>) -> (Retry<Mock>, Gates) {
    let gates = Gates::new();
    let provider = providers::lemlist().quotas([]);
    let layer = RetryLayer::new(provider).gates(&gates);
    (around(mock, layer.fleet(Arc::clone(ledger))), gates)
}

#[tokio::test(start_paused = true)]
async fn two_processes_share_one_quota() {
    let mock = Mock::new(|_, _| status(200));
    let ledger = Ledger::answering_after(Duration::ZERO);
    let (one, another) = (process(&mock, &ledger).0, process(&mock, &ledger).0);
    let begun = Instant::now();
    let calls: Vec<_> = (0..20)
        .map(|nth| {
            let service = if nth % 2 == 0 {
                one.clone()
            } else {
                another.clone()
            };
            tokio::spawn(async move { send(&service, get(URI)).await })
        })
        .collect();
    for call in calls {
        assert_eq!(status_of(&call.await.unwrap()), 200);
    }
    let sent = offsets(&mock, begun);
    for window in sent.windows(3) {
        assert!(window[2] - window[0] >= millis(999), "{sent:?}");
    }
    assert!(begun.elapsed() < secs(12), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_refusal_in_one_process_is_heard_by_the_others() {
    let mock = Mock::new(|nth, _| match nth {
        1 => answer(429, &[("retry-after", "30")], ""),
        _ => status(200),
    });
    let ledger = Ledger::answering_after(Duration::ZERO);
    let (one, another) = (process(&mock, &ledger).0, process(&mock, &ledger).0);
    let begun = Instant::now();
    let refused = tokio::spawn(async move { send(&one, get(URI)).await });
    tokio::time::sleep(millis(10)).await;
    send(&another, get(URI)).await.unwrap();
    assert_between(begun.elapsed(), secs(30), secs(1));
    refused.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_answer_may_come_later_and_patience_runs_meanwhile() {
    let mock = Mock::new(|_, _| status(200));
    let ledger = Ledger::answering_after(millis(300));
    let (service, gates) = process(&mock, &ledger);
    let begun = Instant::now();
    send(&service, get(URI)).await.unwrap();
    assert_eq!(begun.elapsed(), millis(300));

    let silent = Ledger::answering_after(secs(3_600));
    let layer = RetryLayer::new(providers::lemlist()).gates(&gates);
    let service = around(&mock, layer.patience(secs(5)).fleet(silent));
    let begun = Instant::now();
    let error = send(&service, get(URI)).await.unwrap_err();
    assert!(error.is::<NotBefore>());
    assert_eq!(begun.elapsed(), secs(5));
    let dropped = tokio::time::timeout(secs(1), send(&service, get(URI))).await;
    assert!(dropped.is_err());
    assert!(
        gates
            .snapshot()
            .iter()
            .all(|gate| gate.in_flight == 0 && gate.waiting == 0)
    );
    assert_eq!(mock.calls().len(), 1);
}

#[test]
fn the_future_stays_send_and_sync() {
    fn is_send_and_sync<T: Send + Sync>(_: T) {}
    is_send_and_sync(Ledger::answering_after(Duration::ZERO).admit(&Scope::single(), 1));
}

const API: &str = "https://api.test";
const SEARCH: &str = "https://api.test/search/code";
const CORE: &str = "https://api.test/repos/1/issues";
const SEARCH_BUCKET: &str = "https://api.test, bucket search";

/// What all processes share, scope by scope: until when no process may call, and for which scopes it was asked.
#[derive(Default)]
struct Register {
    takes: Duration,
    closed: Mutex<HashMap<String, Instant>>,
    asked: Mutex<Vec<(String, u32)>>,
    returned: Mutex<Vec<(String, u32)>>,
}

impl Register {
    fn came_back(&self) -> Vec<(String, u32)> {
        std::mem::take(&mut self.returned.lock().unwrap())
    }

    fn asked(&self) -> Vec<(String, u32)> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}

impl Fleet for Register {
    fn admit(&self, scope: &Scope, cost: u32) -> ReplyFuture {
        let (scope, now, takes) = (scope.to_string(), Instant::now(), self.takes);
        let closed = self.closed.lock().unwrap().get(&scope).copied();
        self.asked.lock().unwrap().push((scope, cost));
        Box::pin(async move {
            if !takes.is_zero() {
                tokio::time::sleep(takes).await;
            }
            match closed.filter(|closed| *closed > now) {
                Some(closed) => Reply::NotBefore(closed - now),
                None => Reply::Granted,
            }
        })
    }

    fn release(&self, scope: &Scope, cost: u32) {
        let mut returned = self.returned.lock().unwrap();
        returned.push((scope.to_string(), cost));
    }

    fn on_close(&self, scope: &Scope, closed_for: Duration) {
        let until = Instant::now() + closed_for;
        self.closed.lock().unwrap().insert(scope.to_string(), until);
    }
}

/// A process that has five slots a minute, and learns the buckets from the answers.
fn process_with_buckets(mock: &Mock, register: &Arc<Register>) -> (Retry<Mock>, Gates) {
    let gates = Gates::new();
    let provider = Provider::new("buckets")
        .buckets_in(HeaderName::from_static("x-ratelimit-resource"))
        .quota(Quota::per_minute(5));
    let layer = RetryLayer::new(provider).gates(&gates);
    (around(mock, layer.fleet(Arc::clone(register))), gates)
}

/// Names the bucket of each request, and refuses this one of them for half a minute.
fn in_buckets(refused: usize) -> Mock {
    Mock::new(move |nth, head| {
        let search = head.uri.path().starts_with("/search");
        let bucket = (
            "x-ratelimit-resource",
            if search { "search" } else { "core" },
        );
        let spent = [("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "30")];
        if nth == refused {
            answer(403, &[bucket, spent[0], spent[1]], "")
        } else {
            answer(200, &[bucket], "")
        }
    })
}

#[track_caller]
fn gate(gates: &Gates, scope: &str) -> GateStatus {
    let mut all = gates.snapshot().into_iter();
    all.find(|gate| gate.scope.to_string() == scope)
        .expect("a gate")
}

/// How many of the five slots are taken.
fn taken(gates: &Gates) -> u32 {
    gate(gates, API).quotas[0].used
}

fn nobody_is_left_at(gates: &Gates) -> bool {
    let mut all = gates.snapshot().into_iter();
    all.all(|gate| gate.in_flight == 0 && gate.waiting == 0)
}

#[tokio::test(start_paused = true)]
async fn the_bucket_is_asked_for_first_and_then_its_scope() {
    let mock = in_buckets(0);
    let register = Arc::new(Register::default());
    let (service, gates) = process_with_buckets(&mock, &register);
    send(&service, get(SEARCH)).await.unwrap();
    assert_eq!(register.asked(), [(API.to_owned(), 1)]);
    let mut request = get(SEARCH);
    request.extensions_mut().insert(Cost::new(3));
    send(&service, request).await.unwrap();
    let both = [(SEARCH_BUCKET.to_owned(), 3), (API.to_owned(), 3)];
    assert_eq!(register.asked(), both);
    assert!(nobody_is_left_at(&gates));
}

#[tokio::test(start_paused = true)]
async fn a_bucket_that_one_process_has_spent_is_waited_for_by_its_kind_in_all() {
    let mock = in_buckets(3);
    let register = Arc::new(Register::default());
    let (one, _) = process_with_buckets(&mock, &register);
    let (another, gates) = process_with_buckets(&mock, &register);
    send(&one, get(SEARCH)).await.unwrap();
    send(&another, get(SEARCH)).await.unwrap();
    let begun = Instant::now();
    let refused = tokio::spawn(async move { send(&one, get(SEARCH)).await });
    tokio::time::sleep(millis(10)).await;
    let waits = tokio::spawn({
        let another = another.clone();
        async move { send(&another, get(SEARCH)).await }
    });
    tokio::time::sleep(millis(10)).await;
    let bucket = gate(&gates, SEARCH_BUCKET);
    assert_eq!(bucket.closed_by.as_deref(), Some("the fleet"));
    assert_eq!((bucket.waiting, bucket.in_flight), (1, 0));
    let api = gate(&gates, API);
    assert_eq!((api.closed_by, api.waiting, api.in_flight), (None, 0, 0));
    assert_eq!(taken(&gates), 1, "the slot of the call that waits is free");

    send(&another, get(CORE)).await.unwrap();
    assert_eq!(begun.elapsed(), millis(20), "core is not stopped by search");
    waits.await.unwrap().unwrap();
    assert_between(begun.elapsed(), secs(30), secs(1));
    assert_eq!(taken(&gates), 3);
    refused.await.unwrap().unwrap();
    assert!(nobody_is_left_at(&gates));
}

#[tokio::test(start_paused = true)]
async fn a_scope_that_nobody_may_call_shuts_its_own_gate_and_not_the_buckets() {
    let mock = in_buckets(0);
    let register = Arc::new(Register::default());
    let (service, gates) = process_with_buckets(&mock, &register);
    send(&service, get(SEARCH)).await.unwrap();
    register.asked();
    register.on_close(&Scope::origin(&API.parse().unwrap()), secs(20));
    let begun = Instant::now();
    let waits = tokio::spawn(async move { send(&service, get(SEARCH)).await });
    tokio::time::sleep(millis(10)).await;
    let (bucket, api) = (gate(&gates, SEARCH_BUCKET), gate(&gates, API));
    assert_eq!((bucket.closed_by, bucket.waiting), (None, 0));
    assert_eq!(api.closed_by.as_deref(), Some("the fleet"));
    assert_eq!((api.waiting, api.in_flight), (1, 0));
    waits.await.unwrap().unwrap();
    assert_between(begun.elapsed(), secs(20), secs(1));
    let asked: Vec<_> = register.asked().into_iter().map(|asked| asked.0).collect();
    assert_eq!(asked, [SEARCH_BUCKET, API, SEARCH_BUCKET, API]);
    assert!(nobody_is_left_at(&gates));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_leaves_while_its_bucket_is_asked_for_leaves_nothing_behind() {
    let mock = in_buckets(0);
    let register = Arc::new(Register {
        takes: secs(1),
        ..Register::default()
    });
    let (service, gates) = process_with_buckets(&mock, &register);
    let begun = Instant::now();
    send(&service, get(SEARCH)).await.unwrap();
    assert_eq!(begun.elapsed(), secs(1), "one question");
    for (gives_up_after, asked) in [(millis(500), 1), (millis(1_500), 2)] {
        register.asked();
        let dropped = tokio::time::timeout(gives_up_after, send(&service, get(SEARCH))).await;
        assert!(dropped.is_err());
        assert_eq!(register.asked().len(), asked);

        let mut request = get(SEARCH);
        request
            .extensions_mut()
            .insert(Patience::of(gives_up_after));
        let error = send(&service, request).await.unwrap_err();
        assert!(error.is::<NotBefore>());
        assert!(nobody_is_left_at(&gates));
        assert_eq!(taken(&gates), 1);
    }
    send(&service, get(SEARCH)).await.unwrap();
    assert_eq!(mock.calls().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_was_granted_and_is_not_used_goes_back() {
    let mock = in_buckets(0);
    let register = Arc::new(Register::default());
    let (service, _) = process_with_buckets(&mock, &register);
    send(&service, get(SEARCH)).await.unwrap();
    send(&service, get(SEARCH)).await.unwrap();
    assert_eq!(register.came_back(), [], "both were sent");

    // The bucket agrees, its scope does not.
    register.on_close(&Scope::origin(&API.parse().unwrap()), secs(20));
    send(&service, get(SEARCH)).await.unwrap();
    assert_eq!(register.came_back(), [(SEARCH_BUCKET.to_owned(), 1)]);
}

#[tokio::test(start_paused = true)]
async fn what_was_granted_to_a_call_that_leaves_goes_back() {
    let mock = in_buckets(0);
    let register = Arc::new(Register {
        takes: secs(1),
        ..Register::default()
    });
    let (service, _) = process_with_buckets(&mock, &register);
    send(&service, get(SEARCH)).await.unwrap();
    let mut request = get(SEARCH);
    request.extensions_mut().insert(Cost::new(2));
    let left = tokio::time::timeout(millis(1_500), send(&service, request)).await;
    assert!(
        left.is_err(),
        "the bucket has agreed, the scope is being asked"
    );
    assert_eq!(register.came_back(), [(SEARCH_BUCKET.to_owned(), 2)]);

    let mut request = get(SEARCH);
    request.extensions_mut().insert(Patience::of(millis(1_500)));
    let late = service.clone().oneshot(request);
    let mut late = std::pin::pin!(late);
    assert!(late.as_mut().await.is_err(), "out of patience");
    let returned = register.came_back();
    assert_eq!(returned, [(SEARCH_BUCKET.to_owned(), 1)], "at once");
}

#[tokio::test(start_paused = true)]
async fn what_was_granted_to_a_call_whose_client_is_never_ready_goes_back() {
    let mock = Mock::new(|_, _| status(200)).taking(secs(1_000));
    let register = Arc::new(Register {
        takes: secs(1),
        ..Register::default()
    });
    let layer = RetryLayer::new(Provider::new("x")).fleet(Arc::clone(&register));
    let service = layer.layer(tower::limit::ConcurrencyLimit::new(mock, 1));
    let first = tokio::spawn(service.clone().oneshot(get(CORE)));
    tokio::time::sleep(millis(10)).await;
    let waits = tokio::time::timeout(secs(2), service.clone().oneshot(get(CORE))).await;
    assert!(waits.is_err(), "the first has the only slot in the client");
    assert_eq!(register.asked().len(), 2);
    assert_eq!(register.came_back(), [(API.to_owned(), 1)]);
    first.abort();
}

/// Says "not before 30 s" to the second call, whatever it is told, and keeps the closings.
#[derive(Default)]
struct Listens {
    asked: Mutex<u32>,
    closings: Mutex<Vec<Duration>>,
}

impl Fleet for Listens {
    fn admit(&self, _: &Scope, _: u32) -> ReplyFuture {
        let mut asked = self.asked.lock().unwrap();
        *asked += 1;
        let admission = match *asked {
            2 => Reply::NotBefore(secs(30)),
            _ => Reply::Granted,
        };
        Box::pin(async move { admission })
    }

    fn on_close(&self, _: &Scope, closed_for: Duration) {
        self.closings.lock().unwrap().push(closed_for);
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_fleet_said_does_not_come_back_to_it_as_a_closing() {
    let mock = Mock::new(|nth, _| match nth {
        1 => answer(429, &[("retry-after", "1")], ""),
        _ => status(200),
    })
    .taking(millis(500));
    let fleet = Arc::new(Listens::default());
    let layer = RetryLayer::new(Provider::new("acme")).fleet(Arc::clone(&fleet));
    let service = around(&mock, layer);
    let refused = start(&service, get(URI));
    tokio::time::sleep(millis(100)).await;
    let told_to_wait = start(&service, get(URI));
    for call in [refused, told_to_wait] {
        assert_eq!(status_of(&call.await.unwrap()), 200);
    }
    let closings = fleet.closings.lock().unwrap().clone();
    assert_eq!(closings.len(), 1);
    assert_between(closings[0], secs(1), millis(10));
}
