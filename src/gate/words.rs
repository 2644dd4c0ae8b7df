//! What a gate and the calls at it say to each other.

use std::task::Waker;
use std::time::Duration;

use super::blocked::Reason;
use super::cooldown::Shut;
use super::outage::PathHash;
use super::quota::Quota;
use crate::circuit_breaker::CircuitBreaker;
use crate::hint::Counter;
use crate::moment::Moment;

/// Wakers to be called, and others to be dropped, when the lock is free again: both may run code of
/// a user. Usually none or one.
#[must_use = "waiting calls have to be woken"]
#[derive(Debug, Default)]
pub(crate) struct Wake {
    pub(super) first: Option<Waker>,
    pub(super) others: Vec<Waker>,
    pub(super) drop: Option<Waker>,
}

impl Wake {
    /// Others, too.
    pub(super) fn and(mut self, others: Vec<Waker>) -> Self {
        self.others.extend(others);
        self
    }

    /// To be said without the lock.
    #[inline]
    pub(crate) fn now(self) {
        if let Some(first) = self.first {
            first.wake();
        }
        self.others.into_iter().for_each(Waker::wake);
        drop(self.drop);
    }
}

/// What is known about a scope before its first call.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Facts<'a> {
    pub(crate) quotas: &'a [Quota],
    /// Those that published counters correct.
    pub(crate) plans: &'a [Quota],
    /// So many in flight to begin with.
    pub(crate) cold_start: Option<u32>,
    pub(crate) circuit_breaker: CircuitBreaker,
}

/// How a call ended, as far as the gate is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Served, or refused for what it asked: the server works.
    Accepted,
    /// Refused by a limit, or by a server that names a wait.
    Refused,
    /// Refused by a limit that another gate stands for: the server works.
    RefusedElsewhere,
    /// No connection, or a status that says that the server is out.
    Failed,
    /// A 5xx by which the server shows that it works.
    Errored,
    /// A status of a server that is out, which the policy takes for an answer.
    TakenAsAnswer,
    /// Dropped.
    Unknown,
}

/// What the answer of a call tells the gate, besides a wait.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heard {
    pub(crate) ending: Ending,
    /// What was asked for, if it failed.
    pub(crate) path: PathHash,
    pub(crate) counter: Option<Counter>,
    /// What the call has cost in truth, if the answer says so.
    pub(crate) price: Option<u32>,
    /// Whether it was a limit that refused it.
    pub(crate) by_a_limit: bool,
    /// A counter's reset is believed for so long and no longer.
    pub(crate) believed_for: Duration,
}

/// What a call asks of a gate.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asks {
    pub(crate) price: u32,
    pub(crate) path: PathHash,
    pub(crate) patience: Until,
    /// It does not wait behind so many others.
    pub(crate) most_waiting: usize,
}

/// How long a call is ready to wait.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Until {
    pub(crate) latest: Moment,
    /// The same, if the gate is shut because the server is out.
    pub(crate) in_an_outage: Moment,
}

/// What a call that was let through has to show later.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pass {
    /// The number of closings when it was let through.
    pub(crate) epoch: u16,
    /// What it costs, of quotas that count prices.
    pub(super) price: u32,
    /// How much of what was sent before it had been answered when it was sent.
    pub(super) answered_then: u32,
    /// When it was sent.
    pub(super) sent: Moment,
}

/// Where a call stands that asked to pass.
#[derive(Debug)]
pub(crate) enum Standing {
    /// It is through.
    Through(Pass),
    /// It waits, and looks again at this moment if it is not woken before.
    Waits(Moment, Reason),
    /// It waits, and is woken in its turn.
    Sleeps(Reason),
    /// It does not wait, and why.
    Leaves(Leaves),
}

/// Why a call is not let through.
#[derive(Debug)]
pub(crate) enum Leaves {
    /// Its patience does not reach until the gate opens, if it is known when.
    TooLate(Option<Shut>),
    /// So many wait already.
    Crowded(Option<Shut>),
    /// It costs more than this, which is all there ever is.
    TooDear(u32),
    /// There is no timer to wait with.
    NoTimer,
}
