//! All callers of one scope, behind one gate.
//!
//! ```text
//! Gates ── scope ──► Gate ── lock ──► State { Queue, Cooldown, Allowance, Ramp, Outage, Ledger }
//!                      ▲
//!                    Turn   (one per call: waits, passes, and gives its place back when dropped)
//! ```

mod allowance;
mod at_once;
mod cooldown;
mod looks;
#[cfg(all(test, model))]
mod model;
mod outage;
mod published;
mod queue;
mod quota;
mod ramp;
mod siblings;
mod single;
mod state;
mod turn;
mod window;
mod words;

pub use quota::Quota;

pub(crate) use cooldown::{Closing, Shut, Wait};
pub(crate) use single::Gate;
pub(crate) use turn::{Hold, Receipt, Turn};
pub(crate) use words::{Asks, Ending, Facts, Heard, Leaves, Until};

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::Uri;

use crate::clock::Clock;
use crate::moment::Moment;
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
    shared: Arc<Mutex<Registry>>,
}

#[derive(Default)]
struct Registry {
    gates: HashMap<Scope, Arc<Gate>>,
    /// The one that was asked for last: most clients talk to one host at a time.
    last: Option<Arc<Gate>>,
    /// When there are more gates than this, the idle ones are forgotten.
    sweep_at: usize,
}

/// What one gate is doing; see [`Gates::all`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GateStatus {
    /// Whose gate it is.
    pub scope: Scope,
    /// For how long it stays shut; `None` if it is open.
    pub shut_for: Option<Duration>,
    /// What shut it, if it is shut: the name of a header or of a rule.
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

    /// The gate that was asked for last, if it is the one of this address.
    pub(crate) fn last(&self, uri: &Uri) -> Option<Arc<Gate>> {
        let registry = self.lock();
        let last = registry.last.as_ref()?;
        last.scope().is_plainly(uri).then(|| Arc::clone(last))
    }

    /// The gate of a scope. The first call of the scope says what is known about it.
    pub(crate) fn of(&self, scope: Scope, facts: Facts<'_>, now: Moment) -> Arc<Gate> {
        let mut registry = self.lock();
        let gate = match registry.gates.get(&scope) {
            Some(gate) => Arc::clone(gate),
            None => {
                registry.sweep(now);
                let gate = Arc::new(Gate::new(scope.clone(), facts));
                registry.gates.insert(scope, Arc::clone(&gate));
                gate
            }
        };
        registry.last = Some(Arc::clone(&gate));
        gate
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Registry> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Registry {
    const FEW: usize = 1_024;

    /// Forgets the gates that nobody holds and that remember nothing, whenever their number has
    /// doubled: so the cost per call stays flat.
    fn sweep(&mut self, now: Moment) {
        if self.gates.len() < self.sweep_at.max(Self::FEW) {
            return;
        }
        self.last = None;
        self.gates
            .retain(|_, gate| Arc::strong_count(gate) > 1 || !gate.lock().is_idle(now));
        self.sweep_at = self.gates.len() * 2;
    }
}

fn status(gate: &Gate, now: Moment) -> GateStatus {
    let mut state = gate.lock();
    let spent = state.allowance.spent(now);
    let shut = state.cooldown.shut(now);
    GateStatus {
        scope: gate.scope().clone(),
        shut_for: shut.map(|shut| shut.until - now),
        shut_by: shut.map(|shut| shut.decided_by.to_string()),
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
