//! The records that pass between a gate and the calls at it.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use super::blocked::Reason;
use super::breaker::PathHash;
use super::cooldown::ClosedUntil;
use super::learning::{DeclaredRate, Ticket};
use super::quota::Quota;
use crate::hint::Remaining;
use crate::retry::{CircuitBreaker, Priority};
use crate::time::Moment;

/// What is known about a scope before its first call.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct GateConfig<'a> {
    /// Caps, which no server raises.
    pub(crate) quotas: &'a [Quota],
    /// What the provider's page says, which published counters correct.
    pub(crate) plans: &'a [Quota],
    /// How many calls may be in flight to begin with.
    pub(crate) cold_start: Option<u32>,
    pub(crate) circuit_breaker: CircuitBreaker,
    /// Whether it is the gate of a partial quota, and not of a scope or a bucket.
    pub(crate) is_partial: bool,
    /// Whether published counters count the costs of calls, and not calls.
    pub(crate) counts_costs: bool,
    /// Which part of a quota is little, in percent.
    pub(crate) low_quota: u8,
    /// The layer that asks, told by an address.
    pub(crate) layer: usize,
}

impl GateConfig<'_> {
    /// The longest of the declared windows, and the burst of the one that refills soonest.
    pub(crate) fn declared_rate(&self) -> Option<DeclaredRate> {
        let quotas = || self.quotas.iter().chain(self.plans);
        let windows = quotas().filter_map(|quota| Some((quota.limit(), quota.window()?)));
        let (calls, length) = windows.max_by_key(|(_, length)| *length)?;
        let bursts = quotas().filter_map(Quota::burst_and_refill);
        let (burst, refills_in) = bursts.min_by_key(|(_, refills_in)| *refills_in)?;
        Some(DeclaredRate {
            calls,
            length,
            burst,
            refills_in,
            is_alone: quotas().filter_map(Quota::window).count() == 1,
        })
    }

    /// A hash of the declared quotas, the same within one process.
    pub(crate) fn hash_of_quotas(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.quotas, self.plans).hash(&mut hasher);
        hasher.finish()
    }
}

/// How a call ended, as far as its gate is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Served, or refused for what it asked: the server works.
    Ok,
    /// Refused by a limit, or by a server that names a wait.
    RateLimited,
    /// Refused by a limit that another gate stands for: the server works.
    RateLimitedElsewhere,
    /// No connection, or a status that says that the server is out.
    Unavailable,
    /// A 5xx by which the server shows that it works.
    ServerError,
    /// A status of a server that is out, which the policy takes for an answer.
    UnavailableAccepted,
    /// Answered, and what the answer says is no matter of this gate.
    Unconcerned,
    /// Dropped before it was answered.
    Cancelled,
}

/// What the end of a call tells its gate, besides a wait.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Completion {
    pub(crate) outcome: Outcome,
    /// What was asked for, unless it does not matter.
    pub(crate) path: PathHash,
    pub(crate) counter: Option<Remaining>,
    /// The true cost of the call, if the response says so.
    pub(crate) cost: Option<u32>,
    /// Whether it was answered with a 503 that names no wait: a failure, or a refusal by a limit.
    pub(crate) bare_503: bool,
    /// The reset of a counter is believed for this long and no longer.
    pub(crate) max_reset: Duration,
}

impl Completion {
    /// A served call whose response says what is left, if it does.
    #[inline]
    pub(crate) fn served(counter: Option<Remaining>, max_reset: Duration) -> Self {
        Self {
            counter,
            max_reset,
            ..Self::plain(Outcome::Ok)
        }
    }

    /// An end that tells nothing else.
    pub(crate) const fn plain(outcome: Outcome) -> Self {
        Self {
            outcome,
            path: PathHash::UNKNOWN,
            counter: None,
            cost: None,
            bare_503: false,
            max_reset: Duration::MAX,
        }
    }
}

/// What a call asks of its gate.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AcquireRequest {
    pub(crate) cost: u32,
    pub(crate) priority: Priority,
    pub(crate) path: PathHash,
    pub(crate) deadlines: Deadlines,
    /// Where this many wait already, the call does not wait.
    pub(crate) max_waiting: usize,
}

/// What a call needs of the declared quotas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Need {
    pub(crate) cost: u32,
    /// Whether it may have what is reserved for urgent calls.
    pub(crate) is_urgent: bool,
}

impl Need {
    #[inline]
    pub(crate) fn of(cost: u32, priority: Priority) -> Self {
        Self {
            cost,
            is_urgent: priority == Priority::Urgent,
        }
    }
}

impl From<u32> for Need {
    /// That of a call of normal priority.
    fn from(cost: u32) -> Self {
        Self::of(cost, Priority::Normal)
    }
}

impl AcquireRequest {
    pub(crate) fn need(&self) -> Need {
        Need::of(self.cost, self.priority)
    }
}

/// Until when a call is ready to wait.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadlines {
    pub(crate) latest: Moment,
    /// The same, while the server is out.
    pub(crate) in_an_outage: Moment,
}

/// The record of an admitted call, shown again when it is sent and when it ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Admitted {
    /// The number of closings when it was admitted.
    pub(crate) generation: u16,
    pub(crate) cost: u32,
    /// What the gate remembers of it for learning.
    pub(crate) ticket: Ticket,
    pub(crate) sent: Moment,
}

/// Where a call stands that asked to be admitted.
#[derive(Debug)]
pub(crate) enum Admission {
    Granted(Admitted),
    /// The gate would admit it, but the member of a fleet has to be asked before, outside of the lock.
    AskMember,
    /// It waits, and asks again at this moment if it is not woken before.
    WaitUntil(Moment, Reason),
    /// It waits without a timer, and is woken in its turn.
    Parked(Reason),
    Rejected(Rejected),
}

/// Why a call is neither admitted nor waits.
#[derive(Debug)]
pub(crate) enum Rejected {
    /// The gate opens after the deadline of the call, as far as is known when.
    PastDeadline(Option<ClosedUntil>),
    /// As many calls wait as may.
    QueueFull(Option<ClosedUntil>),
    /// It costs more than the limit, which is all that a quota ever holds.
    CostAboveQuota { cost: u32, limit: u32 },
    /// It has a cost with this name, which no quota counts.
    UnknownCost(&'static str),
    /// There is no timer to wait with.
    NoTimer,
}
