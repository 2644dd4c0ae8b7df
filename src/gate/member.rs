//! The member that a gate has in a fleet, and what the member can do with the gate.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::core::{GateConfig, Outcome};
use super::gate::Gate;
use crate::fleet::ledger::{QuotaUnit, Window};
use crate::fleet::{
    CallEnding, CloseReason, Fleet, GateHandle, GateSide, GrantId, Joining, Member,
};

impl Gate {
    /// Joins a fleet, unless it has done so.
    #[cold]
    pub(crate) fn join(self: &Arc<Self>, fleet: &dyn Fleet, config: GateConfig<'_>, policy: &str) {
        self.member.get_or_init(|| {
            let gate: Arc<dyn GateSide> = Arc::clone(self) as _;
            let parent = self.scope().parent();
            fleet.join(Joining {
                name: self.scope().name(policy),
                scope: self.scope(),
                parent: parent.map(|scope| scope.name(policy)),
                windows: &config.windows(),
                gate: GateHandle::new(Arc::downgrade(&gate)),
            })
        });
    }

    pub(crate) fn member(&self) -> Option<&dyn Member> {
        self.member.get().map(AsRef::as_ref)
    }

    /// Opens the gate, and the scope for the processes of its fleet.
    pub(super) fn reopen_for_all(&self) {
        if let Some(member) = self.member() {
            member.on_reopen();
        }
        self.reopen();
    }

    /// How often the member has woken the gate.
    pub(super) fn wakes(&self) -> u32 {
        self.wakes.load(Ordering::Acquire)
    }
}

impl GateConfig<'_> {
    /// The declared limits, as a fleet counts them.
    fn windows(&self) -> Vec<Window> {
        let quotas = self.quotas.iter().map(|quota| (quota, false));
        let plans = self.plans.iter().map(|quota| (quota, true));
        let windows = quotas.chain(plans).map(|(quota, is_plan)| Window {
            unit: match quota.window() {
                None => QuotaUnit::InFlight,
                Some(_) if quota.is_per_call() => QuotaUnit::Calls,
                Some(_) => QuotaUnit::Cost,
            },
            limit: quota.limit(),
            length: quota.window().unwrap_or_default(),
            slack: quota.slack_time(),
            is_plan,
        });
        windows.collect()
    }
}

impl GateSide for Gate {
    fn wake(&self) {
        self.wakes.fetch_add(1, Ordering::AcqRel);
        let mut gate = self.lock();
        gate.core.fleet_wait.wake();
        let wake = gate.wake_first();
        drop(gate);
        wake.wake();
    }

    fn reopen(&self) {
        let wake = self.lock().reopen();
        wake.wake();
    }

    fn waiting(&self) -> usize {
        self.lock().waiters.len()
    }

    fn in_flight(&self) -> u32 {
        self.lock().core.in_flight()
    }

    fn set_led_by_fleet(&self, leads: bool) {
        let mut gate = self.lock();
        gate.core.set_led_by_fleet(leads);
        let wake = gate.wake_first();
        drop(gate);
        wake.wake();
    }
}

/// Tells the member that the body of a response has ended.
pub(super) fn tell_body_end(gate: &Gate, grant: Option<GrantId>) {
    if let (Some(grant), Some(member)) = (grant, gate.member()) {
        member.on_body_end(grant);
    }
}

/// Tells the member that a response has closed the gate.
pub(super) fn tell_close(gate: &Gate, closed_for: Duration, refused: bool) {
    if let Some(member) = gate.member() {
        let reason = match refused {
            true => CloseReason::Refusal,
            false => CloseReason::QuotaSpent,
        };
        member.on_close(closed_for, reason);
    }
}

impl From<Outcome> for CallEnding {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Ok => Self::Served,
            Outcome::RateLimited => Self::Refused,
            Outcome::Cancelled => Self::Dropped,
            Outcome::RateLimitedElsewhere
            | Outcome::Unavailable
            | Outcome::ServerError
            | Outcome::UnavailableAccepted
            | Outcome::Unconcerned => Self::Failed,
        }
    }
}
