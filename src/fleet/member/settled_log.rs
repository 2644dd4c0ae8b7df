//! What a member has settled within one window.

use std::collections::VecDeque;
use std::num::NonZeroU64;
use std::time::Duration;

use crate::fleet::ledger::Settled;
use crate::time::{Moment, nanos};

/// The settled costs of the last window, oldest first.
///
/// Time is cut into 256ths of the window. What is settled within one of them counts from its end, and never too early.
#[derive(Debug)]
pub(super) struct SettledLog {
    length: Duration,
    part: NonZeroU64,
    entries: VecDeque<(Moment, u64)>,
    sum: u64,
}

impl SettledLog {
    pub(super) fn new(length: Duration) -> Self {
        Self {
            length,
            part: NonZeroU64::new(nanos(length) / 256).unwrap_or(NonZeroU64::MIN),
            entries: VecDeque::new(),
            sum: 0,
        }
    }

    pub(super) fn add(&mut self, settled_at: Moment, count: u64) {
        let end = self.end_of_part(settled_at);
        match self.entries.back_mut() {
            _ if count == 0 => return,
            Some((last, sum)) if *last >= end => *sum += count,
            _ => self.entries.push_back((end, count)),
        }
        self.sum += count;
    }

    fn end_of_part(&self, moment: Moment) -> Moment {
        let slices = moment.slices(self.part);
        let start = Moment::after_slices(slices, self.part);
        match start < moment {
            true => Moment::after_slices(slices + 1, self.part),
            false => start,
        }
    }

    /// How much of the window is used now.
    pub(super) fn used(&mut self, now: Moment) -> u64 {
        while let Some((at, count)) = self.entries.front() {
            if *at + self.length > now {
                break;
            }
            self.sum -= count;
            self.entries.pop_front();
        }
        self.sum
    }

    /// When so much of it is used no more, if nothing is added.
    pub(super) fn free_at(&self, count: u64) -> Option<Moment> {
        let mut freed = 0;
        self.entries.iter().find_map(|(at, entry)| {
            freed += entry;
            (freed >= count).then(|| *at + self.length)
        })
    }

    /// Takes out the oldest of so much that was told to the ledger.
    pub(super) fn remove_oldest(&mut self, count: u64) {
        let mut left = count.min(self.sum);
        self.sum -= left;
        while let Some((_, first)) = self.entries.front_mut() {
            let taken = left.min(*first);
            *first -= taken;
            left -= taken;
            if *first > 0 {
                break;
            }
            self.entries.pop_front();
        }
    }

    #[cfg(all(test, not(model)))]
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn clear(&mut self) {
        self.entries.clear();
        self.sum = 0;
    }

    /// What the ledger is told of it.
    pub(super) fn entries(&self, now: Moment) -> Vec<Settled> {
        let settled = self.entries.iter().map(|(at, count)| Settled {
            age: now.since(*at),
            count: u32::try_from(*count).unwrap_or(u32::MAX),
        });
        settled.collect()
    }
}

#[cfg(all(test, not(model)))]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn at(millis: u64) -> Moment {
        Moment::START + Duration::from_secs(1_000) + Duration::from_millis(millis)
    }

    #[test]
    fn what_was_settled_counts_for_a_window_and_never_shorter() {
        let mut log = SettledLog::new(SECOND);
        log.add(at(1), 3);
        log.add(at(500), 2);
        assert_eq!(log.used(at(1_000)), 5);
        assert_eq!(log.used(at(1_005)), 2);
        assert_eq!(log.used(at(1_499)), 2);
        assert_eq!(log.used(at(1_504)), 0);
    }

    #[test]
    fn it_stays_small_whatever_is_added() {
        let mut log = SettledLog::new(SECOND);
        for micros in 0..1_000_000 {
            let now = at(0) + Duration::from_micros(micros);
            log.used(now);
            log.add(now, 1);
        }
        assert!(log.entries.len() <= 258, "{}", log.entries.len());
    }

    #[test]
    fn it_says_when_enough_is_free() {
        let mut log = SettledLog::new(SECOND);
        assert_eq!(log.free_at(1), None);
        log.add(at(0), 2);
        log.add(at(500), 2);
        assert_eq!(log.free_at(2), Some(at(1_000)));
        let second = log.free_at(3).unwrap();
        assert!(second >= at(1_500) && second <= at(1_504));
        assert_eq!(log.free_at(5), None);
    }

    #[test]
    fn what_was_told_is_taken_out_oldest_first() {
        let mut log = SettledLog::new(SECOND);
        log.add(at(0), 2);
        log.add(at(500), 3);
        log.remove_oldest(3);
        let left: Vec<_> = log
            .entries(at(600))
            .iter()
            .map(|entry| entry.count)
            .collect();
        assert_eq!(left, [2]);
        log.remove_oldest(5);
        assert_eq!(log.entries(at(600)), []);
    }
}
