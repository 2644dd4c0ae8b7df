//! Who waits at a gate, in order of arrival.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::task::Waker;

use crate::time::Moment;

/// The waiting calls by their number of arrival. A call keeps its number when it is refused and
/// comes back, so that nobody overtakes it.
#[derive(Debug, Default)]
#[repr(C)] // what every call touches first
pub(crate) struct Waiters {
    arrivals: u64,
    len: usize,
    /// Those who wait for the first time, one after the other: a hundred thousand of them take three
    /// words each.
    line: VecDeque<Option<Waiter>>,
    /// The number of the first in the line.
    base: u64,
    /// Those who came back after the line had moved on, and go before it.
    returned: BTreeMap<u64, Waiter>,
    /// Those who were passed over, since they did not ask when they could have passed.
    skipped: BTreeMap<u64, Waiter>,
    /// The numbers of those whose timers have not rung.
    timer_holders: HashSet<u64>,
    /// Whether a call without a timer waits.
    some_without_timer: bool,
    /// No waiting call's patience ends before this.
    earliest: Option<Moment>,
    /// The longest patience since the queue was empty.
    latest_deadline: Option<Moment>,
}

#[derive(Debug)]
struct Waiter {
    waker: Waker,
    latest: Moment,
}

impl Waiters {
    /// With no more than this many, each has a timer.
    const FEW: usize = if cfg!(model) { 2 } else { 64 };
    /// Of more, the first has one, and one in 32: should the first be asleep, it is noticed.
    const TIMER_HOLDERS: u64 = if cfg!(model) { 3 } else { 32 };

    /// A number for a new call.
    pub(crate) fn arrive(&mut self) -> u64 {
        self.arrivals += 1;
        self.arrivals
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Whether nobody with a lower number waits.
    pub(crate) fn is_first(&self, number: u64) -> bool {
        let first = self.first_unskipped().map(|(first, _)| first);
        first.is_none_or(|first| first >= number)
    }

    /// Whether this call, whose patience ends at `latest`, needs a timer of its own; all others are woken in
    /// their turn. The timers of those before it only see to it that it is woken before its patience ends if theirs is
    /// no longer.
    pub(crate) fn should_hold_timer(&mut self, number: u64, latest: Moment) -> bool {
        self.timer_holders.remove(&number);
        let hasty = Some(latest) < self.latest_deadline;
        let takes = self.len <= Self::FEW
            || self.timer_holders.is_empty()
            || hasty
            || Self::holds_a_timer(number)
            || self.is_first(number);
        if takes {
            self.timer_holders.insert(number);
        } else {
            self.some_without_timer = true;
        }
        takes
    }

    /// Chosen by no pattern that calls could arrive in: all timers in one task would be none if it stops.
    const fn holds_a_timer(number: u64) -> bool {
        let mixed = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        (mixed ^ mixed >> 32) % Self::TIMER_HOLDERS == 0
    }

    /// The timer of this call has rung: it is woken, and the next in turn, and those whose patience has ended. If it was
    /// the last timer, all are, so that one of them takes another.
    pub(crate) fn on_timer(&mut self, number: u64, now: Moment) -> Vec<Waker> {
        self.timer_holders.remove(&number);
        if self.timer_holders.is_empty() && self.some_without_timer {
            self.some_without_timer = false;
            return self.all_wakers();
        }
        let mut woken = self.expiring_before(now);
        woken.extend(self.get(number).map(|waiting| waiting.waker.clone()));
        woken.extend(self.first());
        woken
    }

    /// When the patience of the first of all ends, or a little before.
    pub(crate) fn earliest_deadline(&self) -> Option<Moment> {
        self.earliest
    }

    /// Takes a place in the queue, or keeps it. Returns the waker that was there before, which may
    /// own anything and so has to be dropped when the lock is free.
    pub(crate) fn park(&mut self, number: u64, latest: Moment, waker: Waker) -> Option<Waker> {
        self.earliest = Some(
            self.earliest
                .map_or(latest, |earliest| earliest.min(latest)),
        );
        self.latest_deadline = self.latest_deadline.max(Some(latest));
        let waiting = Waiter { waker, latest };
        if self.line.is_empty() {
            self.base = self.base.max(number);
        }
        let before = if number < self.base {
            let skipped = self.skipped.remove(&number);
            self.returned.insert(number, waiting).or(skipped)
        } else {
            self.slot_for(number).replace(waiting)
        };
        self.len += usize::from(before.is_none());
        before.map(|waiting| waiting.waker)
    }

    /// The place in the line of a number that is not before it.
    fn slot_for(&mut self, number: u64) -> &mut Option<Waiter> {
        let mut at = (number - self.base) as usize;
        if at >= self.line.len().max(Self::FEW + 4 * self.len) {
            self.restart_line(number);
            at = 0;
        }
        if at >= self.line.len() {
            self.line.resize_with(at + 1, || None);
        }
        &mut self.line[at]
    }

    /// So many have gone since the first in the line came that it is nearly empty: it begins anew, with a number
    /// beyond its end.
    fn restart_line(&mut self, number: u64) {
        let line = std::mem::take(&mut self.line);
        let numbered = (self.base..).zip(line);
        let still_here = numbered.filter_map(|(number, place)| Some((number, place?)));
        self.returned.extend(still_here);
        self.base = number;
    }

    /// Gives the place up. Returns the waker that was there.
    pub(crate) fn leave(&mut self, number: u64) -> Option<Waker> {
        let left = self.take(number);
        self.len -= usize::from(left.is_some());
        self.timer_holders.remove(&number);
        self.trim_front();
        left.map(|waiting| waiting.waker)
    }

    fn get(&self, number: u64) -> Option<&Waiter> {
        match number.checked_sub(self.base) {
            Some(at) => self.line.get(at as usize)?.as_ref(),
            None => {
                let returned = self.returned.get(&number);
                returned.or_else(|| self.skipped.get(&number))
            }
        }
    }

    fn take(&mut self, number: u64) -> Option<Waiter> {
        match number.checked_sub(self.base) {
            Some(at) => self.line.get_mut(at as usize)?.take(),
            None => {
                let returned = self.returned.remove(&number);
                returned.or_else(|| self.skipped.remove(&number))
            }
        }
    }

    /// Forgets the empty places before the first in the line, and gives memory back when all are gone.
    fn trim_front(&mut self) {
        while let Some(None) = self.line.front() {
            self.line.pop_front();
            self.base += 1;
        }
        if self.len == 0 {
            (self.earliest, self.latest_deadline, self.some_without_timer) = (None, None, false);
            self.line.shrink_to(Self::FEW);
            self.timer_holders.shrink_to(Self::FEW);
        }
    }

    /// The next one to be woken.
    pub(crate) fn first(&self) -> Option<Waker> {
        let present = self.first_unskipped().map(|(_, first)| first);
        let first = present.or_else(|| self.skipped.values().next())?;
        Some(first.waker.clone())
    }

    fn first_unskipped(&self) -> Option<(u64, &Waiter)> {
        let returned = self.returned.first_key_value();
        // The line never begins with an empty place.
        let of_line = || Some((self.base, self.line.front()?.as_ref()?));
        let returned = returned.map(|(number, first)| (*number, first));
        returned.or_else(of_line)
    }

    /// The first `calls` could have passed and did not ask: the others go on without them, until they do. Returns
    /// their wakers: those who had no timer may not have known.
    pub(crate) fn skip(&mut self, calls: usize) -> Vec<Waker> {
        let mut passed_over = Vec::new();
        while passed_over.len() < calls {
            let Some((first, _)) = self.first_unskipped() else {
                break;
            };
            let skipped = self.take(first);
            passed_over.extend(skipped.iter().map(|skipped| skipped.waker.clone()));
            self.skipped.extend(skipped.map(|skipped| (first, skipped)));
            self.trim_front();
        }
        passed_over
    }

    /// The wakers of all whose patience ends before `moment`.
    pub(crate) fn expiring_before(&mut self, moment: Moment) -> Vec<Waker> {
        if self.earliest.is_none_or(|earliest| earliest >= moment) {
            return Vec::new();
        }
        self.earliest = None;
        let mut outcome = Vec::new();
        let in_line = self.line.iter().flatten();
        let others = self.returned.values().chain(self.skipped.values());
        for waiting in in_line.chain(others) {
            if waiting.latest < moment {
                outcome.push(waiting.waker.clone());
            } else {
                let latest = waiting.latest;
                self.earliest = Some(
                    self.earliest
                        .map_or(latest, |earliest| earliest.min(latest)),
                );
            }
        }
        outcome
    }

    /// All that have no timer, once they are so few that each takes one, or if none has one.
    pub(crate) fn wakers_if_few(&mut self) -> Vec<Waker> {
        let few = self.len <= Self::FEW || self.timer_holders.is_empty();
        if !self.some_without_timer || !few {
            return Vec::new();
        }
        self.some_without_timer = false;
        self.wakers_by_timer(false)
    }

    /// The wakers of those that have a timer, or of those that have none.
    pub(crate) fn wakers_by_timer(&self, timer_holders: bool) -> Vec<Waker> {
        let in_line = (self.base..).zip(&self.line);
        let in_line = in_line.filter_map(|(number, place)| Some((number, place.as_ref()?)));
        let others = self.returned.iter().chain(&self.skipped);
        let all = others.map(|(number, waiting)| (*number, waiting));
        all.chain(in_line)
            .filter(|(number, _)| self.timer_holders.contains(number) == timer_holders)
            .map(|(_, waiting)| waiting.waker.clone())
            .collect()
    }

    /// The wakers of all.
    pub(crate) fn all_wakers(&self) -> Vec<Waker> {
        let waiting = self.iter();
        waiting.map(|waiting| waiting.waker.clone()).collect()
    }

    fn iter(&self) -> impl Iterator<Item = &Waiter> {
        let in_line = self.line.iter().flatten();
        self.returned
            .values()
            .chain(in_line)
            .chain(self.skipped.values())
    }
}

#[cfg(test)]
mod tests;
