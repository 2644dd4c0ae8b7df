//! Whose turn it is, of those who wait.

use std::task::Waker;
use std::time::Duration;

use super::State;
use crate::gate::blocked::Reason;
use crate::gate::outage::PathHash;
use crate::gate::words::{Asks, Leaves, Standing, Wake};
use crate::moment::Moment;

/// A first waiter that could pass and does not ask for this long is passed over: it may sit in a
/// future that nobody polls, and the others must not wait for it.
const LOITERS: Duration = Duration::from_secs(1);

/// If nobody knows when the next one may pass, who has a timer looks every now and then: the first, which is
/// told, may not come.
const UNKNOWN: Duration = Duration::from_secs(4);

/// Timers that would ring together ring one after the other, so that the last one rings when the first call that was
/// woken has taken another.
fn spread(number: u64) -> Duration {
    const WITHIN: u64 = 250;
    Duration::from_millis(number % WITHIN)
}

impl State {
    /// Passes, waits or gives up.
    pub(crate) fn pass_in_turn(
        &mut self,
        number: u64,
        asks: Asks,
        now: Moment,
        waker: Waker,
    ) -> (Standing, Wake) {
        let Asks {
            price, patience, ..
        } = asks;
        if let Err(most) = self.allowance.affords(price) {
            return (Standing::Leaves(Leaves::TooDear(most)), self.leave(number));
        }
        if self.is_probe_at_once(asks, now) {
            self.outage.probe_at_once(now);
            let pass = self.let_past_the_outage(price, now);
            return (Standing::Through(pass), self.leave(number));
        }
        let latest = if self.outage.is_sure(now) {
            patience.latest.min(patience.in_an_outage)
        } else {
            patience.latest
        };
        // Not before the first could: it may need more places.
        let first = self.queue.is_first(number);
        let needed = if first {
            price
        } else {
            price.max(self.first_needs)
        };
        let blocked = self.blocked(needed, now);
        let opens = blocked.map_or(now, |blocked| blocked.until);
        let open = opens <= now && now <= latest;
        let told = if open && !self.queue.is_first(number) {
            self.pass_over_loiterers(now)
        } else {
            Vec::new()
        };
        if open && self.queue.is_first(number) {
            self.loiterers = 1;
            let pass = self.let_through(price, now);
            return (Standing::Through(pass), self.leave(number).and(told));
        }
        let shut = self.shut_until(price, now);
        // A body that is still being read may take back what its head has closed.
        let certain = match self.cooldown.shut(now) {
            Some(_) => self.cooldown.settled(now),
            None => shut.as_ref(),
        };
        if now >= latest || certain.is_some_and(|shut| shut.until > latest) {
            return (
                Standing::Leaves(Leaves::TooLate(shut)),
                self.leave(number).and(told),
            );
        }
        if self.queue.len() >= asks.most_waiting {
            return (
                Standing::Leaves(Leaves::Crowded(shut)),
                Wake::default().and(told),
            );
        }
        let drop = self.queue.wait(number, latest, waker);
        let ending = self.queue.ending_before(now);
        let wake = Wake {
            drop,
            others: ending,
            ..Wake::default()
        };
        let known = if opens < Moment::FAR {
            opens
        } else {
            now + UNKNOWN
        };
        let look = if self.queue.is_first(number) {
            // It has asked: whoever could pass in its place has to wait until it could, too.
            (self.first_needs, self.due) = (price, None);
            known
        } else {
            known.max(now) + LOITERS + spread(number)
        };
        let reason = blocked.map_or(Reason::CallersAhead, |blocked| blocked.reason);
        (self.waits(number, look, latest, reason), wake.and(told))
    }

    /// Whether nothing but an outage keeps this call, and its path is one that has not failed.
    fn is_probe_at_once(&mut self, asks: Asks, now: Moment) -> bool {
        self.outage.is_probe_at_once(asks.path, now)
            && now <= asks.patience.latest
            && self.cooldown.shut(now).is_none()
            && self.ramp.next(now) <= now
            && self.allowance.next(asks.price, now) <= now
    }

    /// The first call in the queue goes behind the others, if it would ask the path that failed last, or one that is
    /// refused whenever it is asked. Returns its number from now on.
    pub(crate) fn step_back(&mut self, number: u64, path: PathHash, now: Moment) -> (u64, Wake) {
        let others_wait = self.queue.len() > 1 && self.queue.is_first(number);
        let goes_behind = others_wait
            && (self.outage.steps_back(path, now)
                || self.cooldown.shut(now).is_none() && self.refused_paths.steps_back(path));
        if !goes_behind {
            return (number, Wake::default());
        }
        let wake = self.leave(number);
        (self.queue.arrive(), wake)
    }

    /// The timer of a waiting call has rung.
    pub(crate) fn alarm(&mut self, number: u64, now: Moment) -> Wake {
        Wake {
            others: self.queue.alarm(number, now),
            ..Wake::default()
        }
    }

    /// A call with a timer looks after those that have none.
    fn waits(&mut self, number: u64, look: Moment, latest: Moment, reason: Reason) -> Standing {
        if !self.queue.takes_a_timer(number, latest) {
            return Standing::Sleeps(reason);
        }
        let soonest = self.queue.soonest().unwrap_or(look);
        // One after the other, too: were there a moment without a timer, all would be woken.
        let told = soonest + Self::LATE + spread(number);
        Standing::Waits(look.min(latest).min(told), reason)
    }

    /// So much later than its patience ends, a call without a timer is told at the earliest.
    const LATE: Duration = Duration::from_millis(10);

    /// If the first in the queue could have passed for long and did not ask, it is not coming: the others
    /// go on without it, and without more and more of those behind it that do not come either.
    ///
    /// Returns who has to be told: the first, and those before it. Now and then only: were the first woken by
    /// everybody who asks, two calls of one task would wake each other for ever.
    fn pass_over_loiterers(&mut self, now: Moment) -> Vec<Waker> {
        let mut told = Vec::new();
        if let Some(due) = self.due {
            if now.since(due) < LOITERS {
                return told;
            }
            told = self.queue.pass_over(self.loiterers);
            self.loiterers *= 2;
        }
        self.due = Some(now);
        told.extend(self.queue.first());
        told
    }

    fn leave(&mut self, number: u64) -> Wake {
        self.first_needs = 0;
        let drop = self.queue.leave(number);
        let mut wake = self.wake_first();
        wake.others = self.queue.few_left();
        Wake { drop, ..wake }
    }

    /// A waiting call is dropped.
    pub(crate) fn gone(&mut self, number: u64) -> Wake {
        self.leave(number)
    }
}
