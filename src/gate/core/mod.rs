//! All that one gate knows and decides, told the time: no clock, no waker, no lock.
//!
//! A call takes the path [`admit`](Core::admit), [`commit`](Core::commit) if it was not sent at once, and then
//! [`complete`](Core::complete), or [`abort`](Core::abort) if it was never sent. A response may
//! [`close`](Core::close) the gate; a user may [`reopen`](Core::reopen) it.
//! [`blocked`](Core::blocked) says until when the next call is kept, and by what.

mod admission;
mod blocked;
mod breaker;
mod closing;
mod completion;
mod concurrency;
mod cooldown;
mod declared_end;
mod estimate;
mod fleet_wait;
mod learning;
mod limits;
mod pacer;
mod quota;
mod window;
#[cfg(feature = "serde")]
mod written_quota;

pub use estimate::Estimate;
pub use learning::LearnedLimit;
pub use quota::{Quota, QuotaUsage};

pub(crate) use admission::{
    AcquireRequest, Admission, Admitted, Completion, Deadlines, GateConfig, Need, Outcome, Rejected,
};
pub(crate) use blocked::{Blocked, Reason};
pub(crate) use breaker::{BreakerState, PathHash};
pub(crate) use closing::Closed;
pub(crate) use cooldown::{ClosedUntil, Closing, OpensAt, ProvisionalId, Wait};
pub(crate) use learning::Ticket;
pub(crate) use window::LowWindow;

use std::borrow::Cow;
use std::time::Duration;

use self::breaker::{Breaker, RefusedPaths, SheddingPaths};
use self::cooldown::Cooldown;
use self::declared_end::DeclaredEnd;
use self::fleet_wait::FleetWait;
use self::learning::Learner;
use self::limits::Limits;
use crate::retry::{Budget, PaidRetry, RetryLedger};
use crate::time::Moment;

/// The state of one gate.
/// Fields that every call touches come first: less memory is shared between threads.
#[derive(Clone, Debug)]
#[repr(C)]
pub(crate) struct Core {
    in_flight: u32,
    /// What the calls in flight cost, if published counters count that.
    cost_in_flight: Option<u32>,
    breaker: Breaker,
    /// When the youngest of the served calls was sent.
    youngest_served: Moment,
    last_served: Moment,
    cooldown: Cooldown,
    budget: RetryLedger,
    limits: Limits,
    declared_end: DeclaredEnd,
    learner: Learner,
    refused_paths: RefusedPaths,
    shedding_paths: SheddingPaths,
    pub(crate) fleet_wait: FleetWait,
}

/// A response that overtook a call sent this much later may describe a window that is over.
/// A measurement: no server of the simulations answers so late without a fault.
const STALE: Duration = Duration::from_millis(500);

impl Core {
    pub(crate) fn new(config: GateConfig<'_>) -> Self {
        Self {
            in_flight: 0,
            cost_in_flight: config.counts_costs.then_some(0),
            breaker: Breaker::with(config.circuit_breaker),
            youngest_served: Moment::START,
            last_served: Moment::START,
            cooldown: Cooldown::default(),
            budget: RetryLedger::default(),
            learner: match config.counts_costs {
                true => Learner::counting_costs(config.declared_rate()),
                false => Learner::new(config.cold_start, config.declared_rate()),
            },
            limits: Limits::of(config),
            declared_end: DeclaredEnd::default(),
            refused_paths: RefusedPaths::default(),
            shedding_paths: SheddingPaths::default(),
            fleet_wait: FleetWait::default(),
        }
    }

    /// Until when a call is kept, as far as is known, and by what. `None` if it may go now.
    pub(crate) fn blocked(&mut self, need: impl Into<Need>, now: Moment) -> Option<Blocked> {
        self.blocks(need.into(), now)
            .max_by_key(|blocked| blocked.until)
    }

    /// The same, counting only what other calls cannot shorten.
    pub(crate) fn certainly_blocked(&mut self, need: Need, now: Moment) -> Option<Blocked> {
        let certain = self
            .blocks(need, now)
            .filter(|blocked| blocked.reason.is_certain());
        certain.max_by_key(|blocked| blocked.until)
    }

    /// All that keeps a call: a closing, or else whatever limits it.
    fn blocks(&mut self, need: Need, now: Moment) -> impl Iterator<Item = Blocked> {
        let closed = self.cooldown.closed(now).map(|closed| closed.until);
        let by_closing = closed.map(|until| Blocked {
            until,
            reason: Reason::Closing,
        });
        let others = closed.is_none().then(|| {
            let by_breaker = Blocked::until(self.breaker.next(now), Reason::CircuitBreaker, now);
            let learned = self.learned_blocked(need.cost, now);
            let by_limits = self.limits.blocked(need, now);
            let by_fleet = self.fleet_wait.blocked(now);
            by_limits.chain(by_breaker).chain(learned).chain(by_fleet)
        });
        by_closing.into_iter().chain(others.into_iter().flatten())
    }

    /// Whether [`blocked`](Self::blocked) would say `None`, told quickly.
    /// It may say no where that is not so.
    #[inline]
    fn is_open(&mut self, need: Need, now: Moment) -> bool {
        self.cooldown.closed(now).is_none()
            && self
                .learner
                .is_open(self.weight(need.cost), self.load(), now)
            && self.breaker.is_calm()
            && self.limits.has_slot(need, now)
    }

    /// Whether a call of this cost can ever be admitted. If not, returns the most that one may cost.
    pub(crate) fn check_cost(&self, cost: u32) -> Result<(), u32> {
        self.limits.check_cost(cost)?;
        let published = self
            .cost_in_flight
            .and_then(|_| self.learner.published_limit());
        published.filter(|limit| cost > *limit).map_or(Ok(()), Err)
    }

    /// Says what a reason means, for a report. A closing is described by the header that asked for it.
    pub(crate) fn describe(&self, reason: Reason) -> Cow<'static, str> {
        match reason {
            Reason::Closing => self.cooldown.last_decided_by(),
            Reason::LearnedWindow => match self.learner.learned() {
                Some(learned) => format!("{}, {learned}", reason.text()).into(),
                None => reason.text().into(),
            },
            reason => reason.text().into(),
        }
    }

    /// Admits a call if nothing keeps it.
    #[inline]
    pub(crate) fn admit(
        &mut self,
        need: impl Into<Need>,
        waiting: usize,
        now: Moment,
    ) -> Result<Admitted, Blocked> {
        let need = need.into();
        if !self.is_open(need, now) {
            if let Some(blocked) = self.blocked(need, now) {
                return Err(blocked);
            }
        }
        self.breaker.on_admit(now);
        Ok(self.admit_past_breaker(need.cost, waiting, now))
    }

    /// Admits a call that [`may_probe`](Self::may_probe) past an open circuit breaker.
    pub(crate) fn admit_probe(&mut self, cost: u32, now: Moment) -> Admitted {
        self.breaker.probe_at_once(now);
        self.admit_past_breaker(cost, 0, now)
    }

    /// Whether a call may pass an open circuit breaker, because its path has not failed and nothing else keeps it.
    pub(crate) fn may_probe(&mut self, request: AcquireRequest, now: Moment) -> bool {
        self.breaker.is_probe_at_once(request.path, now)
            && now <= request.deadlines.latest
            && self.cooldown.closed(now).is_none()
            && self.limits.blocked(request.need(), now).next().is_none()
            && self.learned_blocked(request.cost, now).is_none()
            && self.fleet_wait.blocked(now).is_none()
    }

    #[inline]
    fn admit_past_breaker(&mut self, cost: u32, waiting: usize, now: Moment) -> Admitted {
        let ticket = self
            .learner
            .on_admit(self.weight(cost), self.load(), waiting, now);
        self.in_flight += 1;
        if let Some(in_flight) = &mut self.cost_in_flight {
            *in_flight = in_flight.saturating_add(cost);
        }
        self.limits.charge(cost, now);
        Admitted {
            generation: self.cooldown.generation(),
            cost,
            sent: now,
            ticket,
        }
    }

    /// Notes that a call just admitted is sent at once.
    #[inline]
    pub(crate) fn on_send(&mut self, cost: u32, now: Moment) {
        self.limits.on_send(cost, now);
    }

    /// Registers a call admitted by another gate whose response named this one.
    /// If this gate has closed since the call was sent, the call belongs to the generation before.
    pub(crate) fn adopt(&mut self, cost: u32, sent: Moment, now: Moment) -> Admitted {
        self.breaker.on_admit(now);
        let admitted = self.admit_past_breaker(cost, 0, now);
        self.limits.on_send(cost, now);
        Admitted {
            sent,
            generation: self.cooldown.generation_at(sent),
            ..admitted
        }
    }

    /// Says whether an admission is still valid at the time of sending, and dates it anew.
    /// The gate may have closed, or the slots may have expired and been given to others.
    pub(crate) fn commit(&mut self, admitted: Admitted, now: Moment) -> Option<Admitted> {
        // Every closing begins another generation.
        if self.cooldown.generation() != admitted.generation {
            return None;
        }
        if admitted.sent != now {
            if !self.limits.can_still_send(admitted, now) {
                return None;
            }
            self.limits.on_late_send(admitted, now);
            self.breaker.on_late_send(admitted.sent, now);
        }
        self.limits.on_send(admitted.cost, now);
        Some(Admitted {
            sent: now,
            ..admitted
        })
    }

    /// Takes an admitted call back that was never sent.
    pub(crate) fn abort(&mut self, admitted: Admitted) {
        self.limits.abort(admitted);
        self.breaker.on_cancel(admitted.sent);
        let weight = self.weight(admitted.cost);
        self.learner
            .on_abort(weight, admitted.ticket, admitted.sent);
        self.land(admitted);
    }

    /// What was learned that keeps a call, unless a fleet knows the limits for all processes.
    fn learned_blocked(&mut self, cost: u32, now: Moment) -> Option<Blocked> {
        let learned = self.learner.blocked(self.weight(cost), self.load(), now);
        learned.filter(|_| !self.fleet_wait.leads)
    }

    /// Sets whether the member of a fleet knows the limits for all processes.
    pub(crate) fn set_led_by_fleet(&mut self, leads: bool) {
        self.fleet_wait.leads = leads;
    }

    /// How much a call takes of what the server publishes.
    #[inline]
    fn weight(&self, cost: u32) -> u32 {
        match self.cost_in_flight {
            Some(_) => cost,
            None => cost.min(1),
        }
    }

    /// What is in flight, as published counters count it.
    #[inline]
    fn load(&self) -> u32 {
        self.cost_in_flight.unwrap_or(self.in_flight)
    }

    /// Notes that a call is no longer in flight.
    #[inline]
    fn land(&mut self, admitted: Admitted) {
        self.in_flight = self.in_flight.saturating_sub(1);
        if let Some(in_flight) = &mut self.cost_in_flight {
            *in_flight = in_flight.saturating_sub(admitted.cost);
        }
    }

    /// Frees the slot that an answered call held among the concurrent ones.
    pub(crate) fn release_concurrency(&mut self) {
        self.limits.release_concurrency();
    }

    /// Whether a call holds a slot among the concurrent ones until the body of its response has ended.
    #[inline]
    pub(crate) fn limits_concurrency(&self) -> bool {
        self.limits.limits_concurrency()
    }

    /// Whether calls that were sent much later have been served already.
    /// Then this response says what was left before.
    pub(crate) fn is_stale(&self, admitted: Admitted) -> bool {
        admitted.sent + STALE < self.youngest_served
    }

    /// What the circuit breaker makes a retry wait for, if the whole scope seems to be out.
    pub(crate) fn breaker_state(&self, now: Moment) -> Option<BreakerState> {
        self.breaker.suspicion(now)
    }

    /// Whether a call to this path lets the others go first, because it failed or was refused each time.
    pub(crate) fn should_yield(&mut self, path: PathHash, now: Moment) -> bool {
        self.breaker.should_yield(path, now)
            || self.cooldown.closed(now).is_none() && self.refused_paths.should_yield(path)
    }

    /// Whether a bare 503 that this path answers now is a refusal by a limit: it is served meanwhile.
    pub(crate) fn is_shedding(&self, path: PathHash, now: Moment) -> bool {
        self.shedding_paths.is_limit(path, now)
    }

    /// Whether an outage is certain, so that calls wait with the patience for failures.
    pub(crate) fn is_out(&self, now: Moment) -> bool {
        self.breaker.is_sure(now)
    }

    /// Whether the path of a served call has to be told to [`complete`](Self::complete).
    #[inline]
    pub(crate) fn watches_paths(&self) -> bool {
        !self.refused_paths.is_empty() || !self.shedding_paths.is_empty()
    }

    /// Notes that a call begins, for the retry budget.
    #[inline]
    pub(crate) fn on_call(&mut self, now: Moment) {
        self.budget.on_call(now);
    }

    /// Pays for a retry out of the budget of the scope.
    pub(crate) fn pay_for_retry(&mut self, budget: Budget, now: Moment) -> Option<PaidRetry> {
        self.budget.pay(budget, now)
    }

    pub(crate) fn refund(&mut self, paid: PaidRetry) {
        self.budget.refund(paid);
    }

    /// What was learned of the limiter, if anything was.
    pub(crate) fn learned(&self) -> Option<LearnedLimit> {
        self.learner.learned()
    }

    pub(crate) fn in_flight(&self) -> u32 {
        self.in_flight
    }

    /// What is spent of each quota.
    pub(crate) fn usage(&mut self, now: Moment) -> Vec<QuotaUsage> {
        let published = self.learner.published(self.load(), now);
        let published = published.map(|(used, limit)| QuotaUsage {
            used,
            limit,
            window: None,
        });
        let mut usage = self.limits.usage(now);
        usage.extend(published);
        usage
    }

    /// Whether a call that was sent after this moment has been served.
    pub(crate) fn was_used_after(&self, moment: Moment) -> bool {
        self.youngest_served > moment
    }

    /// Whether the gate can be forgotten.
    /// No call is in flight, and nothing is remembered that still counts.
    pub(crate) fn is_idle(&mut self, now: Moment) -> bool {
        self.in_flight == 0
            && self.cooldown.is_idle(now)
            && self.limits.is_unused(now)
            && self.learner.is_idle(now)
            && self.breaker.next(now) <= now
    }
}

#[cfg(all(test, not(model)))]
mod tests;
