//! What the member of a fleet grants to a call, and what it is told of it.

use super::{Permit, Stage};
use crate::fleet::{CallOutcome, Grant, PublishedCounter};
use crate::gate::core::Completion;
use crate::time::Moment;

impl Permit {
    /// Asks the member for a call that its gate has just admitted, and that is sent at once.
    /// If it is not granted, the admission is taken back, and the call waits.
    #[inline]
    pub(crate) fn is_granted_at_once(&mut self, now: Moment) -> bool {
        let is_granted = self.ask_member(now);
        if !is_granted {
            self.retract();
        }
        is_granted
    }

    /// Asks the member for a call whose turn it is. If it is not granted, the gate knows then until when.
    pub(in crate::gate) fn ask_member(&mut self, now: Moment) -> bool {
        let Some(member) = self.gate.member() else {
            return true;
        };
        let wakes = self.gate.wakes();
        let wait = match member.admit(self.cost) {
            Grant::Now(grant) => {
                self.grant = Some(grant);
                return true;
            }
            Grant::At(wait) => Some(wait),
            Grant::Later => None,
        };
        let mut gate = self.gate.lock();
        // The member may have changed its mind since.
        let was_woken = self.gate.wakes() != wakes;
        gate.core.fleet_wait.wait(wait, was_woken, now);
        false
    }

    /// Gives back what was granted to a call that is not sent.
    pub(super) fn return_grant(&mut self) {
        if let Some(grant) = self.grant.take() {
            if let Some(member) = self.gate.member() {
                member.on_return(grant);
            }
        }
    }

    /// Tells the member that a call is sent later than it was granted.
    pub(super) fn tell_late_send(&self) {
        if let (Some(grant), Some(member)) = (self.grant, self.gate.member()) {
            member.on_late_send(grant);
        }
    }

    /// Tells the member how a call ended that was sent.
    #[inline]
    pub(super) fn tell_outcome(&mut self, completion: Completion) {
        if let Some(member) = self.gate.member() {
            let outcome = CallOutcome {
                ending: completion.outcome.into(),
                cost: completion.cost.unwrap_or(self.cost),
                counter: completion.counter.map(|counter| PublishedCounter {
                    limit: counter.limit,
                    remaining: counter.remaining,
                    resets_in: counter.resets_in.map(|wait| wait.min(completion.max_reset)),
                }),
            };
            member.on_outcome(self.grant, &outcome);
        }
        if self.stage != Stage::Holding {
            self.grant = None;
        }
    }
}
