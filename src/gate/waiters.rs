//! The calls that wait at a gate, in order of arrival, and which of them hold a timer.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::time::Duration;

use crate::time::Moment;

/// A first waiter that could go and does not ask for this long has stalled.
/// It may sit in a future that is not polled, and the others must not wait for it.
pub(super) const STALLED_AFTER: Duration = Duration::from_secs(1);

/// Spreads timers that would ring together.
/// The last one rings when the first call that was woken has taken another.
pub(super) fn timer_offset(number: u64) -> Duration {
    const WITHIN: u64 = 250;
    Duration::from_millis(number % WITHIN)
}

/// The waiting calls by their number of arrival, each with a handle `W` that wakes it.
/// A call keeps its number when it is refused and comes back, so that none overtakes it.
#[derive(Debug)]
#[repr(C)] // what every call touches first
pub(super) struct Waiters<W> {
    arrivals: u64,
    len: usize,
    /// Since when the first waiter could have gone.
    due: Option<Moment>,
    /// The cost of the first waiter, once it has asked.
    first_cost: u32,
    /// How many are skipped next time, if none comes before.
    stalled: usize,
    /// Calls that wait for the first time, one after the other, in three words each.
    line: VecDeque<Option<Waiter<W>>>,
    /// The number of the first in the line.
    base: u64,
    /// Calls that came back after the line had moved on, and go before it.
    returned: BTreeMap<u64, Waiter<W>>,
    /// Calls that were skipped, since they did not ask when they could have gone.
    skipped: BTreeMap<u64, Waiter<W>>,
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
struct Waiter<W> {
    waker: W,
    latest: Moment,
}

impl<W> Default for Waiters<W> {
    fn default() -> Self {
        Self {
            arrivals: 0,
            len: 0,
            due: None,
            first_cost: 0,
            stalled: 1,
            line: VecDeque::new(),
            base: 0,
            returned: BTreeMap::new(),
            skipped: BTreeMap::new(),
            timer_holders: HashSet::new(),
            some_without_timer: false,
            earliest: None,
            latest_deadline: None,
        }
    }
}

impl<W: Clone> Waiters<W> {
    /// With no more than this many, each has a timer.
    const FEW: usize = if cfg!(model) { 2 } else { 64 };
    /// Of more, the first has one, and one in 32: should the first be asleep, it is noticed.
    const TIMER_HOLDERS: u64 = if cfg!(model) { 3 } else { 32 };

    /// Numbers a new call.
    pub(super) fn arrive(&mut self) -> u64 {
        self.arrivals += 1;
        self.arrivals
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Whether no call with a lower number waits.
    pub(super) fn is_first(&self, number: u64) -> bool {
        let first = self.first_unskipped().map(|(first, _)| first);
        first.is_none_or(|first| first >= number)
    }

    /// Whether this call, whose patience ends at `latest`, needs a timer of its own.
    /// All others are woken in their turn. The timers of the calls before it wake it in time only if their patience
    /// is no longer.
    pub(super) fn should_hold_timer(&mut self, number: u64, latest: Moment) -> bool {
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

    /// Picks one call in 32, by a hash: were all timers held by one task, none would ring if it stops.
    const fn holds_a_timer(number: u64) -> bool {
        let mixed = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        (mixed ^ mixed >> 32) % Self::TIMER_HOLDERS == 0
    }

    /// Says which calls to wake when the timer of this one rings.
    /// Itself, the next in turn, and those whose patience has ended. If it was the last timer, all are, so that one
    /// of them takes another.
    pub(super) fn on_timer(&mut self, number: u64, now: Moment) -> Vec<W> {
        self.timer_holders.remove(&number);
        if self.timer_holders.is_empty() && self.some_without_timer {
            self.some_without_timer = false;
            return self.all();
        }
        let mut woken = self.expiring_before(now);
        woken.extend(self.get(number).map(|waiting| waiting.waker.clone()));
        woken.extend(self.first());
        woken
    }

    /// When the first deadline of all ends, or a little before.
    pub(super) fn earliest_deadline(&self) -> Option<Moment> {
        self.earliest
    }

    /// Queues a call, or keeps its place.
    /// Returns the waker that was there before, which may own anything and so has to be dropped when the lock is
    /// free.
    pub(super) fn park(&mut self, number: u64, latest: Moment, waker: W) -> Option<W> {
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
    fn slot_for(&mut self, number: u64) -> &mut Option<Waiter<W>> {
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

    /// Begins the line anew with this number, which lies far beyond its end: it is nearly empty.
    fn restart_line(&mut self, number: u64) {
        let line = std::mem::take(&mut self.line);
        let numbered = (self.base..).zip(line);
        let still_here = numbered.filter_map(|(number, place)| Some((number, place?)));
        self.returned.extend(still_here);
        self.base = number;
    }

    /// Takes a call out of the queue. Returns its waker.
    pub(super) fn leave(&mut self, number: u64) -> Option<W> {
        self.first_cost = 0;
        let left = self.take(number);
        self.len -= usize::from(left.is_some());
        self.timer_holders.remove(&number);
        self.trim_front();
        left.map(|waiting| waiting.waker)
    }

    fn get(&self, number: u64) -> Option<&Waiter<W>> {
        match number.checked_sub(self.base) {
            Some(at) => self.line.get(at as usize)?.as_ref(),
            None => {
                let returned = self.returned.get(&number);
                returned.or_else(|| self.skipped.get(&number))
            }
        }
    }

    fn take(&mut self, number: u64) -> Option<Waiter<W>> {
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

    /// The waker of the first waiter.
    pub(super) fn first(&self) -> Option<W> {
        let present = self.first_unskipped().map(|(_, first)| first);
        let first = present.or_else(|| self.skipped.values().next())?;
        Some(first.waker.clone())
    }

    fn first_unskipped(&self) -> Option<(u64, &Waiter<W>)> {
        let returned = self.returned.first_key_value();
        // The line never begins with an empty place.
        let of_line = || Some((self.base, self.line.front()?.as_ref()?));
        let returned = returned.map(|(number, first)| (*number, first));
        returned.or_else(of_line)
    }

    /// Notes that a call is admitted: the first waiter may have to wait anew.
    #[inline]
    pub(super) fn on_admit(&mut self) {
        self.due = None;
    }

    /// Notes that the first waiter came when it could.
    pub(super) fn first_came(&mut self) {
        self.stalled = 1;
    }

    /// Notes that the first waiter has asked, at this cost, and cannot go yet.
    pub(super) fn first_asked(&mut self, cost: u32) {
        (self.first_cost, self.due) = (cost, None);
    }

    /// The cost of the first waiter, or 0 if it has not asked.
    pub(super) fn first_cost(&self) -> u32 {
        self.first_cost
    }

    /// Forgets since when the first waiter could have gone.
    pub(super) fn reset_stalled(&mut self) {
        self.due = None;
    }

    /// Skips the first waiter if it could have gone for long and did not ask.
    /// More and more of those behind it that do not come either are skipped, too. Returns the calls to wake: those
    /// that were skipped, and the one that is first now.
    ///
    /// Now and then only: were the first woken by each call that asks, two calls of one task would wake each other for
    /// ever.
    pub(super) fn skip_stalled(&mut self, now: Moment) -> Vec<W> {
        let mut woken = Vec::new();
        if let Some(due) = self.due {
            if now.since(due) < STALLED_AFTER {
                return woken;
            }
            woken = self.skip(self.stalled);
            self.stalled *= 2;
        }
        self.due = Some(now);
        woken.extend(self.first());
        woken
    }

    /// Skips the first `calls`, until they ask.
    /// Those that held no timer may not have known that they could go.
    fn skip(&mut self, calls: usize) -> Vec<W> {
        let mut skipped_now = Vec::new();
        while skipped_now.len() < calls {
            let Some((first, _)) = self.first_unskipped() else {
                break;
            };
            let skipped = self.take(first);
            skipped_now.extend(skipped.iter().map(|skipped| skipped.waker.clone()));
            self.skipped.extend(skipped.map(|skipped| (first, skipped)));
            self.trim_front();
        }
        skipped_now
    }

    /// The wakers of all whose patience ends before `moment`.
    pub(super) fn expiring_before(&mut self, moment: Moment) -> Vec<W> {
        if self.earliest.is_none_or(|earliest| earliest >= moment) {
            return Vec::new();
        }
        self.earliest = None;
        let mut expiring = Vec::new();
        let in_line = self.line.iter().flatten();
        let others = self.returned.values().chain(self.skipped.values());
        for waiting in in_line.chain(others) {
            if waiting.latest < moment {
                expiring.push(waiting.waker.clone());
            } else {
                let latest = waiting.latest;
                self.earliest = Some(
                    self.earliest
                        .map_or(latest, |earliest| earliest.min(latest)),
                );
            }
        }
        expiring
    }

    /// The calls without a timer, once they are few enough that each takes one, or if none has one.
    pub(super) fn if_few_left(&mut self) -> Vec<W> {
        let few = self.len <= Self::FEW || self.timer_holders.is_empty();
        if !self.some_without_timer || !few {
            return Vec::new();
        }
        self.some_without_timer = false;
        self.by_timer(false)
    }

    /// The calls whose timers have not rung.
    pub(super) fn timer_holders(&self) -> Vec<W> {
        self.by_timer(true)
    }

    fn by_timer(&self, holds: bool) -> Vec<W> {
        let in_line = (self.base..).zip(&self.line);
        let in_line = in_line.filter_map(|(number, place)| Some((number, place.as_ref()?)));
        let others = self.returned.iter().chain(&self.skipped);
        let all = others.map(|(number, waiting)| (*number, waiting));
        all.chain(in_line)
            .filter(|(number, _)| self.timer_holders.contains(number) == holds)
            .map(|(_, waiting)| waiting.waker.clone())
            .collect()
    }

    /// The wakers of all calls.
    pub(super) fn all(&self) -> Vec<W> {
        let waiting = self.iter();
        waiting.map(|waiting| waiting.waker.clone()).collect()
    }

    fn iter(&self) -> impl Iterator<Item = &Waiter<W>> {
        let in_line = self.line.iter().flatten();
        self.returned
            .values()
            .chain(in_line)
            .chain(self.skipped.values())
    }
}

#[cfg(test)]
mod tests;
