//! What keeps the next call of a gate from being sent.

use crate::time::Moment;

/// Until when the next call is kept, as far as is known, and by what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Blocked {
    pub(crate) until: Moment,
    pub(crate) reason: Reason,
}

impl Blocked {
    /// `None` if that moment has come.
    #[inline]
    pub(super) fn until(until: Moment, reason: Reason, now: Moment) -> Option<Self> {
        (until > now).then_some(Self { until, reason })
    }
}

/// What keeps a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Reason {
    /// Calls that arrived before it.
    #[default]
    CallersAhead,
    /// A response that closed the gate.
    Closing,
    DeclaredQuota,
    ServerQuota,
    /// The interval between the calls of a paced quota.
    Pacing,
    /// As many calls are in flight as may be.
    ConcurrencyLimit,
    /// After a refusal, one call first and then more with each that is served.
    SlowStart,
    /// A window was seen to hold no more calls.
    LearnedWindow,
    CircuitBreaker,
    /// The member of a fleet has named a moment.
    Fleet,
    /// The member of a fleet does not know yet.
    FleetReply,
}

impl Reason {
    /// Whether no call is admitted before the moment, whatever the others do meanwhile.
    pub(crate) fn is_certain(self) -> bool {
        !matches!(
            self,
            Self::CallersAhead
                | Self::ConcurrencyLimit
                | Self::SlowStart
                | Self::LearnedWindow
                | Self::FleetReply
        )
    }

    /// Says it in words. A closing is described by the header that asked for it.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::CallersAhead => "the callers ahead",
            Self::Closing => "a refusal",
            Self::DeclaredQuota => "the declared quota",
            Self::ServerQuota => "the published quota",
            Self::Pacing => "the pace of the quota",
            Self::ConcurrencyLimit => "the calls at once",
            Self::SlowStart => "the slow start after a refusal",
            Self::LearnedWindow => "a learned limit",
            Self::CircuitBreaker => "an outage",
            Self::Fleet | Self::FleetReply => "the fleet",
        }
    }
}
