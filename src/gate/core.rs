//! All that one gate knows, under one lock. Every decision is told the time.

mod closing;
mod waiting;

use std::borrow::Cow;
use std::task::Waker;
use std::time::Duration;

use self::closing::Interrupted;
use super::admission::{Admitted, Completion, GateConfig, Outcome, WakeList};
use super::blocked::{Blocked, Reason};
use super::breaker::{Breaker, BreakerState, PathHash};
use super::cooldown::{ClosedUntil, Cooldown};
use super::limits::Limits;
use super::refused_paths::RefusedPaths;
use super::slow_start::SlowStart;
use super::waiters::Waiters;
use crate::retry::{PaidRetry, RetryLedger};
use crate::time::Moment;

/// In the order of how often it is touched: the less memory every call touches, the less two threads wait for each
/// other's.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Core {
    pub(crate) waiters: Waiters,
    in_flight: u32,
    /// The first epoch of this ramp: calls from before belong to another.
    slow_start_generation: u16,
    breaker: Breaker,
    /// When the youngest of the accepted calls was sent.
    youngest: Moment,
    /// When the last of them was answered.
    last_served: Moment,
    /// Since when the first in the queue could have passed.
    due: Option<Moment>,
    pub(crate) cooldown: Cooldown,
    ledger: RetryLedger,
    slow_start: SlowStart,
    pub(crate) limits: Limits,
    /// The price of the first in the queue, once it has asked.
    first_needs: u32,
    /// How many are passed over next time, if nobody comes before.
    stalled_waiters: usize,
    /// The slow start that a closing by a head has interrupted, while that may still be taken back.
    interrupted: Option<Box<Interrupted>>,
    pub(super) refused_paths: RefusedPaths,
}

/// A served answer that overtook a call sent this much later speaks of a window that may be over.
const STALE: Duration = Duration::from_millis(500);

impl Core {
    pub(crate) fn new(config: GateConfig<'_>) -> Self {
        Self {
            in_flight: 0,
            slow_start_generation: 0,
            breaker: Breaker::with(config.circuit_breaker),
            youngest: Moment::START,
            last_served: Moment::START,
            due: None,
            cooldown: Cooldown::default(),
            ledger: RetryLedger::default(),
            slow_start: config
                .cold_start
                .map_or_else(SlowStart::open, SlowStart::cold),
            limits: Limits::of(config),
            waiters: Waiters::default(),
            first_needs: 0,
            stalled_waiters: 1,
            interrupted: None,
            refused_paths: RefusedPaths::default(),
        }
    }

    /// Whether nothing holds anybody back but what is spent.
    #[inline]
    fn is_calm(&self, now: Moment) -> bool {
        self.cooldown.closed(now).is_none()
            && self.slow_start.is_open()
            && self.breaker.is_calm()
            && self.refused_paths.is_empty()
    }

    /// Until when no call passes, whatever the others do meanwhile, and why.
    pub(crate) fn closed_until(&mut self, price: u32, now: Moment) -> Option<ClosedUntil> {
        if let Some(closed) = self.cooldown.closed(now) {
            return Some(closed.clone());
        }
        let all = self.all_blocked(price, now);
        let certain = all.filter(|blocked| blocked.reason.is_certain());
        let last = certain.max_by_key(|blocked| blocked.until)?;
        Some(ClosedUntil {
            until: last.until,
            decided_by: last.reason.text().into(),
        })
    }

    /// Until when a call is kept, as far as can be known now, and by what.
    pub(crate) fn blocked(&mut self, price: u32, now: Moment) -> Option<Blocked> {
        if let Some(closed) = self.cooldown.closed(now) {
            return Blocked::until(closed.until, Reason::Closing, now);
        }
        let all = self.all_blocked(price, now);
        all.max_by_key(|blocked| blocked.until)
    }

    /// The same for the first in the queue, or the next to come.
    pub(crate) fn blocked_next(&mut self, now: Moment) -> Option<Blocked> {
        self.blocked(self.first_needs.max(1), now)
    }

    /// All that keeps a call but a closing.
    fn all_blocked(&mut self, price: u32, now: Moment) -> impl Iterator<Item = Blocked> {
        let by_outage = Blocked::until(self.breaker.next(now), self.breaker.reason(now), now);
        let by_ramp = Blocked::until(self.slow_start.next(now), self.slow_start.reason(), now);
        let by_allowance = self.limits.blocked(price, now);
        by_allowance.chain(by_outage).chain(by_ramp)
    }

    /// What the caller is told of a reason.
    pub(crate) fn describe(&self, reason: Reason) -> Cow<'static, str> {
        match reason {
            Reason::Closing => self.cooldown.last_decided_by(),
            reason => reason.text().into(),
        }
    }

    /// When the next call may pass, as far as can be known now.
    #[inline]
    fn opens(&mut self, price: u32, now: Moment) -> Moment {
        if let Some(closed) = self.cooldown.closed(now) {
            return closed.until;
        }
        self.limits
            .next(price, now)
            .max(self.slow_start.next(now))
            .max(self.breaker.next(now))
    }

    /// Passes if the gate is wide open and nobody waits.
    #[inline]
    pub(crate) fn try_admit_now(&mut self, price: u32, now: Moment) -> Option<Admitted> {
        if !self.waiters.is_empty() {
            return None;
        }
        let calm = self.is_calm(now) && self.limits.has_slot(price, now);
        if !calm && self.opens(price, now) > now {
            return None;
        }
        let admitted = self.admit(price, now);
        self.limits.on_send(price, now);
        Some(admitted)
    }

    #[inline]
    pub(crate) fn admit(&mut self, price: u32, now: Moment) -> Admitted {
        self.breaker.on_admit(now);
        self.admit_past_breaker(price, now)
    }

    fn admit_past_breaker(&mut self, price: u32, now: Moment) -> Admitted {
        self.in_flight += 1;
        self.due = None;
        self.slow_start.on_admit(now);
        let answered_then = self.limits.on_admit(price, now);
        Admitted {
            generation: self.cooldown.generation(),
            price,
            sent: now,
            answered_then,
        }
    }

    /// A call that was sent when another gate let it through turns out to belong here: if this one has shut since, to
    /// an epoch that is over.
    pub(super) fn adopt(&mut self, price: u32, there: Admitted, now: Moment) -> Admitted {
        let admitted = self.admit(price, now);
        self.limits.on_send(price, now);
        let generation = self.cooldown.generation_at(there.sent);
        if !self.is_of_this_slow_start(generation) {
            self.slow_start.on_finish(false, !self.waiters.is_empty());
        }
        Admitted {
            sent: there.sent,
            generation,
            ..admitted
        }
    }

    /// A call that was let through is sent only now, if the gate has stayed open and there is still room for it.
    pub(crate) fn commit(&mut self, admitted: Admitted, now: Moment) -> Option<Admitted> {
        // Every closing begins another epoch.
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
        self.limits.on_send(admitted.price, now);
        Some(Admitted {
            sent: now,
            ..admitted
        })
    }

    /// A call that was let through is not sent after all.
    pub(crate) fn abort(&mut self, admitted: Admitted) -> WakeList {
        self.limits.abort(admitted);
        self.breaker.on_cancel(admitted.sent);
        self.finish(admitted, Outcome::Cancelled);
        self.wake_first()
    }

    /// A call was dropped on its way: the server may have counted it, and its places stay taken.
    pub(crate) fn cancel(&mut self, admitted: Admitted) -> WakeList {
        self.limits.cancel(admitted);
        self.breaker.on_cancel(admitted.sent);
        self.finish(admitted, Outcome::Cancelled);
        self.wake_first()
    }

    /// The head of an answer is here, or the failure.
    pub(crate) fn complete(
        &mut self,
        admitted: Admitted,
        completion: Completion,
        now: Moment,
    ) -> WakeList {
        let counter = completion.counter.filter(|_| !self.is_stale(admitted));
        // What refuses one path alone says nothing about the quota.
        let by_limit =
            completion.by_limit && !self.refused_paths.is_limited_itself(completion.path);
        let completion = Completion {
            by_limit,
            ..completion
        };
        self.limits.complete(
            admitted,
            Completion {
                counter,
                ..completion
            },
            now,
        );
        match completion.outcome {
            Outcome::Unavailable => {
                let served = self.last_served;
                self.breaker
                    .on_failure(completion.path, admitted.sent, served, now);
            }
            Outcome::Ok => {
                if completion.path != PathHash::UNKNOWN {
                    self.refused_paths.on_success(completion.path, now);
                }
                self.last_served = self.last_served.max(now);
                self.breaker.on_answer(now);
            }
            Outcome::RateLimited | Outcome::RateLimitedElsewhere | Outcome::ServerError => {
                self.breaker.on_answer(now);
            }
            Outcome::UnavailableAccepted => self.breaker.on_cancel(admitted.sent),
            Outcome::Cancelled => {}
        }
        self.finish(admitted, completion.outcome);
        self.note_idle(now);
        // A gate that is shut does not open because of an answer.
        if self.cooldown.closed(now).is_some() {
            return WakeList::default();
        }
        self.wake_first()
    }

    /// It was served, and its answer says nothing about limits. Returns who is next.
    #[inline]
    pub(crate) fn complete_ok(&mut self, admitted: Admitted, now: Moment) -> Option<Waker> {
        self.limits.complete_ok(admitted, now);
        self.last_served = self.last_served.max(now);
        self.breaker.on_answer(now);
        self.finish(admitted, Outcome::Ok);
        self.note_idle(now);
        if self.waiters.is_empty() || self.cooldown.closed(now).is_some() {
            return None;
        }
        self.waiters.first()
    }

    /// The place of a call among the calls at once is free.
    pub(crate) fn release_concurrency(&mut self) -> WakeList {
        self.limits.release_concurrency();
        self.wake_first()
    }

    /// Whether calls that were sent much later have been served already: then what the answer says is
    /// left, was left before.
    pub(crate) fn is_stale(&self, admitted: Admitted) -> bool {
        admitted.sent + STALE < self.youngest
    }

    #[inline]
    fn finish(&mut self, admitted: Admitted, outcome: Outcome) {
        let accepted = outcome == Outcome::Ok;
        if accepted {
            self.youngest = self.youngest.max(admitted.sent);
        }
        self.in_flight = self.in_flight.saturating_sub(1);
        if accepted {
            self.cooldown.on_success(admitted.generation);
        }
        if self.is_of_this_slow_start(admitted.generation) {
            self.slow_start
                .on_finish(accepted, !self.waiters.is_empty());
            return;
        }
        if let Some(before) = &mut self.interrupted {
            before
                .slow_start
                .on_finish(accepted, !self.waiters.is_empty());
        }
        if accepted {
            self.slow_start.on_late_success();
        }
    }

    #[inline]
    fn note_idle(&mut self, now: Moment) {
        if self.in_flight == 0 {
            self.slow_start.idle_since(now);
        }
    }

    /// Epochs wrap around; no call is on its way for half of them.
    #[inline]
    fn is_of_this_slow_start(&self, generation: u16) -> bool {
        generation.wrapping_sub(self.slow_start_generation) < u16::MAX / 2
    }

    /// What a retry that no response named a wait for has to wait for, because the whole scope seems to be out.
    pub(crate) fn breaker_state(&self, now: Moment) -> Option<BreakerState> {
        self.breaker.suspicion(now)
    }

    pub(crate) fn reopen(&mut self) -> WakeList {
        self.cooldown.reopen();
        self.limits.reopen();
        self.breaker.reopen();
        self.interrupted = None;
        // What was learned from a wait that was wrong is wrong, too.
        self.slow_start = SlowStart::one_probe(None);
        self.slow_start_generation = self.cooldown.generation();
        // All of them thought that it would open much later.
        WakeList {
            others: self.waiters.all_wakers(),
            ..WakeList::default()
        }
    }

    pub(crate) fn wake_first(&self) -> WakeList {
        WakeList {
            first: self.waiters.first(),
            ..WakeList::default()
        }
    }

    /// The retry budget of the scope.
    pub(crate) fn ledger(&mut self) -> &mut RetryLedger {
        &mut self.ledger
    }

    pub(crate) fn refund(&mut self, paid: PaidRetry) {
        self.ledger.refund(paid);
    }

    pub(crate) fn in_flight(&self) -> u32 {
        self.in_flight
    }

    /// Whether a call that was sent after this moment has been accepted.
    pub(super) fn was_used_after(&self, moment: Moment) -> bool {
        self.youngest > moment
    }

    /// Whether it can be forgotten: nobody is here, and nothing is remembered that still counts.
    pub(crate) fn is_idle(&mut self, now: Moment) -> bool {
        self.waiters.is_empty()
            && self.in_flight == 0
            && self.cooldown.is_idle(now)
            && self.limits.is_unused(now)
            && self.breaker.next(now) <= now
    }
}
