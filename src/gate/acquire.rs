//! Admitting the calls that wait, in order of arrival.

use std::task::Waker;
use std::time::Duration;

use super::core::{
    AcquireRequest, Admission, Blocked, ClosedUntil, Need, PathHash, Reason, Rejected,
};
use super::gate::{Guarded, WakeList};
use super::waiters::{STALLED_AFTER, timer_offset};
use crate::retry::Priority;
use crate::time::Moment;

/// If no moment is known at which the next call may go, a timer holder looks after this long.
/// The first waiter, which is told, may have stalled.
const UNKNOWN: Duration = Duration::from_secs(4);

/// A call without a timer is told this much later than its patience ends, at the earliest.
const LATE: Duration = Duration::from_millis(10);

impl Guarded {
    /// Admits the call with this number, lets it wait, or rejects it.
    /// If it `must_ask` the member of a fleet before, it is told when that is.
    pub(super) fn acquire(
        &mut self,
        number: u64,
        request: AcquireRequest,
        must_ask: bool,
        now: Moment,
        waker: Waker,
    ) -> (Admission, WakeList) {
        let cost = request.cost;
        if let Err(limit) = self.core.check_cost(cost) {
            let rejected = Rejected::CostAboveQuota { cost, limit };
            return (Admission::Rejected(rejected), self.leave(number));
        }
        if self.core.may_probe(request, now) {
            if must_ask {
                return (Admission::AskMember, WakeList::default());
            }
            let admitted = self.core.admit_probe(cost, now);
            self.waiters.on_admit();
            return (Admission::Granted(admitted), self.leave(number));
        }
        let latest = self.latest(request, now);
        // Not before the first could go: it may need more slots.
        let needed = match self.waiters.is_first(number) {
            true => cost,
            false => cost.max(self.waiters.first_cost()),
        };
        let need = Need {
            cost: needed,
            ..request.need()
        };
        let blocked = self.core.blocked(need, now);
        let may_go = blocked.is_none() && now <= latest;
        let is_turn = self.waiters.is_first(number) || may_go && self.may_overtake(number, now);
        let skipped = if may_go && !is_turn {
            self.waiters.skip_stalled(now)
        } else {
            Vec::new()
        };
        if may_go && is_turn && must_ask {
            return (Admission::AskMember, WakeList::default().and(skipped));
        }
        if may_go && is_turn {
            let others = self.waiters.len();
            if let Ok(admitted) = self.core.admit(request.need(), others, now) {
                self.waiters.on_admit();
                self.waiters.on_turn(number);
                self.waiters.first_came();
                return (
                    Admission::Granted(admitted),
                    self.leave(number).and(skipped),
                );
            }
        }
        if let Some(rejected) = self.reject(request, latest, now) {
            let wake = match rejected {
                Rejected::QueueFull(_) => WakeList::default(),
                _ => self.leave(number),
            };
            return (Admission::Rejected(rejected), wake.and(skipped));
        }
        let wake = WakeList {
            drop: self.waiters.park(number, latest, waker),
            others: self.waiters.expiring_before(now),
            ..WakeList::default()
        };
        let admission = self.wait(number, cost, blocked, latest, now);
        (admission, wake.and(skipped))
    }

    /// Whether an urgent call goes before the one whose turn it is, since only what is reserved for urgent calls is left.
    fn may_overtake(&mut self, number: u64, now: Moment) -> bool {
        let first = Need::of(self.waiters.first_cost().max(1), Priority::Normal);
        self.waiters.is_first_urgent(number) && self.core.blocked(first, now).is_some()
    }

    /// Until when a call waits. An outage is waited for with the patience for failures.
    fn latest(&self, request: AcquireRequest, now: Moment) -> Moment {
        let deadlines = request.deadlines;
        if self.core.is_out(now) {
            deadlines.latest.min(deadlines.in_an_outage)
        } else {
            deadlines.latest
        }
    }

    fn reject(&mut self, request: AcquireRequest, latest: Moment, now: Moment) -> Option<Rejected> {
        let closed = self.closed_until(request.need(), now);
        // A body that is still being read may take back what its head has closed.
        let certain = match self.core.closed(now) {
            Some(_) => self.core.settled(now),
            None => closed.as_ref(),
        };
        if now >= latest || certain.is_some_and(|closed| closed.until > latest) {
            return Some(Rejected::PastDeadline(closed));
        }
        let ahead = self.waiters.len_before(request.priority);
        (ahead >= request.max_waiting).then_some(Rejected::QueueFull(closed))
    }

    /// Until when no such call is admitted, whatever the others do meanwhile, and why.
    fn closed_until(&mut self, need: Need, now: Moment) -> Option<ClosedUntil> {
        let blocked = self.core.certainly_blocked(need, now)?;
        Some(ClosedUntil {
            until: blocked.until,
            decided_by: self.core.describe(blocked.reason),
        })
    }

    /// Says when a parked call asks again.
    /// At a moment of its own if it holds a timer, else when it is woken.
    fn wait(
        &mut self,
        number: u64,
        cost: u32,
        blocked: Option<Blocked>,
        latest: Moment,
        now: Moment,
    ) -> Admission {
        let opens = blocked.map_or(now, |blocked| blocked.until);
        let known = if opens < Moment::FAR {
            opens
        } else {
            now + UNKNOWN
        };
        let look = if self.waiters.is_first(number) {
            // It has asked: a call that could go in its place has to wait until it could, too.
            self.waiters.first_asked(cost);
            known
        } else {
            known.max(now) + STALLED_AFTER + timer_offset(number)
        };
        let reason = blocked.map_or(Reason::CallersAhead, |blocked| blocked.reason);
        if !self.waiters.should_hold_timer(number, latest) {
            return Admission::Parked(reason);
        }
        let earliest = self.waiters.earliest_deadline().unwrap_or(look);
        // One after the other, too: were there a moment without a timer, all would be woken.
        let expiry = earliest + LATE + timer_offset(number);
        Admission::WaitUntil(look.min(latest).min(expiry), reason)
    }

    /// Lets the first waiter go behind the others if its path fails or is refused each time.
    /// Returns its number from now on.
    pub(super) fn yield_turn(
        &mut self,
        number: u64,
        path: PathHash,
        now: Moment,
    ) -> (u64, WakeList) {
        let others_wait = self.waiters.len() > 1 && self.waiters.is_first(number);
        if !others_wait || !self.core.should_yield(path, now) {
            return (number, WakeList::default());
        }
        let wake = self.leave(number);
        (self.waiters.arrive_behind(number, true), wake)
    }

    /// Says which calls to wake when the timer of this one rings.
    pub(super) fn on_timer(&mut self, number: u64, now: Moment) -> WakeList {
        WakeList {
            others: self.waiters.on_timer(number, now),
            ..WakeList::default()
        }
    }

    /// Takes a call out of the queue, if it waits.
    pub(super) fn leave(&mut self, number: u64) -> WakeList {
        let drop = self.waiters.leave(number);
        WakeList {
            drop,
            first: self.waiters.first(),
            others: self.waiters.if_few_left(),
        }
    }
}
