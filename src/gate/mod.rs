//! All callers of one scope, behind one gate.
//!
//! ```text
//! Gates ── scope ──► Gate ── lock ──► State { Book, Queue, Cooldown, Allowance, Ramp, Outage, Ledger }
//!                      ▲
//!                    Turn   (one per call: waits, passes, and gives its place back when dropped)
//! ```

mod addresses;
mod alarm;
mod allowance;
mod at_once;
mod blocked;
mod book;
mod buckets;
mod cooldown;
mod lessons;
mod looks;
#[cfg(all(test, model))]
mod model;
mod outage;
mod pace;
mod published;
mod queue;
mod quota;
mod ramp;
mod siblings;
mod single;
mod spacing;
mod state;
mod turn;
mod window;
mod words;

pub use quota::Quota;

pub(crate) use cooldown::{Closing, Shut, Wait};
pub(crate) use outage::{PathHash, Suspicion};
pub(crate) use single::Gate;
pub(crate) use turn::{HeadClosing, Hold, Receipt, Turn};
pub(crate) use words::{Asks, Ending, Facts, Heard, Leaves, Until};

use self::addresses::Addresses;
use self::buckets::Buckets;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::Uri;

use crate::clock::Clock;
use crate::moment::Moment;
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
    addresses: Addresses,
    buckets: Buckets,
    /// The scopes whose gauges were set, to be reset once their gates are forgotten.
    #[cfg(feature = "metrics")]
    recorded: Mutex<std::collections::HashSet<Scope>>,
}

#[derive(Default)]
struct Registry {
    gates: HashMap<Scope, Arc<Gate>>,
    /// When there are more gates than this, the idle ones are forgotten.
    sweep_at: usize,
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
        let gate = self.lock().gates.get(scope).cloned();
        if let Some(gate) = gate {
            let wake = gate.lock().reopen();
            wake.now();
        }
    }

    /// What each gate is doing, in no particular order.
    pub fn all(&self) -> Vec<GateStatus> {
        let now = Clock::default().now();
        let gates: Vec<_> = self.lock().gates.values().cloned().collect();
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

        match registry.gates.get(&scope) {
            Some(gate) => Arc::clone(gate),
            None => {
                if registry.is_full() {
                    self.shared.addresses.clear();
                    registry.sweep(now);
                }
                let gate = Arc::new(Gate::new(scope.clone(), facts));
                registry.gates.insert(scope, Arc::clone(&gate));
                gate
            }
        }
    }

    /// The bucket that the last response to such a request named.
    pub(crate) fn bucket(&self, scope: &Scope, route: Route) -> Option<Scope> {
        let name = self.shared.buckets.get(scope, route.key())?;
        Some(scope.bucket(&name, route.resource()))
    }

    /// A response has named the bucket of a request.
    pub(crate) fn name_bucket(&self, scope: &Scope, route: Route, name: &Arc<str>) -> Scope {
        self.shared.buckets.set(scope, route.key(), name);
        scope.bucket(name, route.resource())
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

impl Registry {
    const FEW: usize = 1_024;

    /// Whether their number has doubled: so the cost per call stays flat.
    fn is_full(&self) -> bool {
        self.gates.len() >= self.sweep_at.max(Self::FEW)
    }

    /// Forgets the gates that nobody holds and that remember nothing.
    fn sweep(&mut self, now: Moment) {
        self.gates
            .retain(|_, gate| Arc::strong_count(gate) > 1 || !gate.lock().is_idle(now));
        self.sweep_at = self.gates.len() * 2;
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
