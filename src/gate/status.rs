//! What a gate is doing, for its users to see.

use std::time::Duration;

use super::core::QuotaUsage;
use super::gate::Gate;
use crate::scope::Scope;
use crate::time::Moment;

/// The state of one gate; see [`Gates::snapshot`](crate::Gates::snapshot).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GateStatus {
    /// The scope of the gate.
    pub scope: Scope,
    /// How long the next call has to wait, as far as is known.
    ///
    /// It waits because a response said so, a quota is used up, the circuit breaker is open, or the gate reopens
    /// slowly. `None` if the gate is open, or if the wait depends on calls in flight.
    pub closed_for: Option<Duration>,
    /// What the next call waits for: a header, a rule, or a quota. `None` if the gate is open.
    pub closed_by: Option<String>,
    /// How many calls wait at the gate.
    pub waiting: usize,
    /// How many calls are in flight.
    pub in_flight: u32,
    /// The usage of the quotas, declared and published ones.
    pub quotas: Vec<QuotaUsage>,
}

impl GateStatus {
    pub(super) fn of(gate: &Gate, now: Moment) -> Self {
        let mut guarded = gate.lock();
        let cost = guarded.waiters.first_cost().max(1);
        let blocked = guarded.core.blocked(cost, now);
        let known = blocked.filter(|blocked| blocked.until < Moment::FAR);
        Self {
            scope: gate.scope().clone(),
            closed_for: known.map(|blocked| blocked.until - now),
            closed_by: blocked.map(|blocked| guarded.core.describe(blocked.reason).into_owned()),
            waiting: guarded.waiters.len(),
            in_flight: guarded.core.in_flight(),
            quotas: guarded.core.usage(now),
        }
    }
}
