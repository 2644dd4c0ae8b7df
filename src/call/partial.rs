//! Permits at the gates of partial quotas, which count only some calls of a scope.

use std::borrow::Cow;
use std::task::{Context, Poll, ready};

use crate::config::Settings;
use crate::gate::{AcquireRequest, Completion, Gate, Outcome, Permit, Reason, Rejected};
use crate::policy::{Attempt, RequestHead};
use crate::scope::Scope;
use crate::time::{Clock, Moment, Timer};

/// The permits of one call: hardly ever more than one.
#[derive(Default)]
pub(super) struct PartialPermits(Box<[PartialPermit]>);

struct PartialPermit {
    /// Which of the policy's partial quotas it belongs to.
    index: usize,
    permit: Permit,
}

impl PartialPermits {
    /// Those that a call needs, if any.
    #[inline]
    pub(super) fn of(request: &RequestHead<'_>, gate: &Gate, settings: &Settings) -> Option<Self> {
        if settings.policy.partial_quotas(request).is_empty() {
            return None;
        }
        Self::find(request, gate, settings)
    }

    #[inline(never)]
    fn find(request: &RequestHead<'_>, gate: &Gate, settings: &Settings) -> Option<Self> {
        let quotas = settings.policy.partial_quotas(request).iter().enumerate();
        let concerned = quotas.filter(|(_, quota)| quota.concerns(request.method()));
        let permits: Box<[_]> = concerned
            .filter_map(|(index, quota)| {
                let gate = settings.partial_gate(gate.scope(), quota)?;
                let permit = Permit::new(gate, 1);
                Some(PartialPermit { index, permit })
            })
            .collect();
        (!permits.is_empty()).then_some(Self(permits))
    }

    fn permits(&mut self) -> impl Iterator<Item = &mut Permit> {
        self.0.iter_mut().map(|partial| &mut partial.permit)
    }

    /// Waits until all have admitted the call, or one rejects it.
    pub(super) fn poll_acquire(
        &mut self,
        needs: AcquireRequest,
        clock: &Clock,
        timer: &mut Option<Timer>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), (Rejected, Scope)>> {
        let needs = AcquireRequest { cost: 1, ..needs };
        for permit in self.permits().filter(|permit| !permit.is_admitted()) {
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

    /// Notes how the call ended: what does not count gives its slot back.
    pub(super) fn complete(
        &mut self,
        attempt: &Attempt<'_>,
        settings: &Settings,
        received_at: Moment,
    ) {
        let request = attempt.request();
        let quotas = settings.policy.partial_quotas(&request);
        for PartialPermit { index, permit } in &mut self.0 {
            let quota = quotas.get(*index);
            let counts = quota.is_none_or(|quota| quota.counts(attempt.status()));
            let completion = Completion {
                cost: (!counts).then_some(0),
                ..Completion::plain(Outcome::Ok)
            };
            permit.complete(completion, received_at);
        }
    }
}
