//! Who waits at a gate, in order of arrival.

use std::collections::{BTreeMap, VecDeque};
use std::task::Waker;

use crate::moment::Moment;

/// The waiting calls by their number of arrival. A call keeps its number when it is refused and
/// comes back, so that nobody overtakes it.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    arrivals: u64,
    /// Those who wait for the first time, one after the other: a hundred thousand of them take three
    /// words each.
    line: VecDeque<Option<Waiting>>,
    /// The number of the first in the line.
    base: u64,
    /// Those who came back after the line had moved on, and go before it.
    returned: BTreeMap<u64, Waiting>,
    /// Those who were passed over, since they did not ask when they could have passed.
    absent: BTreeMap<u64, Waiting>,
    len: usize,
    /// Whether somebody in the line has no timer.
    some_sleep: bool,
    /// No waiting call's patience ends before this.
    soonest: Option<Moment>,
}

#[derive(Debug)]
struct Waiting {
    waker: Waker,
    latest: Moment,
}

impl Queue {
    /// With no more than this many, everybody looks at the clock.
    const FEW: usize = 64;
    /// Of more, the first does, and one in so many: should the first be asleep, it is noticed.
    const SENTINELS: u64 = 16;

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

    /// Whether this call needs a timer of its own; all others are woken in their turn.
    pub(crate) fn watches_the_clock(&mut self, number: u64) -> bool {
        let few = self.len <= Self::FEW;
        self.some_sleep |= !few;
        few || number % Self::SENTINELS == 0 || self.is_first(number)
    }

    /// When the patience of the first of all ends, or a little before.
    pub(crate) fn soonest(&self) -> Option<Moment> {
        self.soonest
    }

    /// Takes a place in the queue, or keeps it. Returns the waker that was there before, which may
    /// own anything and so has to be dropped when the lock is free.
    pub(crate) fn wait(&mut self, number: u64, latest: Moment, waker: Waker) -> Option<Waker> {
        self.soonest = Some(self.soonest.map_or(latest, |soonest| soonest.min(latest)));
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
        let at = (number - self.base) as usize;
        if at >= self.line.len() {
            self.line.resize_with(at + 1, || None);
        }
        &mut self.line[at]
    }

    /// Gives the place up. Returns the waker that was there.
    pub(crate) fn leave(&mut self, number: u64) -> Option<Waker> {
        let left = self.take(number);
        self.len -= usize::from(left.is_some());
        self.close_up();
        left.map(|waiting| waiting.waker)
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
            self.soonest = None;
            self.line.shrink_to(Self::FEW);
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

    /// The first `calls` could have passed and did not ask: the others go on without them, until they do.
    pub(crate) fn pass_over(&mut self, calls: usize) {
        for _ in 0..calls {
            let Some((first, _)) = self.first_present() else {
                return;
            };
            let absent = self.take(first);
            self.absent.extend(absent.map(|absent| (first, absent)));
            self.close_up();
        }
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

    /// Everybody in the line, once it has become so short that all of them have to look at the clock.
    pub(crate) fn few_left(&mut self) -> Vec<Waker> {
        if !self.some_sleep || self.len > Self::FEW {
            return Vec::new();
        }
        self.some_sleep = false;
        let waiting = self.line.iter().flatten();
        waiting.map(|waiting| waiting.waker.clone()).collect()
    }
}
