//! One gate per scope, shared by all its callers: a rate limiter and a circuit breaker.
//!
//! ```text
//! Gates ── scope ──► Gate ── lock ──► Waiters   the calls that wait, by priority and in order
//!                      ▲              Core      all decisions, told the time: cooldown, quotas, learning, breaker
//!                    Permit           (one per call: acquires, is completed, and releases what it holds when dropped)
//! ```

mod acquire;
mod buckets;
mod core;
mod duplicate;
#[expect(
    clippy::module_inception,
    reason = "it is the gate that the room is about"
)]
mod gate;
mod guards;
mod lookup;
mod member;
#[cfg(all(test, model))]
mod model;
mod permit;
mod registry;
mod status;
mod timer_waker;
mod waiters;

pub use self::core::{Estimate, LearnedLimit, Quota, QuotaUsage};
pub use status::GateStatus;

pub(crate) use self::core::{
    AcquireRequest, BreakerState, ClosedUntil, Closing, Completion, Deadlines, GateConfig, Outcome,
    PathHash, Reason, Rejected, Wait,
};
pub(crate) use buckets::BucketKey;
pub(crate) use gate::Gate;
pub(crate) use guards::{ConcurrencyPermit, ProvisionalClosing, RetryReceipt};
pub(crate) use permit::Permit;

use self::buckets::BucketNames;
use self::lookup::UriLookup;
use self::registry::Registry;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use http::Uri;

use crate::scope::Scope;
use crate::time::{Clock, Due, Moment};

/// The gates of a layer: one rate limiter and circuit breaker per host, or per [`Scope`].
///
/// A layer creates its own, which all clones of the layer and of its services share. Pass one `Gates` to several
/// layers, and their calls wait at the same gates:
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
    addresses: UriLookup,
    buckets: BucketNames,
    /// The scopes whose gauges were set, to be reset once their gates are forgotten.
    #[cfg(feature = "metrics")]
    recorded: Mutex<std::collections::HashSet<Scope>>,
}

impl Gates {
    /// No gates yet: each scope gets one with its first call.
    pub fn new() -> Self {
        Self::default()
    }

    /// Opens the gate of a scope now, with those of its buckets and partial quotas: the way out of a `Retry-After: 86400` that was sent by mistake.
    /// The first call through it is a probe.
    ///
    /// With a [`fleet`](crate::fleet) that shares a ledger it opens in all processes: as soon as the ledger is reached in this one,
    /// and within a quarter of a lease in the others. A refusal closes it again.
    ///
    /// ```
    /// use tower_backoff::{Gates, Scope};
    ///
    /// let gates = Gates::new();
    /// gates.reopen(&Scope::origin(&"https://api.example.com".parse()?));
    /// # Ok::<(), http::uri::InvalidUri>(())
    /// ```
    pub fn reopen(&self, scope: &Scope) {
        let gates = self.lock().all_of(scope);
        for gate in gates {
            gate.reopen_for_all();
        }
    }

    /// What each gate is doing, in no particular order.
    pub fn snapshot(&self) -> Vec<GateStatus> {
        let now = Clock::default().now();
        self.tidy(now);
        let gates = self.lock().all();
        gates.iter().map(|gate| GateStatus::of(gate, now)).collect()
    }

    /// When `calls` further ones to a scope would be sent, behind those that wait already.
    ///
    /// `None` if no call of the scope is remembered, so that nothing keeps one, or if it cannot be foreseen. Each counts as
    /// one of its quotas, and as served after the mean round trip. The gate of the
    /// scope is played forward, without those of its buckets and partial quotas: it takes about a microsecond for each
    /// call, of 200,000 at most.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_backoff::{Gates, Scope};
    ///
    /// // Of several keys, the one whose next call would be sent first.
    /// fn key_that_is_free<'a>(gates: &Gates, keys: &'a [Scope]) -> Option<&'a Scope> {
    ///     let wait = |key: &&Scope| gates.estimate(key, 1).map_or(Duration::ZERO, |estimate| estimate.first);
    ///     keys.iter().min_by_key(wait)
    /// }
    /// # let (gates, keys) = (Gates::new(), [Scope::named("first"), Scope::named("second")]);
    /// # assert_eq!(key_that_is_free(&gates, &keys), Some(&keys[0]));
    /// ```
    pub fn estimate(&self, scope: &Scope, calls: u32) -> Option<Estimate> {
        let gate = self.lock().get(scope).cloned()?;
        let now = Clock::default().now();
        let (core, ahead) = {
            let guarded = gate.lock();
            (guarded.core.clone(), guarded.waiters.len())
        };
        core.estimate(ahead, calls, now)
    }

    /// The gate of this address, if it can be told without taking it apart.
    pub(crate) fn at(&self, uri: &Uri) -> Option<Arc<Gate>> {
        self.shared.addresses.get(uri)
    }

    /// The gate of this address, if it is the one that nearly all calls go through.
    #[inline]
    pub(crate) fn cached(&self, uri: &Uri) -> Option<&Arc<Gate>> {
        self.shared.addresses.first(uri)
    }

    /// The next call to this address finds its gate at once.
    pub(crate) fn cache(&self, uri: &Uri, gate: &Arc<Gate>) {
        self.shared.addresses.set(uri, gate);
    }

    /// The gate of a scope. The first call of the scope says what is known about it.
    pub(crate) fn of(&self, scope: Scope, config: GateConfig<'_>, now: Moment) -> Arc<Gate> {
        let mut registry = self.lock();
        if let Some(gate) = registry.get(&scope) {
            return Arc::clone(gate);
        }
        self.make_room(&mut registry, now);
        let gate = registry.insert(scope, config);
        self.shared.sweep_due.at_latest(registry.next_sweep(now));
        gate
    }

    /// The gate of the bucket that the last response to such a request named.
    /// `None` also if the scope has no room for another one.
    pub(crate) fn bucket(
        &self,
        scope: &Scope,
        key: BucketKey,
        config: GateConfig<'_>,
        now: Moment,
    ) -> Option<Arc<Gate>> {
        let name = self.shared.buckets.get(scope, key.route)?;
        self.bucket_named(scope, key, &name, config, now)
    }

    /// The gate of a quota that counts only some calls of a scope. It is told from others by its quotas, too.
    pub(crate) fn partial(
        &self,
        scope: &Scope,
        name: &Arc<str>,
        config: GateConfig<'_>,
        now: Moment,
    ) -> Option<Arc<Gate>> {
        self.bucket_in(
            scope,
            scope.bucket(name, Some(config.hash_of_quotas())),
            config,
            now,
        )
    }

    /// The gate of the bucket that a response has named.
    pub(crate) fn name_bucket(
        &self,
        scope: &Scope,
        key: BucketKey,
        name: &Arc<str>,
        config: GateConfig<'_>,
        now: Moment,
    ) -> Option<Arc<Gate>> {
        self.shared.buckets.set(scope, key.route, name);
        self.bucket_named(scope, key, name, config, now)
    }

    fn bucket_named(
        &self,
        scope: &Scope,
        key: BucketKey,
        name: &Arc<str>,
        config: GateConfig<'_>,
        now: Moment,
    ) -> Option<Arc<Gate>> {
        self.bucket_in(scope, scope.bucket(name, key.resource), config, now)
    }

    fn bucket_in(
        &self,
        scope: &Scope,
        bucket: Scope,
        config: GateConfig<'_>,
        now: Moment,
    ) -> Option<Arc<Gate>> {
        let mut registry = self.lock();
        self.make_room(&mut registry, now);
        let gate = registry.bucket(scope, bucket, config, now);
        self.shared.sweep_due.at_latest(registry.next_sweep(now));
        gate
    }

    fn make_room(&self, registry: &mut Registry, now: Moment) {
        if registry.is_full() {
            self.shared.addresses.clear();
            registry.evict_idle(now);
        }
    }

    /// Forgets the gates that are of no use any more, once a minute if there are many. Every call asks.
    #[inline]
    pub(crate) fn tidy(&self, now: Moment) {
        if self.shared.sweep_due.is_over(now) {
            self.evict_unused(now);
        }
    }

    #[cold]
    #[inline(never)]
    fn evict_unused(&self, now: Moment) {
        let mut registry = self.lock();
        // Another thread may have done it meanwhile.
        if self.shared.sweep_due.is_over(now) {
            self.shared.addresses.clear();
            registry.evict_unused(now);
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

impl fmt::Debug for Gates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.snapshot()).finish()
    }
}

#[cfg(all(test, not(model)))]
mod tests;
