//! Who waits at a gate, in order of arrival.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::task::Waker;

use crate::moment::Moment;

/// The waiting calls by their number of arrival. A call keeps its number when it is refused and
/// comes back, so that nobody overtakes it.
#[derive(Debug, Default)]
#[repr(C)] // what every call touches first
pub(crate) struct Queue {
    arrivals: u64,
    len: usize,
    /// Those who wait for the first time, one after the other: a hundred thousand of them take three
    /// words each.
    line: VecDeque<Option<Waiting>>,
    /// The number of the first in the line.
    base: u64,
    /// Those who came back after the line had moved on, and go before it.
    returned: BTreeMap<u64, Waiting>,
    /// Those who were passed over, since they did not ask when they could have passed.
    absent: BTreeMap<u64, Waiting>,
    /// The numbers of those whose timers have not rung.
    timed: HashSet<u64>,
    /// Whether a call without a timer waits.
    some_sleep: bool,
    /// No waiting call's patience ends before this.
    soonest: Option<Moment>,
    /// The longest patience since the queue was empty.
    longest: Option<Moment>,
}

#[derive(Debug)]
struct Waiting {
    waker: Waker,
    latest: Moment,
}

impl Queue {
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
        let first = self.first_present().map(|(first, _)| first);
        first.is_none_or(|first| first >= number)
    }

    /// Whether this call, whose patience ends at `latest`, needs a timer of its own; all others are woken in
    /// their turn. The timers of those before it only see to it that it is woken before its patience ends if theirs is
    /// no longer.
    pub(crate) fn takes_a_timer(&mut self, number: u64, latest: Moment) -> bool {
        self.timed.remove(&number);
        let hasty = Some(latest) < self.longest;
        let takes = self.len <= Self::FEW
            || self.timed.is_empty()
            || hasty
            || Self::holds_a_timer(number)
            || self.is_first(number);
        if takes {
            self.timed.insert(number);
        } else {
            self.some_sleep = true;
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
    pub(crate) fn alarm(&mut self, number: u64, now: Moment) -> Vec<Waker> {
        self.timed.remove(&number);
        if self.timed.is_empty() && self.some_sleep {
            self.some_sleep = false;
            return self.wakers();
        }
        let mut woken = self.ending_before(now);
        woken.extend(self.get(number).map(|waiting| waiting.waker.clone()));
        woken.extend(self.first());
        woken
    }

    /// When the patience of the first of all ends, or a little before.
    pub(crate) fn soonest(&self) -> Option<Moment> {
        self.soonest
    }

    /// Takes a place in the queue, or keeps it. Returns the waker that was there before, which may
    /// own anything and so has to be dropped when the lock is free.
    pub(crate) fn wait(&mut self, number: u64, latest: Moment, waker: Waker) -> Option<Waker> {
        self.soonest = Some(self.soonest.map_or(latest, |soonest| soonest.min(latest)));
        self.longest = self.longest.max(Some(latest));
        let waiting = Waiting { waker, latest };
        if self.line.is_empty() {
            self.base = self.base.max(number);
        }
        let before = if number < self.base {
            let absent = self.absent.remove(&number);
            self.returned.insert(number, waiting).or(absent)
        } else {
            self.reach(number).replace(waiting)
        };
        self.len += usize::from(before.is_none());
        before.map(|waiting| waiting.waker)
    }

    /// The place in the line of a number that is not before it.
    fn reach(&mut self, number: u64) -> &mut Option<Waiting> {
        let mut at = (number - self.base) as usize;
        if at >= self.line.len().max(Self::FEW + 4 * self.len) {
            self.break_off(number);
            at = 0;
        }
        if at >= self.line.len() {
            self.line.resize_with(at + 1, || None);
        }
        &mut self.line[at]
    }

    /// So many have gone since the first in the line came that it is nearly empty: it begins anew, with a number
    /// beyond its end.
    fn break_off(&mut self, number: u64) {
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
        self.timed.remove(&number);
        self.close_up();
        left.map(|waiting| waiting.waker)
    }

    fn get(&self, number: u64) -> Option<&Waiting> {
        match number.checked_sub(self.base) {
            Some(at) => self.line.get(at as usize)?.as_ref(),
            None => {
                let returned = self.returned.get(&number);
                returned.or_else(|| self.absent.get(&number))
            }
        }
    }

    fn take(&mut self, number: u64) -> Option<Waiting> {
        match number.checked_sub(self.base) {
            Some(at) => self.line.get_mut(at as usize)?.take(),
            None => {
                let returned = self.returned.remove(&number);
                returned.or_else(|| self.absent.remove(&number))
            }
        }
    }

    /// Forgets the empty places before the first in the line, and gives memory back when all are gone.
    fn close_up(&mut self) {
        while let Some(None) = self.line.front() {
            self.line.pop_front();
            self.base += 1;
        }
        if self.len == 0 {
            (self.soonest, self.longest, self.some_sleep) = (None, None, false);
            self.line.shrink_to(Self::FEW);
            self.timed.shrink_to(Self::FEW);
        }
    }

    /// The next one to be woken.
    pub(crate) fn first(&self) -> Option<Waker> {
        let present = self.first_present().map(|(_, first)| first);
        let first = present.or_else(|| self.absent.values().next())?;
        Some(first.waker.clone())
    }

    fn first_present(&self) -> Option<(u64, &Waiting)> {
        let returned = self.returned.first_key_value();
        // The line never begins with an empty place.
        let of_line = || Some((self.base, self.line.front()?.as_ref()?));
        let returned = returned.map(|(number, first)| (*number, first));
        returned.or_else(of_line)
    }

    /// The first `calls` could have passed and did not ask: the others go on without them, until they do. Returns
    /// their wakers: those who had no timer may not have known.
    pub(crate) fn pass_over(&mut self, calls: usize) -> Vec<Waker> {
        let mut passed_over = Vec::new();
        while passed_over.len() < calls {
            let Some((first, _)) = self.first_present() else {
                break;
            };
            let absent = self.take(first);
            passed_over.extend(absent.iter().map(|absent| absent.waker.clone()));
            self.absent.extend(absent.map(|absent| (first, absent)));
            self.close_up();
        }
        passed_over
    }

    /// The wakers of all whose patience ends before `moment`.
    pub(crate) fn ending_before(&mut self, moment: Moment) -> Vec<Waker> {
        if self.soonest.is_none_or(|soonest| soonest >= moment) {
            return Vec::new();
        }
        self.soonest = None;
        let mut ending = Vec::new();
        let in_line = self.line.iter().flatten();
        let others = self.returned.values().chain(self.absent.values());
        for waiting in in_line.chain(others) {
            if waiting.latest < moment {
                ending.push(waiting.waker.clone());
            } else {
                let latest = waiting.latest;
                self.soonest = Some(self.soonest.map_or(latest, |soonest| soonest.min(latest)));
            }
        }
        ending
    }

    /// All that have no timer, once they are so few that each takes one, or if none has one.
    pub(crate) fn few_left(&mut self) -> Vec<Waker> {
        let few = self.len <= Self::FEW || self.timed.is_empty();
        if !self.some_sleep || !few {
            return Vec::new();
        }
        self.some_sleep = false;
        self.with_timers(false)
    }

    /// The wakers of those that have a timer, or of those that have none.
    pub(crate) fn with_timers(&self, timed: bool) -> Vec<Waker> {
        let in_line = (self.base..).zip(&self.line);
        let in_line = in_line.filter_map(|(number, place)| Some((number, place.as_ref()?)));
        let others = self.returned.iter().chain(&self.absent);
        let all = others.map(|(number, waiting)| (*number, waiting));
        all.chain(in_line)
            .filter(|(number, _)| self.timed.contains(number) == timed)
            .map(|(_, waiting)| waiting.waker.clone())
            .collect()
    }

    /// The wakers of all.
    pub(crate) fn wakers(&self) -> Vec<Waker> {
        let waiting = self.everybody();
        waiting.map(|waiting| waiting.waker.clone()).collect()
    }

    fn everybody(&self) -> impl Iterator<Item = &Waiting> {
        let in_line = self.line.iter().flatten();
        self.returned
            .values()
            .chain(in_line)
            .chain(self.absent.values())
    }
}

#[cfg(test)]
mod tests;
