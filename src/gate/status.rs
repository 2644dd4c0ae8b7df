//! What a gate is doing, for its users to see.

use std::time::Duration;

use super::core::{LearnedLimit, QuotaUsage};
use super::gate::Gate;
use crate::scope::Scope;
use crate::time::Moment;

/// What one gate is doing; see [`Gates::snapshot`](crate::Gates::snapshot).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GateStatus {
    /// Whose gate it is.
    pub scope: Scope,
    /// For how long the next call is kept, as far as is known.
    /// A response has said so, a quota is spent, the server is out, or the gate reopens slowly. `None` if it is open,
    /// or if that depends on calls that are on their way.
    pub closed_for: Option<Duration>,
    /// What keeps the next call: the name of a header, a rule, or which quota. `None` if it is open.
    pub closed_by: Option<String>,
    /// How many calls wait at it.
    pub waiting: usize,
    /// How many calls are on their way.
    pub in_flight: u32,
    /// What is spent of its quotas, the declared and the published ones.
    pub quotas: Vec<QuotaUsage>,
    /// What was learned of its limiter from refusals, if anything was.
    pub learned: Option<LearnedLimit>,
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
            learned: guarded.core.learned(),
        }
    }
}
