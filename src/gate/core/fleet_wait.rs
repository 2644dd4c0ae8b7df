//! What a fleet makes the calls of a gate wait for. It is a state beside the cooldown, and never a closing.

use std::time::Duration;

use super::blocked::{Blocked, Reason};
use crate::time::{Moment, later};

/// What the member of a gate has said last.
#[derive(Clone, Debug, Default)]
pub(crate) struct FleetWait {
    until: Moment,
    /// Whether the member knows the moment, and not only that it is later.
    is_known: bool,
    /// Whether the member knows the limits for all processes.
    pub(super) leads: bool,
}

impl FleetWait {
    /// A member that does not know when is asked again after this, even if it does not wake the gate.
    const LATER: Duration = Duration::from_secs(1);
    /// And one that says *now* for a call that it has not granted.
    const SHORTEST: Duration = Duration::from_millis(1);

    /// Notes that no call is granted for this long, or until the member wakes the gate.
    /// If it has done so already, that holds for a moment only.
    pub(crate) fn wait(&mut self, wait: Option<Duration>, was_woken: bool, now: Moment) {
        self.is_known = wait.is_some();
        let wait = wait.filter(|_| !was_woken).unwrap_or(match was_woken {
            true => Self::SHORTEST,
            false => Self::LATER,
        });
        self.until = later(now, wait.max(Self::SHORTEST));
    }

    /// Notes that the member has to be asked again.
    pub(crate) fn wake(&mut self) {
        self.until = Moment::START;
    }

    pub(super) fn blocked(&self, now: Moment) -> Option<Blocked> {
        let reason = match self.is_known {
            true => Reason::Fleet,
            false => Reason::FleetReply,
        };
        Blocked::until(self.until, reason, now)
    }
}
