//! Whose turn it is, of those who wait.

use std::task::Waker;
use std::time::Duration;

use super::Core;
use crate::gate::admission::{AcquireRequest, Admission, Rejected, WakeList};
use crate::gate::blocked::Reason;
use crate::gate::breaker::PathHash;
use crate::time::Moment;

/// A first waiter that could pass and does not ask for this long is passed over: it may sit in a
/// future that nobody polls, and the others must not wait for it.
const STALLED_AFTER: Duration = Duration::from_secs(1);

/// If nobody knows when the next one may pass, who has a timer looks every now and then: the first, which is
/// told, may not come.
const UNKNOWN: Duration = Duration::from_secs(4);

/// Timers that would ring together ring one after the other, so that the last one rings when the first call that was
/// woken has taken another.
fn timer_offset(number: u64) -> Duration {
    const WITHIN: u64 = 250;
    Duration::from_millis(number % WITHIN)
}

impl Core {
    /// Passes, waits or gives up.
    pub(crate) fn admit_in_turn(
        &mut self,
        number: u64,
        asks: AcquireRequest,
        now: Moment,
        waker: Waker,
    ) -> (Admission, WakeList) {
        let AcquireRequest {
            price, patience, ..
        } = asks;
        if let Err(most) = self.limits.check_cost(price) {
            return (
                Admission::Rejected(Rejected::CostAboveQuota(most)),
                self.leave_queue(number),
            );
        }
        if self.is_probe_at_once(asks, now) {
            self.breaker.probe_at_once(now);
            let admitted = self.admit_past_breaker(price, now);
            return (Admission::Granted(admitted), self.leave_queue(number));
        }
        let latest = if self.breaker.is_sure(now) {
            patience.latest.min(patience.in_an_outage)
        } else {
            patience.latest
        };
        // Not before the first could: it may need more places.
        let first = self.waiters.is_first(number);
        let needed = if first {
            price
        } else {
            price.max(self.first_needs)
        };
        let blocked = self.blocked(needed, now);
        let opens = blocked.map_or(now, |blocked| blocked.until);
        let open = opens <= now && now <= latest;
        let told = if open && !self.waiters.is_first(number) {
            self.skip_stalled(now)
        } else {
            Vec::new()
        };
        if open && self.waiters.is_first(number) {
            self.stalled_waiters = 1;
            let admitted = self.admit(price, now);
            return (
                Admission::Granted(admitted),
                self.leave_queue(number).and(told),
            );
        }
        let closed = self.closed_until(price, now);
        // A body that is still being read may take back what its head has closed.
        let certain = match self.cooldown.closed(now) {
            Some(_) => self.cooldown.settled(now),
            None => closed.as_ref(),
        };
        if now >= latest || certain.is_some_and(|closed| closed.until > latest) {
            return (
                Admission::Rejected(Rejected::PastDeadline(closed)),
                self.leave_queue(number).and(told),
            );
        }
        if self.waiters.len() >= asks.max_waiting {
            return (
                Admission::Rejected(Rejected::QueueFull(closed)),
                WakeList::default().and(told),
            );
        }
        let drop = self.waiters.park(number, latest, waker);
        let outcome = self.waiters.expiring_before(now);
        let wake = WakeList {
            drop,
            others: outcome,
            ..WakeList::default()
        };
        let known = if opens < Moment::FAR {
            opens
        } else {
            now + UNKNOWN
        };
        let look = if self.waiters.is_first(number) {
            // It has asked: whoever could pass in its place has to wait until it could, too.
            (self.first_needs, self.due) = (price, None);
            known
        } else {
            known.max(now) + STALLED_AFTER + timer_offset(number)
        };
        let reason = blocked.map_or(Reason::CallersAhead, |blocked| blocked.reason);
        (self.park(number, look, latest, reason), wake.and(told))
    }

    /// Whether nothing but an outage keeps this call, and its path is one that has not failed.
    fn is_probe_at_once(&mut self, asks: AcquireRequest, now: Moment) -> bool {
        self.breaker.is_probe_at_once(asks.path, now)
            && now <= asks.patience.latest
            && self.cooldown.closed(now).is_none()
            && self.slow_start.next(now) <= now
            && self.limits.next(asks.price, now) <= now
    }

    /// The first call in the queue goes behind the others, if it would ask the path that failed last, or one that is
    /// refused whenever it is asked. Returns its number from now on.
    pub(crate) fn step_back(
        &mut self,
        number: u64,
        path: PathHash,
        now: Moment,
    ) -> (u64, WakeList) {
        let others_wait = self.waiters.len() > 1 && self.waiters.is_first(number);
        let goes_behind = others_wait
            && (self.breaker.should_yield(path, now)
                || self.cooldown.closed(now).is_none() && self.refused_paths.should_yield(path));
        if !goes_behind {
            return (number, WakeList::default());
        }
        let wake = self.leave_queue(number);
        (self.waiters.arrive(), wake)
    }

    /// The timer of a waiting call has rung.
    pub(crate) fn on_timer(&mut self, number: u64, now: Moment) -> WakeList {
        WakeList {
            others: self.waiters.on_timer(number, now),
            ..WakeList::default()
        }
    }

    /// A call with a timer looks after those that have none.
    fn park(&mut self, number: u64, look: Moment, latest: Moment, reason: Reason) -> Admission {
        if !self.waiters.should_hold_timer(number, latest) {
            return Admission::Parked(reason);
        }
        let soonest = self.waiters.earliest_deadline().unwrap_or(look);
        // One after the other, too: were there a moment without a timer, all would be woken.
        let told = soonest + Self::LATE + timer_offset(number);
        Admission::WaitUntil(look.min(latest).min(told), reason)
    }

    /// So much later than its patience ends, a call without a timer is told at the earliest.
    const LATE: Duration = Duration::from_millis(10);

    /// If the first in the queue could have passed for long and did not ask, it is not coming: the others
    /// go on without it, and without more and more of those behind it that do not come either.
    ///
    /// Returns who has to be told: the first, and those before it. Now and then only: were the first woken by
    /// everybody who asks, two calls of one task would wake each other for ever.
    fn skip_stalled(&mut self, now: Moment) -> Vec<Waker> {
        let mut told = Vec::new();
        if let Some(due) = self.due {
            if now.since(due) < STALLED_AFTER {
                return told;
            }
            told = self.waiters.skip(self.stalled_waiters);
            self.stalled_waiters *= 2;
        }
        self.due = Some(now);
        told.extend(self.waiters.first());
        told
    }

    fn leave_queue(&mut self, number: u64) -> WakeList {
        self.first_needs = 0;
        let drop = self.waiters.leave(number);
        let mut wake = self.wake_first();
        wake.others = self.waiters.wakers_if_few();
        WakeList { drop, ..wake }
    }

    /// A waiting call is dropped.
    pub(crate) fn cancel_wait(&mut self, number: u64) -> WakeList {
        self.leave_queue(number)
    }
}
