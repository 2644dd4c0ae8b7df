//! Who waits at a gate, in order of arrival.

use std::collections::BTreeMap;
use std::task::Waker;
use std::time::Instant;

/// The waiting calls by their number of arrival. A call keeps its number when it is refused and
/// comes back, so that nobody overtakes it.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    arrivals: u64,
    waiting: BTreeMap<u64, Waiting>,
    /// No waiting call's patience ends before this.
    soonest: Option<Instant>,
}

#[derive(Debug)]
struct Waiting {
    waker: Waker,
    latest: Instant,
}

impl Queue {
    /// A number for a new call.
    pub(crate) fn arrive(&mut self) -> u64 {
        self.arrivals += 1;
        self.arrivals
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether nobody with a lower number waits.
    pub(crate) fn is_first(&self, number: u64) -> bool {
        self.waiting
            .first_key_value()
            .is_none_or(|(first, _)| *first >= number)
    }

    /// Takes a place in the queue, or keeps it. Returns the waker that was there before, which may
    /// own anything and so has to be dropped when the lock is free.
    pub(crate) fn wait(&mut self, number: u64, latest: Instant, waker: Waker) -> Option<Waker> {
        self.soonest = Some(self.soonest.map_or(latest, |soonest| soonest.min(latest)));
        let before = self.waiting.insert(number, Waiting { waker, latest });
        before.map(|waiting| waiting.waker)
    }

    /// Gives the place up. Returns the waker that was there.
    pub(crate) fn leave(&mut self, number: u64) -> Option<Waker> {
        let left = self.waiting.remove(&number);
        if self.waiting.is_empty() {
            self.soonest = None;
        }
        left.map(|waiting| waiting.waker)
    }

    /// The next one to be woken.
    pub(crate) fn first(&self) -> Option<Waker> {
        let (_, first) = self.waiting.first_key_value()?;
        Some(first.waker.clone())
    }

    /// The wakers of all whose patience ends before `moment`.
    pub(crate) fn ending_before(&mut self, moment: Instant) -> Vec<Waker> {
        if self.soonest.is_none_or(|soonest| soonest >= moment) {
            return Vec::new();
        }
        let (ending, staying): (Vec<&Waiting>, Vec<&Waiting>) = self
            .waiting
            .values()
            .partition(|waiting| waiting.latest < moment);
        self.soonest = staying.iter().map(|waiting| waiting.latest).min();
        ending
            .into_iter()
            .map(|waiting| waiting.waker.clone())
            .collect()
    }
}
