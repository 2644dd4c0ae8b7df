//! The member of a fleet is asked before a call is sent, and told what became of it.

use std::collections::HashMap;
use std::num::NonZeroU64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::mock::{Mock, answer, status};
use crate::support::paused::*;
use http::HeaderName;
use tokio::time::Instant;
use tower::{Layer, ServiceExt};
use tower_backoff::fleet::ledger::QuotaUnit;
use tower_backoff::fleet::{
    CallEnding, CallOutcome, CloseReason, Fleet, GateHandle, Grant, GrantId, Joining, Member,
    ScopeName,
};
use tower_backoff::policy::Provider;
use tower_backoff::{
    Cost, GateStatus, Gates, NotBefore, Patience, Quota, Retry, RetryLayer, providers,
};

const URI: &str = "https://api.lemlist.com/api/campaigns";
const API: &str = "https://api.test";
const SEARCH: &str = "https://api.test/search/code";
const CORE: &str = "https://api.test/repos/1/issues";
const SEARCH_BUCKET: &str = "https://api.test, bucket search";

/// What a member was told, with the number of the grant.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Event {
    Asked(u32),
    SentLate(u64),
    Returned(u64),
    Ended(Option<u64>, CallEnding, u32),
    BodyEnded(u64),
    Closed(Duration, CloseReason),
}
use Event::*;

/// A fleet whose members grant everything, unless it is told otherwise; it keeps what they are told.
#[derive(Clone, Default)]
struct TestFleet(Arc<Mutex<Shared>>);

#[derive(Default)]
struct Shared {
    events: Vec<(String, Event)>,
    /// What is said to the next calls of a scope, the last one for ever.
    replies: HashMap<String, Vec<Grant>>,
    gates: HashMap<String, GateHandle>,
    joined: Vec<Joined>,
    grants: u64,
}

/// What was told of a gate when it joined.
struct Joined {
    name: ScopeName,
    parent: Option<ScopeName>,
    windows: Vec<(QuotaUnit, u32, Duration)>,
}

impl TestFleet {
    /// What all members were told since, with their scopes.
    fn events(&self) -> Vec<(String, Event)> {
        std::mem::take(&mut self.0.lock().unwrap().events)
    }

    /// The same of the only scope.
    fn told(&self) -> Vec<Event> {
        self.events().into_iter().map(|(_, event)| event).collect()
    }

    fn replies(&self, scope: &str, replies: &[Grant]) {
        let mut shared = self.0.lock().unwrap();
        shared.replies.insert(scope.to_owned(), replies.to_vec());
    }

    fn gate(&self, scope: &str) -> GateHandle {
        self.0.lock().unwrap().gates[scope].clone()
    }
}

impl Fleet for TestFleet {
    fn join(&self, joining: Joining<'_>) -> Box<dyn Member> {
        let scope = joining.scope.to_string();
        let windows = joining.windows.iter();
        let windows = windows.map(|window| (window.unit, window.limit, window.length));
        let mut shared = self.0.lock().unwrap();
        shared.joined.push(Joined {
            name: joining.name,
            parent: joining.parent,
            windows: windows.collect(),
        });
        shared.gates.insert(scope.clone(), joining.gate);
        Box::new(TestMember {
            scope,
            fleet: self.clone(),
        })
    }
}

struct TestMember {
    scope: String,
    fleet: TestFleet,
}

impl TestMember {
    fn note(&self, event: Event) {
        let mut shared = self.fleet.0.lock().unwrap();
        shared.events.push((self.scope.clone(), event));
    }
}

impl Member for TestMember {
    fn admit(&self, cost: u32) -> Grant {
        self.note(Asked(cost));
        let mut shared = self.fleet.0.lock().unwrap();
        let reply = shared.replies.get_mut(&self.scope).map(|replies| {
            let is_last = replies.len() == 1;
            let next = replies[0];
            if !is_last {
                replies.remove(0);
            }
            next
        });
        match reply {
            Some(reply @ (Grant::At(_) | Grant::Later)) => reply,
            _ => {
                shared.grants += 1;
                Grant::Now(GrantId::new(NonZeroU64::new(shared.grants).unwrap()))
            }
        }
    }

    fn on_late_send(&self, grant: GrantId) {
        self.note(SentLate(grant.get()));
    }

    fn on_return(&self, grant: GrantId) {
        self.note(Returned(grant.get()));
    }

    fn on_outcome(&self, grant: Option<GrantId>, outcome: &CallOutcome) {
        self.note(Ended(grant.map(GrantId::get), outcome.ending, outcome.cost));
    }

    fn on_body_end(&self, grant: GrantId) {
        self.note(BodyEnded(grant.get()));
    }

    fn on_close(&self, closed_for: Duration, reason: CloseReason) {
        self.note(Closed(closed_for, reason));
    }
}

const NOW: Grant = Grant::Now(GrantId::new(NonZeroU64::MIN));

fn process(mock: &Mock, fleet: &TestFleet) -> (Retry<Mock>, Gates) {
    let gates = Gates::new();
    let provider = providers::lemlist().quotas([]).plans([]);
    let layer = RetryLayer::new(provider).gates(&gates);
    (around(mock, layer.fleet(fleet.clone())), gates)
}

const LEMLIST: &str = "https://api.lemlist.com";

#[tokio::test(start_paused = true)]
async fn a_member_is_asked_before_a_call_is_sent_and_told_how_it_ended() {
    let mock = Mock::new(|nth, _| status(if nth == 1 { 200 } else { 404 }));
    let fleet = TestFleet::default();
    let (service, gates) = process(&mock, &fleet);
    send(&service, get(URI)).await.unwrap();
    assert_eq!(
        fleet.told(),
        [Asked(1), Ended(Some(1), CallEnding::Served, 1)]
    );
    let mut request = get(URI);
    request.extensions_mut().insert(Cost::new(3));
    send(&service, request).await.unwrap();
    assert_eq!(
        fleet.told(),
        [Asked(3), Ended(Some(2), CallEnding::Served, 3)]
    );
    assert!(nobody_is_left_at(&gates));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_closes_the_gate_and_is_told_to_its_member() {
    let mock = Mock::new(|nth, _| match nth {
        1 => answer(429, &[("retry-after", "30")], ""),
        2 => answer(
            200,
            &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "5")],
            "",
        ),
        _ => status(200),
    });
    let fleet = TestFleet::default();
    let (service, _) = process(&mock, &fleet);
    send(&service, get(URI)).await.unwrap();
    let told = fleet.told();
    assert_eq!(
        told[..2],
        [Asked(1), Ended(Some(1), CallEnding::Refused, 1)]
    );
    let Closed(closed_for, CloseReason::Refusal) = told[2] else {
        panic!("{told:?}")
    };
    assert_between(closed_for, secs(30), secs(1));
    assert_eq!(
        told[3..5],
        [Asked(1), Ended(Some(2), CallEnding::Served, 1)]
    );
    let Closed(closed_for, CloseReason::QuotaSpent) = told[5] else {
        panic!("{told:?}")
    };
    assert_between(closed_for, secs(5), secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_a_member_names_is_kept_and_is_no_closing() {
    let mock = Mock::new(|_, _| status(200));
    let fleet = TestFleet::default();
    fleet.replies(LEMLIST, &[Grant::At(secs(30)), NOW]);
    let (service, gates) = process(&mock, &fleet);
    let begun = Instant::now();
    let calls: Vec<_> = (0..10).map(|_| start(&service, get(URI))).collect();
    tokio::time::sleep(millis(10)).await;
    let status = gate(&gates, LEMLIST);
    assert_eq!(status.closed_by.as_deref(), Some("the fleet"));
    assert_between(status.closed_for.unwrap(), secs(29), secs(1));
    assert_eq!((status.waiting, status.in_flight), (10, 0));
    for call in calls {
        call.await.unwrap().unwrap();
    }
    assert_eq!(begun.elapsed(), secs(30), "all at once, and no slow start");
    let asked = fleet.told().into_iter().filter(|event| *event == Asked(1));
    assert_eq!(asked.count(), 11, "each once, and the first twice");
}

#[tokio::test(start_paused = true)]
async fn a_call_whose_patience_ends_before_the_moment_that_a_member_names_ends_now() {
    let mock = Mock::new(|_, _| status(200));
    let fleet = TestFleet::default();
    fleet.replies(LEMLIST, &[Grant::At(secs(30))]);
    let (service, gates) = process(&mock, &fleet);
    let mut request = get(URI);
    request.extensions_mut().insert(Patience::of(secs(5)));
    let begun = Instant::now();
    let error = send(&service, request).await.unwrap_err();
    let error = error.downcast_ref::<NotBefore>().unwrap();
    assert_eq!(
        (begun.elapsed(), error.decided_by()),
        (secs(0), "the fleet")
    );
    assert_eq!(error.retry_after_seconds(), 30);
    assert!(nobody_is_left_at(&gates));
    assert_eq!(mock.calls().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_member_that_does_not_know_yet_wakes_the_gate() {
    let mock = Mock::new(|_, _| status(200));
    let fleet = TestFleet::default();
    fleet.replies(LEMLIST, &[Grant::Later]);
    let (service, gates) = process(&mock, &fleet);
    let begun = Instant::now();
    let calls: Vec<_> = (0..3).map(|_| start(&service, get(URI))).collect();
    tokio::time::sleep(millis(300)).await;
    let asked = fleet.told();
    assert!(asked.len() <= 2, "only the first asks: {asked:?}");
    let waiting = gate(&gates, LEMLIST);
    assert_eq!((waiting.waiting, fleet.gate(LEMLIST).waiting()), (3, 3));
    fleet.replies(LEMLIST, &[NOW]);
    fleet.gate(LEMLIST).wake();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    assert_eq!(begun.elapsed(), millis(300));
}

#[tokio::test(start_paused = true)]
async fn a_member_that_forgets_to_wake_its_gate_is_asked_again_and_patience_runs_meanwhile() {
    let mock = Mock::new(|_, _| status(200));
    let fleet = TestFleet::default();
    fleet.replies(LEMLIST, &[Grant::Later, Grant::Later, Grant::Later, NOW]);
    let (service, _) = process(&mock, &fleet);
    let begun = Instant::now();
    send(&service, get(URI)).await.unwrap();
    assert_between(begun.elapsed(), secs(1), secs(2));
    fleet.replies(LEMLIST, &[Grant::Later]);
    let mut request = get(URI);
    request.extensions_mut().insert(Patience::of(secs(5)));
    let begun = Instant::now();
    let error = send(&service, request).await.unwrap_err();
    assert!(error.is::<NotBefore>());
    assert_between(begun.elapsed(), secs(5), millis(300));
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_is_over_when_the_gate_is_woken_keeps_no_call() {
    let mock = Mock::new(|_, _| status(200));
    let fleet = TestFleet::default();
    fleet.replies(LEMLIST, &[Grant::At(secs(3_600)), NOW]);
    let (service, _) = process(&mock, &fleet);
    let begun = Instant::now();
    let mut request = get(URI);
    request.extensions_mut().insert(Patience::of(secs(7_200)));
    let waits = start(&service, request);
    tokio::time::sleep(secs(2)).await;
    fleet.gate(LEMLIST).wake();
    waits.await.unwrap().unwrap();
    assert_eq!(begun.elapsed(), secs(2));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_that_is_heard_while_the_fleet_waits_is_told_with_its_own_length() {
    let mock = Mock::new(|nth, _| match nth {
        1 => answer(429, &[("retry-after", "1")], ""),
        _ => status(200),
    })
    .taking(millis(500));
    let fleet = TestFleet::default();
    fleet.replies(LEMLIST, &[NOW, Grant::At(secs(30)), NOW]);
    let (service, _) = process(&mock, &fleet);
    let refused = start(&service, get(URI));
    tokio::time::sleep(millis(100)).await;
    let told_to_wait = start(&service, get(URI));
    for call in [refused, told_to_wait] {
        assert_eq!(status_of(&call.await.unwrap()), 200);
    }
    let closed = fleet.told().into_iter().filter_map(|event| match event {
        Closed(closed_for, _) => Some(closed_for),
        _ => None,
    });
    let closed: Vec<_> = closed.collect();
    assert_eq!(closed.len(), 1);
    assert_between(closed[0], secs(1), millis(10));
}

/// A process that has five slots a minute, and learns the buckets from the answers.
fn process_with_buckets(mock: &Mock, fleet: &TestFleet) -> (Retry<Mock>, Gates) {
    let gates = Gates::new();
    let provider = Provider::new("buckets")
        .buckets_in(HeaderName::from_static("x-ratelimit-resource"))
        .quota(Quota::per_minute(5));
    let layer = RetryLayer::new(provider).gates(&gates);
    (around(mock, layer.fleet(fleet.clone())), gates)
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
    let fleet = TestFleet::default();
    let (service, gates) = process_with_buckets(&mock, &fleet);
    send(&service, get(SEARCH)).await.unwrap();
    let first = fleet.events();
    assert_eq!(first[0], (API.to_owned(), Asked(1)));
    let adopted = (SEARCH_BUCKET.to_owned(), Ended(None, CallEnding::Served, 1));
    assert!(
        first.contains(&adopted),
        "it has no grant of the bucket: {first:?}"
    );
    let mut request = get(SEARCH);
    request.extensions_mut().insert(Cost::new(3));
    send(&service, request).await.unwrap();
    let second = fleet.events();
    let both = [
        (SEARCH_BUCKET.to_owned(), Asked(3)),
        (API.to_owned(), Asked(3)),
    ];
    assert_eq!(second[..2], both);
    assert_eq!(second.len(), 4, "both are told how it ended: {second:?}");
    assert!(nobody_is_left_at(&gates));

    let shared = fleet.0.lock().unwrap();
    let [api, bucket] = [&shared.joined[0], &shared.joined[1]];
    assert_eq!(api.windows, [(QuotaUnit::Cost, 5, secs(60))]);
    assert_eq!((api.parent, bucket.parent), (None, Some(api.name)));
    assert_ne!(api.name, bucket.name);
}

#[tokio::test(start_paused = true)]
async fn a_bucket_that_the_fleet_holds_is_waited_for_by_its_kind_alone() {
    let mock = in_buckets(0);
    let fleet = TestFleet::default();
    let (service, gates) = process_with_buckets(&mock, &fleet);
    send(&service, get(SEARCH)).await.unwrap();
    fleet.replies(SEARCH_BUCKET, &[Grant::At(secs(30)), NOW]);
    let begun = Instant::now();
    let waits = start(&service, get(SEARCH));
    tokio::time::sleep(millis(10)).await;
    let bucket = gate(&gates, SEARCH_BUCKET);
    assert_eq!(bucket.closed_by.as_deref(), Some("the fleet"));
    assert_eq!((bucket.waiting, bucket.in_flight), (1, 0));
    let api = gate(&gates, API);
    assert_eq!((api.closed_by, api.waiting, api.in_flight), (None, 0, 0));
    assert_eq!(taken(&gates), 1, "the slot of the call that waits is free");
    send(&service, get(CORE)).await.unwrap();
    assert_eq!(begun.elapsed(), millis(10), "core is not stopped by search");
    waits.await.unwrap().unwrap();
    assert_eq!(begun.elapsed(), secs(30));
    assert!(nobody_is_left_at(&gates));
}

#[tokio::test(start_paused = true)]
async fn a_scope_that_the_fleet_holds_stops_the_calls_of_its_buckets() {
    let mock = in_buckets(0);
    let fleet = TestFleet::default();
    let (service, gates) = process_with_buckets(&mock, &fleet);
    send(&service, get(SEARCH)).await.unwrap();
    fleet.events();
    fleet.replies(API, &[Grant::At(secs(20)), NOW]);
    let begun = Instant::now();
    let waits = start(&service, get(SEARCH));
    tokio::time::sleep(millis(10)).await;
    let (bucket, api) = (gate(&gates, SEARCH_BUCKET), gate(&gates, API));
    assert_eq!((bucket.closed_by, bucket.waiting), (None, 0));
    assert_eq!(api.closed_by.as_deref(), Some("the fleet"));
    assert_eq!((api.waiting, api.in_flight), (1, 0));
    waits.await.unwrap().unwrap();
    assert_eq!(begun.elapsed(), secs(20));
    assert!(nobody_is_left_at(&gates));
}

#[tokio::test(start_paused = true)]
async fn what_was_granted_to_a_call_that_leaves_goes_back() {
    let mock = in_buckets(0);
    let fleet = TestFleet::default();
    let (service, gates) = process_with_buckets(&mock, &fleet);
    send(&service, get(SEARCH)).await.unwrap();
    fleet.events();
    fleet.replies(API, &[Grant::At(secs(20))]);
    let left = tokio::time::timeout(secs(1), send(&service, get(SEARCH))).await;
    assert!(
        left.is_err(),
        "the bucket has granted it, the scope has not"
    );
    let events = fleet.events();
    assert_eq!(
        events.last(),
        Some(&(SEARCH_BUCKET.to_owned(), Returned(2)))
    );
    assert!(nobody_is_left_at(&gates));
}

/// A call that waits for the fleet for a second. Meanwhile another one takes the only slot of the client, for `taking`.
async fn with_a_client_that_is_not_ready(fleet: &TestFleet, taking: Duration) -> BoxResult {
    let mock = Mock::new(|_, _| status(200)).taking(taking);
    let client = tower::limit::ConcurrencyLimit::new(mock, 1);
    let layer = RetryLayer::new(Provider::new("x")).fleet(fleet.clone());
    let service = layer.layer(client.clone());
    fleet.replies(API, &[Grant::At(secs(1)), NOW]);
    let mut request = get(CORE);
    request.extensions_mut().insert(Patience::of(secs(5)));
    let waits = tokio::spawn(service.oneshot(request));
    tokio::time::sleep(millis(10)).await;
    let other = tokio::spawn(client.oneshot(get(CORE)));
    let result = waits.await.unwrap().map(|response| response.status());
    other.abort();
    result
}

type BoxResult = Result<http::StatusCode, tower::BoxError>;

#[tokio::test(start_paused = true)]
async fn what_was_granted_to_a_call_whose_client_is_never_ready_goes_back() {
    let fleet = TestFleet::default();
    let result = with_a_client_that_is_not_ready(&fleet, secs(1_000)).await;
    assert!(result.unwrap_err().is::<NotBefore>());
    assert_eq!(fleet.told(), [Asked(1), Asked(1), Returned(1)]);
}

#[tokio::test(start_paused = true)]
async fn a_grant_that_is_used_later_is_told_so() {
    let fleet = TestFleet::default();
    let result = with_a_client_that_is_not_ready(&fleet, secs(3)).await;
    assert_eq!(result.unwrap(), 200);
    let ended = Ended(Some(1), CallEnding::Served, 1);
    assert_eq!(fleet.told(), [Asked(1), Asked(1), SentLate(1), ended]);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_on_its_way_may_have_been_counted() {
    let mock = Mock::new(|_, _| status(200)).taking(secs(10));
    let fleet = TestFleet::default();
    let (service, _) = process(&mock, &fleet);
    let dropped = tokio::time::timeout(secs(1), send(&service, get(URI))).await;
    assert!(dropped.is_err());
    assert_eq!(
        fleet.told(),
        [Asked(1), Ended(Some(1), CallEnding::Dropped, 1)]
    );
}

#[tokio::test(start_paused = true)]
async fn calls_at_once_are_held_until_their_bodies_have_ended() {
    let mock = Mock::new(|_, _| answer(200, &[], "some content"));
    let fleet = TestFleet::default();
    let provider = Provider::new("x").quota(Quota::concurrent(2));
    let service = around(&mock, RetryLayer::new(provider).fleet(fleet.clone()));
    let response = send(&service, get(CORE)).await.unwrap();
    assert_eq!(
        fleet.told(),
        [Asked(1), Ended(Some(1), CallEnding::Served, 1)]
    );
    drop(response);
    assert_eq!(fleet.told(), [BodyEnded(1)]);
    assert_eq!(
        fleet.0.lock().unwrap().joined[0].windows,
        [(QuotaUnit::InFlight, 2, secs(0))]
    );
}

#[tokio::test(start_paused = true)]
async fn a_member_that_leads_replaces_what_the_gate_has_learned_by_itself() {
    async fn elapsed(leads: bool) -> Duration {
        let mock = Mock::new(|nth, _| match nth {
            1 => answer(429, &[("retry-after", "1")], ""),
            _ => status(200),
        })
        .taking(millis(100));
        let fleet = TestFleet::default();
        let (service, _) = process(&mock, &fleet);
        let refused = start(&service, get(URI));
        tokio::time::sleep(millis(10)).await;
        fleet.gate(LEMLIST).set_leading(leads);
        tokio::time::sleep(millis(100)).await;
        let calls: Vec<_> = (0..50).map(|_| start(&service, get(URI))).collect();
        let begun = Instant::now();
        refused.await.unwrap().unwrap();
        for call in calls {
            call.await.unwrap().unwrap();
        }
        begun.elapsed()
    }
    assert!(elapsed(true).await < millis(1_200), "no slow start");
    assert!(elapsed(false).await > millis(1_200));
}
