//! Sharing one quota between processes: a member of a fleet grants each call before it is sent.
//!
//! The gates of one process decide alone, and without a fleet there is no cost. With one, each gate has a [`Member`],
//! which is asked once the gate itself would admit the call. It replies at once; what it needs to know from other
//! processes it learns meanwhile, for many calls together.

#[cfg(feature = "file")]
pub mod file;
mod handle;
pub mod ledger;
#[cfg(not(all(target_family = "wasm", target_os = "unknown")))]
mod member;

use std::num::NonZeroU64;
use std::time::Duration;

pub use handle::GateHandle;
#[cfg(not(all(target_family = "wasm", target_os = "unknown")))]
pub use member::{Away, LedgerFleet, MemberStatus};

pub use crate::scope::ScopeName;

pub(crate) use handle::GateSide;

use self::ledger::Window;
use crate::scope::Scope;

/// Processes that share quotas: each gate of this process joins it.
///
/// ```
/// use std::num::NonZeroU64;
/// use std::sync::Mutex;
/// use std::time::{Duration, Instant};
/// use tower_backoff::fleet::{CallOutcome, CloseReason, Fleet, Grant, GrantId, Joining, Member};
/// use tower_backoff::{RetryLayer, providers};
///
/// /// Shares one thing only: until when a scope is closed. Here between the gates of one process; a real fleet
/// /// learns of it from other processes, and then wakes the gate.
/// struct SharedCooldown;
///
/// #[derive(Default)]
/// struct Cooldown(Mutex<Option<Instant>>);
///
/// impl Fleet for SharedCooldown {
///     fn join(&self, _joining: Joining<'_>) -> Box<dyn Member> {
///         Box::new(Cooldown::default())
///     }
/// }
///
/// impl Member for Cooldown {
///     fn admit(&self, _cost: u32) -> Grant {
///         let closed_until = *self.0.lock().unwrap();
///         let wait = closed_until.map(|until| until.saturating_duration_since(Instant::now()));
///         match wait.filter(|wait| !wait.is_zero()) {
///             Some(wait) => Grant::At(wait),
///             None => Grant::Now(GrantId::new(NonZeroU64::MIN)),
///         }
///     }
///
///     fn on_return(&self, _grant: GrantId) {}
///
///     fn on_outcome(&self, _grant: Option<GrantId>, _outcome: &CallOutcome) {}
///
///     fn on_close(&self, closed_for: Duration, _reason: CloseReason) {
///         *self.0.lock().unwrap() = Some(Instant::now() + closed_for);
///     }
/// }
///
/// let layer = RetryLayer::new(providers::lemlist()).fleet(SharedCooldown);
/// # let _ = layer;
/// ```
pub trait Fleet: Send + Sync {
    /// Makes the member of one gate, when its first call comes. It is dropped with the gate.
    ///
    /// A scope, each bucket of it that a server names, and each partial quota have gates of their own.
    fn join(&self, joining: Joining<'_>) -> Box<dyn Member>;
}

/// What a fleet is told of a gate that joins it.
#[derive(Debug)]
#[non_exhaustive]
pub struct Joining<'a> {
    /// The name of the gate, the same in all processes that [have the secret](Scope::hash_with).
    pub name: ScopeName,
    /// Whose gate it is, for logs alone.
    pub scope: &'a Scope,
    /// Of the gate of a bucket or a partial quota: the name of its scope.
    pub parent: Option<ScopeName>,
    /// The limits that are declared for it.
    pub windows: &'a [Window],
    /// The gate itself.
    pub gate: GateHandle,
}

/// The member of a fleet that one gate asks.
///
/// No method is called under a lock of the gate. None may block: they are called while a call is polled.
pub trait Member: Send + Sync {
    /// Whether a call of this cost may be sent. Asked for the first of the calls that wait, and for no other.
    fn admit(&self, cost: u32) -> Grant;

    /// Called when a granted call is put on its way later than it was granted.
    ///
    /// Its client was not ready before. A call of which this is not said is sent when it is granted.
    fn on_late_send(&self, grant: GrantId) {
        let _ = grant;
    }

    /// Called when a granted call is not sent after all.
    fn on_return(&self, grant: GrantId);

    /// Called when a sent call was answered, failed or was dropped.
    ///
    /// There is no grant for a call whose response has named the gate: another gate has sent it.
    fn on_outcome(&self, grant: Option<GrantId>, outcome: &CallOutcome);

    /// Called when the body of the response has ended, if the gate limits the calls in flight.
    fn on_body_end(&self, grant: GrantId) {
        let _ = grant;
    }

    /// Called when the user has opened the gate, whatever has closed it: [`Gates::reopen`](crate::Gates::reopen).
    fn on_reopen(&self) {}

    /// Called when a response has closed the gate.
    fn on_close(&self, closed_for: Duration, reason: CloseReason);
}

/// The reply of a [`Member`] to one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Grant {
    /// The call may be sent.
    Now(GrantId),
    /// No call of this gate may be sent for this long.
    At(Duration),
    /// It is not known yet when. [`GateHandle::wake`] follows; without it the member is asked again after a second.
    Later,
}

/// What a member calls a grant. The gate only carries it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct GrantId(NonZeroU64);

impl GrantId {
    /// Creates the id from a number that the member chooses.
    pub const fn new(number: NonZeroU64) -> Self {
        Self(number)
    }

    /// Returns the number that the member has chosen.
    pub const fn get(self) -> u64 {
        self.0.get()
    }
}

/// What became of a call that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallOutcome {
    /// How it ended.
    pub ending: CallEnding,
    /// What it has cost in truth, as far as its response says so.
    pub cost: u32,
    /// What its response says is left of a published quota.
    pub counter: Option<PublishedCounter>,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CallEnding {
    /// It was served.
    Served,
    /// A limit refused it.
    Refused,
    /// It failed, or its response says nothing about this gate.
    Failed,
    /// Its caller dropped it. The server may have counted it.
    Dropped,
}

/// What a response says is left of a published quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PublishedCounter {
    /// How much there is in all, if it says so.
    pub limit: Option<u32>,
    /// How much is left.
    pub remaining: u32,
    /// When it is filled up again, if it says so.
    pub resets_in: Option<Duration>,
}

/// Why a response has closed a gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CloseReason {
    /// A call was refused.
    Refusal,
    /// A served call has spent the last of a quota.
    QuotaSpent,
}

impl<F: Fleet + ?Sized> Fleet for std::sync::Arc<F> {
    fn join(&self, joining: Joining<'_>) -> Box<dyn Member> {
        (**self).join(joining)
    }
}
