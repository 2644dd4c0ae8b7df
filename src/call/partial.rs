//! Permits at the gates of partial quotas, which count only some calls of a scope.

use std::borrow::Cow;
use std::task::{Context, Poll, ready};

use crate::config::Settings;
use crate::gate::{AcquireRequest, Completion, Gate, Outcome, Permit, Reason, Rejected};
use crate::hint::{Remaining, remaining_of};
use crate::policy::{Attempt, RequestHead, Ruling, Verdict};
use crate::retry::Cost;
use crate::scope::Scope;
use crate::time::{Clock, Moment, Timer};

/// What is left of what has this name: as the policy has read it, else as any server says it.
fn named_counter(name: &str, verdict: &Verdict, attempt: &Attempt<'_>) -> Option<Remaining> {
    let by_policy = verdict.named_counter(name);
    let generic = || remaining_of(name, attempt.headers()?, || attempt.received(), &[]);
    by_policy.or_else(generic)
}

/// The permits of one call: hardly ever more than one.
#[derive(Default)]
pub(super) struct PartialPermits {
    permits: Box<[PartialPermit]>,
    /// A named cost of the call that no quota counts.
    unknown_cost: Option<&'static str>,
}

struct PartialPermit {
    /// Which of the policy's partial quotas it belongs to.
    index: usize,
    permit: Permit,
}

impl PartialPermits {
    /// Those that a call of this cost needs, if any.
    #[inline]
    pub(super) fn of(
        request: &RequestHead<'_>,
        gate: &Gate,
        cost: Option<Cost>,
        settings: &Settings,
    ) -> Option<Self> {
        let is_plain = cost.as_ref().is_none_or(Cost::is_plain);
        if is_plain && settings.policy.partial_quotas(request).is_empty() {
            return None;
        }
        Self::find(request, gate, cost.unwrap_or_default(), settings)
    }

    #[inline(never)]
    fn find(
        request: &RequestHead<'_>,
        gate: &Gate,
        cost: Cost,
        settings: &Settings,
    ) -> Option<Self> {
        let quotas = settings.policy.partial_quotas(request);
        let concerned = quotas.iter().enumerate().filter_map(|(index, quota)| {
            let cost = quota.cost_of(request.method(), cost)?;
            let gate = settings.partial_gate(gate.scope(), quota)?;
            let permit = Permit::new(gate, cost);
            Some(PartialPermit { index, permit })
        });
        let permits: Box<[_]> = concerned.collect();
        let is_counted = |name| quotas.iter().any(|quota| quota.cost_name() == Some(name));
        let mut names = cost.named().map(|(name, _)| name);
        let unknown_cost = names.find(|name| !is_counted(name));
        (!permits.is_empty() || unknown_cost.is_some()).then_some(Self {
            permits,
            unknown_cost,
        })
    }

    fn permits(&mut self) -> impl Iterator<Item = &mut Permit> {
        self.permits.iter_mut().map(|partial| &mut partial.permit)
    }

    /// The gates that the call concerns.
    pub(super) fn gates(&self) -> impl Iterator<Item = &Gate> {
        self.permits.iter().map(|partial| &**partial.permit.gate())
    }

    /// Whether one of them has not admitted the call yet.
    pub(super) fn is_awaited(&mut self) -> bool {
        self.permits().any(|permit| !permit.is_admitted())
    }

    /// Waits until all have admitted the call, or one rejects it.
    pub(super) fn poll_acquire(
        &mut self,
        needs: AcquireRequest,
        clock: &Clock,
        timer: &mut Option<Timer>,
        cx: &mut Context<'_>,
        gate: &Gate,
    ) -> Poll<Result<(), (Rejected, Scope)>> {
        if let Some(name) = self.unknown_cost {
            return Poll::Ready(Err((Rejected::UnknownCost(name), gate.scope().clone())));
        }
        for permit in self.permits().filter(|permit| !permit.is_admitted()) {
            let needs = AcquireRequest {
                cost: permit.cost(),
                ..needs
            };
            if let Err(why) = ready!(permit.poll_acquire(needs, clock, timer, cx)) {
                return Poll::Ready(Err((why, permit.gate().scope().clone())));
            }
        }
        Poll::Ready(Ok(()))
    }

    /// What the call has waited for at one of them, in words.
    pub(super) fn take_wait_reason(&mut self) -> Option<(Reason, Cow<'static, str>)> {
        self.permits().find_map(Permit::take_wait_reason)
    }

    /// Whether all admissions are still valid: the call is sent now.
    pub(super) fn commit(&mut self, now: Moment) -> bool {
        self.permits().all(|permit| permit.commit(now))
    }

    /// Takes back that the call is sent.
    pub(super) fn abort(&mut self) {
        self.permits().for_each(Permit::abort);
    }

    /// Leaves the queues, and gives back what the call holds.
    pub(super) fn release(&mut self) {
        self.permits().for_each(Permit::release);
    }

    /// Notes how the call ended: what does not count gives its slot back, and a cost becomes what it truly was.
    pub(super) fn complete(
        &mut self,
        attempt: &Attempt<'_>,
        verdict: &Verdict,
        settings: &Settings,
        received_at: Moment,
    ) {
        let request = attempt.request();
        let quotas = settings.policy.partial_quotas(&request);
        // A refusal or a failure may have counted nothing, so that its silence says nothing of what is left.
        let outcome = match verdict.ruling() {
            Ruling::Accept => Outcome::Ok,
            _ => Outcome::Unconcerned,
        };
        // What another address answers says nothing of this scope.
        let is_own = attempt.answered_by().is_none();
        for PartialPermit { index, permit } in &mut self.permits {
            let Some(quota) = quotas.get(*index) else {
                continue;
            };
            let counter = quota
                .cost_name()
                .filter(|_| is_own)
                .and_then(|name| named_counter(name, verdict, attempt));
            let completion = Completion {
                cost: quota.true_cost(attempt.status().filter(|_| is_own), verdict.cost()),
                counter,
                max_reset: settings.max_wait(true),
                ..Completion::plain(outcome)
            };
            permit.complete(completion, received_at);
        }
    }
}
