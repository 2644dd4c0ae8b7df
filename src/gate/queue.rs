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
    /// No waiting call's patience ends before this; an estimate, renewed whenever it is reached.
    soonest: Option<Instant>,
}

#[derive(Debug)]
struct Waiting {
    waker: Waker,
    latest: Instant,
}

impl Queue {
    /// A number for a call that has none yet. Numbers start at 1.
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

    pub(crate) fn wait(&mut self, number: u64, latest: Instant, waker: &Waker) {
        match self.waiting.get_mut(&number) {
            Some(waiting) => waiting.waker.clone_from(waker),
            None => {
                let waker = waker.clone();
                self.waiting.insert(number, Waiting { waker, latest });
            }
        }
        self.soonest = Some(self.soonest.map_or(latest, |soonest| soonest.min(latest)));
    }

    pub(crate) fn leave(&mut self, number: u64) {
        self.waiting.remove(&number);
        if self.waiting.is_empty() {
            self.soonest = None;
        }
    }

    /// The next one to be woken.
    pub(crate) fn first(&self) -> Option<Waker> {
        let (_, first) = self.waiting.first_key_value()?;
        Some(first.waker.clone())
    }

    pub(crate) fn soonest(&self) -> Option<Instant> {
        self.soonest
    }

    /// The wakers of all whose patience ends before `moment`.
    pub(crate) fn ending_before(&mut self, moment: Instant) -> Vec<Waker> {
        if self.soonest.is_none_or(|soonest| soonest >= moment) {
            return Vec::new();
        }
        self.soonest = self.waiting.values().map(|waiting| waiting.latest).min();
        self.waiting
            .values()
            .filter(|waiting| waiting.latest < moment)
            .map(|waiting| waiting.waker.clone())
            .collect()
    }
}
