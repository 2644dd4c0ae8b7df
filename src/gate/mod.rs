//! All callers of one scope, behind one gate.
//!
//! ```text
//! Gates ── scope ──► Gate ── lock ──► State { Queue, Cooldown, Allowance, Ramp, Outage, Ledger }
//!                      ▲
//!                    Turn   (one per call: waits, passes, and gives its place back when dropped)
//! ```

mod addresses;
mod alarm;
mod allowance;
mod at_once;
mod blocked;
mod buckets;
mod cooldown;
mod guards;
mod lessons;
#[cfg(all(test, model))]
mod model;
mod outage;
mod pace;
mod published;
mod queue;
mod quota;
mod ramp;
mod refused_paths;
mod registry;
mod siblings;
mod single;
mod spacing;
mod state;
mod turn;
mod window;
mod words;

pub use quota::Quota;

pub(crate) use cooldown::{Closing, Shut, Wait};
pub(crate) use guards::{HeadClosing, Hold, Receipt};
pub(crate) use outage::{PathHash, Suspicion};
pub(crate) use single::Gate;
pub(crate) use turn::Turn;
pub(crate) use words::{Asks, Ending, Facts, Heard, Leaves, Until};

use self::addresses::Addresses;
use self::buckets::Buckets;
use self::registry::Registry;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::Uri;

use crate::clock::Clock;
use crate::moment::{Due, Moment};
use crate::policy::Route;
use crate::scope::Scope;

/// The gates of a layer, one per [`Scope`].
///
/// A layer makes its own; all clones of the layer and of its services share them. Hand one `Gates`
/// to several layers, and calls through any of them wait behind the same gates:
///
/// ```
/// use tower_backoff::{Gates, RetryLayer, providers};
///
/// let gates = Gates::new();
/// let patient = RetryLayer::new(providers::lemlist()).gates(&gates);
/// let hasty = RetryLayer::new(providers::lemlist()).gates(&gates).max_retries(0);
/// # let _ = (patient, hasty);
/// ```
#[derive(Clone, Default)]
pub struct Gates {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    registry: Mutex<Registry>,
    /// When the gates that are of no use any more are to be forgotten.
    sweep_due: Due,
    addresses: Addresses,
    buckets: Buckets,
    /// The scopes whose gauges were set, to be reset once their gates are forgotten.
    #[cfg(feature = "metrics")]
    recorded: Mutex<std::collections::HashSet<Scope>>,
}

/// What one gate is doing; see [`Gates::all`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GateStatus {
    /// Whose gate it is.
    pub scope: Scope,
    /// For how long the next call is kept, as far as is known: because a response said so, because a quota is spent,
    /// because the server is out, or because the gate reopens slowly. `None` if it is open, or if that depends on
    /// calls that are on their way.
    pub shut_for: Option<Duration>,
    /// What keeps the next call: the name of a header, a rule, or which quota. `None` if it is open.
    pub shut_by: Option<String>,
    /// How many calls wait at it.
    pub waiting: usize,
    /// How many calls are on their way.
    pub in_flight: u32,
    /// What is spent of its quotas, the declared and the published ones.
    pub spent: Vec<Spent>,
}

/// How much of one quota is spent; see [`GateStatus`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Spent {
    /// So much.
    pub spent: u32,
    /// Of so much.
    pub of: u32,
    /// In a window of this length; `None` if calls at once are meant, or if only the server knows.
    pub window: Option<Duration>,
}

impl Gates {
    /// No gates yet: each scope gets one with its first call.
    pub fn new() -> Self {
        Self::default()
    }

    /// Opens the gate of a scope now: the way out of a `Retry-After: 86400` that was sent by
    /// mistake. The first call through it is a probe.
    ///
    /// ```
    /// use tower_backoff::{Gates, Scope};
    ///
    /// let gates = Gates::new();
    /// gates.reopen(&Scope::origin(&"https://api.example.com".parse()?));
    /// # Ok::<(), http::uri::InvalidUri>(())
    /// ```
    pub fn reopen(&self, scope: &Scope) {
        let gate = self.lock().get(scope).cloned();
        if let Some(gate) = gate {
            let wake = gate.lock().reopen();
            wake.now();
        }
    }

    /// What each gate is doing, in no particular order.
    pub fn all(&self) -> Vec<GateStatus> {
        let now = Clock::default().now();
        self.tidy(now);
        let gates = self.lock().all();
        gates.iter().map(|gate| status(gate, now)).collect()
    }

    /// The gate of this address, if it can be told without taking it apart.
    pub(crate) fn at(&self, uri: &Uri) -> Option<Arc<Gate>> {
        self.shared.addresses.get(uri)
    }

    /// The gate of this address, if it is the one that nearly all calls go through.
    #[inline]
    pub(crate) fn usual(&self, uri: &Uri) -> Option<&Arc<Gate>> {
        self.shared.addresses.first(uri)
    }

    /// The next call to this address finds its gate at once.
    pub(crate) fn remember(&self, uri: &Uri, gate: &Arc<Gate>) {
        self.shared.addresses.set(uri, gate);
    }

    /// The gate of a scope. The first call of the scope says what is known about it.
    pub(crate) fn of(&self, scope: Scope, facts: Facts<'_>, now: Moment) -> Arc<Gate> {
        let mut registry = self.lock();
        if let Some(gate) = registry.get(&scope) {
            return Arc::clone(gate);
        }
        self.make_room(&mut registry, now);
        let gate = registry.insert(scope, facts);
        self.shared.sweep_due.at_latest(registry.next_sweep(now));
        gate
    }

    /// The gate of the bucket that the last response to such a request named. `None` also if the scope has no room
    /// for another one.
    pub(crate) fn bucket(
        &self,
        scope: &Scope,
        route: Route,
        facts: Facts<'_>,
        now: Moment,
    ) -> Option<Arc<Gate>> {
        let name = self.shared.buckets.get(scope, route.key())?;
        self.bucket_named(scope, route, &name, facts, now)
    }

    /// The gate of the bucket that a response has named.
    pub(crate) fn name_bucket(
        &self,
        scope: &Scope,
        route: Route,
        name: &Arc<str>,
        facts: Facts<'_>,
        now: Moment,
    ) -> Option<Arc<Gate>> {
        self.shared.buckets.set(scope, route.key(), name);
        self.bucket_named(scope, route, name, facts, now)
    }

    fn bucket_named(
        &self,
        scope: &Scope,
        route: Route,
        name: &Arc<str>,
        facts: Facts<'_>,
        now: Moment,
    ) -> Option<Arc<Gate>> {
        let bucket = scope.bucket(name, route.resource());
        let mut registry = self.lock();
        self.make_room(&mut registry, now);
        let gate = registry.bucket(scope, bucket, facts, now);
        self.shared.sweep_due.at_latest(registry.next_sweep(now));
        gate
    }

    fn make_room(&self, registry: &mut Registry, now: Moment) {
        if registry.is_full() {
            self.shared.addresses.clear();
            registry.forget_idle(now);
        }
    }

    /// Forgets the gates that are of no use any more, once a minute if there are many. Every call asks.
    #[inline]
    pub(crate) fn tidy(&self, now: Moment) {
        if self.shared.sweep_due.is_over(now) {
            self.forget_unused(now);
        }
    }

    #[cold]
    #[inline(never)]
    fn forget_unused(&self, now: Moment) {
        let mut registry = self.lock();
        // Another thread may have done it meanwhile.
        if self.shared.sweep_due.is_over(now) {
            self.shared.addresses.clear();
            registry.forget_unused(now);
            self.shared.sweep_due.set(registry.next_sweep(now));
        }
    }

    #[cfg(feature = "metrics")]
    pub(crate) fn recorded(&self) -> &Mutex<std::collections::HashSet<Scope>> {
        &self.shared.recorded
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Registry> {
        self.shared
            .registry
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

fn status(gate: &Gate, now: Moment) -> GateStatus {
    let mut state = gate.lock();
    let spent = state.allowance.spent(now);
    let blocked = state.blocked_first(now);
    let known = blocked.filter(|blocked| blocked.until < Moment::FAR);
    GateStatus {
        scope: gate.scope().clone(),
        shut_for: known.map(|blocked| blocked.until - now),
        shut_by: blocked.map(|blocked| state.words_for(blocked.reason).into_owned()),
        waiting: state.queue.len(),
        in_flight: state.in_flight(),
        spent,
    }
}

impl fmt::Debug for Gates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.all()).finish()
    }
}

#[cfg(all(test, not(model)))]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn scope(host: u32) -> Scope {
        Scope::origin(&format!("https://host-{host}.test/").parse().unwrap())
    }

    fn known(gates: &Gates) -> usize {
        gates.lock().all().len()
    }

    /// Each host is called once, and its address remembered.
    fn call_all(gates: &Gates, hosts: u32, now: Moment) {
        let quotas = [Quota::per_minute(100)];
        for host in 0..hosts {
            let facts = Facts {
                quotas: &quotas,
                ..Facts::default()
            };
            let gate = gates.of(scope(host), facts, now);
            let uri = format!("https://host-{host}.test/").parse().unwrap();
            gates.remember(&uri, &gate);
            let mut turn = Turn::at(gate, 1);
            assert!(turn.arrive(false, now.instant()).1, "the gate is open");
            let heard = Heard {
                ending: Ending::Accepted,
                counter: None,
                price: None,
                by_a_limit: false,
                believed_for: Duration::MAX,
                path: PathHash::default(),
            };
            turn.answered(heard, now);
        }
    }

    #[test]
    fn gates_that_are_not_used_are_forgotten_with_time() {
        let (gates, start) = (Gates::new(), Moment::now());
        call_all(&gates, 5_000, start);
        assert_eq!(known(&gates), 5_000);
        gates.tidy(start + MINUTE);
        assert_eq!(known(&gates), 5_000, "they may be of use");
        gates.tidy(start + MINUTE * 17);
        assert_eq!(known(&gates), 1, "the first is never forgotten");
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_to_one_host_forgets_those_that_were_called_a_day_ago() {
        use tower::{Layer, ServiceExt};
        let gates = Gates::new();
        let served = |_| async { Ok::<_, crate::BoxError>(http::Response::new(String::new())) };
        let policy = crate::policy::Provider::new("test").quota(Quota::per_minute(100));
        let layer = crate::RetryLayer::new(policy).gates(&gates);
        let service = layer.layer(tower::service_fn(served));
        let call = |host: u32| {
            let request = http::Request::get(format!("https://host-{host}.test/"));
            service
                .clone()
                .oneshot(request.body(String::new()).unwrap())
        };
        for host in 0..200 {
            call(host).await.unwrap();
        }
        assert_eq!(known(&gates), 200);
        tokio::time::advance(MINUTE * 24 * 60).await;
        call(1).await.unwrap();
        assert!(known(&gates) <= 2, "{} are known", known(&gates));
    }

    #[test]
    fn gates_are_searched_once_a_minute_and_a_handful_never() {
        let (gates, start) = (Gates::new(), Moment::now());
        call_all(&gates, 64, start);
        assert!(!gates.shared.sweep_due.is_over(start + MINUTE * 1_000));
        call_all(&gates, 100, start);
        let later = start + MINUTE * 2;
        assert!(gates.shared.sweep_due.is_over(later));
        gates.tidy(later);
        assert!(!gates.shared.sweep_due.is_over(later + MINUTE / 2));
        assert!(gates.shared.sweep_due.is_over(later + MINUTE));
    }

    #[test]
    fn a_scope_has_at_most_1024_buckets_and_the_idle_ones_make_room() {
        let (gates, start) = (Gates::new(), Moment::now());
        let route = Route::named("a kind");
        let name = |nth: u32| Arc::from(format!("bucket-{nth}"));
        let bucket =
            |nth, now| gates.name_bucket(&scope(0), route, &name(nth), Facts::default(), now);
        let held: Vec<_> = (0..1_024).filter_map(|nth| bucket(nth, start)).collect();
        assert_eq!(held.len(), 1_024);
        assert!(bucket(5, start).is_some(), "it is known");
        assert!(bucket(2_000, start).is_none(), "calls are at all of them");
        assert!(
            gates
                .bucket(&scope(0), route, Facts::default(), start)
                .is_none()
        );
        assert!(
            gates
                .name_bucket(&scope(1), route, &name(1), Facts::default(), start)
                .is_some()
        );
        drop(held);
        assert!(bucket(2_000, start).is_none(), "not searched at every call");
        assert!(bucket(2_000, start + MINUTE).is_some());
        assert_eq!(known(&gates), 2);
    }
}
