//! The waiting calls of one priority, in order of arrival.

use std::collections::{BTreeMap, VecDeque};

use crate::time::Moment;

/// A waiting call: how it is woken, and when its patience ends.
#[derive(Debug)]
pub(super) struct Waiter<W> {
    pub(super) waker: W,
    pub(super) latest: Moment,
}

/// Waiting calls by their numbers of arrival.
/// A call keeps its number when it is refused and comes back, so that none overtakes it.
#[derive(Debug)]
pub(super) struct Line<W> {
    /// The number of the last call that arrived.
    arrivals: u64,
    len: usize,
    /// Calls that wait for the first time, one after the other, in three words each.
    places: VecDeque<Option<Waiter<W>>>,
    /// The number of the first place.
    base: u64,
    /// Calls that came back after the places had moved on, and go before them.
    returned: BTreeMap<u64, Waiter<W>>,
    /// Calls that were skipped, since they did not ask when they could have gone.
    skipped: BTreeMap<u64, Waiter<W>>,
}

impl<W> Line<W> {
    /// An empty place costs less than a call that came back, as long as there are no more of them.
    const FEW: usize = 64;

    /// A line whose numbers follow this one.
    pub(super) fn after(number: u64) -> Self {
        Self {
            arrivals: number,
            len: 0,
            places: VecDeque::new(),
            base: number,
            returned: BTreeMap::new(),
            skipped: BTreeMap::new(),
        }
    }

    /// Numbers a new call.
    pub(super) fn arrive(&mut self) -> u64 {
        self.arrivals += 1;
        self.arrivals
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Queues a call, or keeps its place. Returns what was there before.
    pub(super) fn park(&mut self, number: u64, waiting: Waiter<W>) -> Option<Waiter<W>> {
        if self.places.is_empty() {
            self.base = self.base.max(number);
        }
        let before = if number < self.base {
            let skipped = self.skipped.remove(&number);
            self.returned.insert(number, waiting).or(skipped)
        } else {
            self.place_of(number).replace(waiting)
        };
        self.len += usize::from(before.is_none());
        before
    }

    /// The place of a number that is not before the first.
    fn place_of(&mut self, number: u64) -> &mut Option<Waiter<W>> {
        let mut at = (number - self.base) as usize;
        if at >= self.places.len().max(Self::FEW + 4 * self.len) {
            self.restart(number);
            at = 0;
        }
        if at >= self.places.len() {
            self.places.resize_with(at + 1, || None);
        }
        &mut self.places[at]
    }

    /// Begins the places anew with this number, which lies far beyond their end: they are nearly empty.
    fn restart(&mut self, number: u64) {
        let places = std::mem::take(&mut self.places);
        let numbered = (self.base..).zip(places);
        let still_here = numbered.filter_map(|(number, place)| Some((number, place?)));
        self.returned.extend(still_here);
        self.base = number;
    }

    /// Takes a call out.
    pub(super) fn leave(&mut self, number: u64) -> Option<Waiter<W>> {
        let left = match number.checked_sub(self.base) {
            Some(at) => self.places.get_mut(at as usize).and_then(Option::take),
            None => {
                let returned = self.returned.remove(&number);
                returned.or_else(|| self.skipped.remove(&number))
            }
        };
        self.len -= usize::from(left.is_some());
        self.trim_front();
        left
    }

    pub(super) fn get(&self, number: u64) -> Option<&Waiter<W>> {
        match number.checked_sub(self.base) {
            Some(at) => self.places.get(at as usize)?.as_ref(),
            None => {
                let returned = self.returned.get(&number);
                returned.or_else(|| self.skipped.get(&number))
            }
        }
    }

    /// Forgets the empty places before the first call, and gives memory back when all are gone.
    fn trim_front(&mut self) {
        while let Some(None) = self.places.front() {
            self.places.pop_front();
            self.base += 1;
        }
        if self.len == 0 {
            self.places.shrink_to(Self::FEW);
        }
    }

    /// The first call that was not skipped.
    pub(super) fn first(&self) -> Option<(u64, &Waiter<W>)> {
        let returned = self.returned.first_key_value();
        // The places never begin with an empty one.
        let of_places = || Some((self.base, self.places.front()?.as_ref()?));
        let returned = returned.map(|(number, first)| (*number, first));
        returned.or_else(of_places)
    }

    pub(super) fn first_skipped(&self) -> Option<&Waiter<W>> {
        self.skipped.values().next()
    }

    /// Skips the first call, until it asks.
    pub(super) fn skip_first(&mut self) -> Option<&Waiter<W>> {
        let (number, _) = self.first()?;
        let skipped = self.leave(number)?;
        self.len += 1;
        Some(self.skipped.entry(number).or_insert(skipped))
    }

    /// All calls with their numbers.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, &Waiter<W>)> {
        let in_place = (self.base..).zip(&self.places);
        let in_place = in_place.filter_map(|(number, place)| Some((number, place.as_ref()?)));
        let others = self.returned.iter().chain(&self.skipped);
        others
            .map(|(number, waiting)| (*number, waiting))
            .chain(in_place)
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.places.capacity()
    }
}
