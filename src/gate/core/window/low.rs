//! Whether little is left of a declared window, and whether that is news.

use std::time::Duration;

use super::SlidingWindow;
use crate::gate::core::quota::{Quota, Spread};
use crate::time::Moment;

/// What is told when little is left of a declared quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LowWindow {
    pub(crate) limit: u32,
    /// Without what is reserved for urgent calls.
    pub(crate) remaining: u32,
    /// The length of the window.
    pub(crate) length: Duration,
    /// When the first of its slots is free.
    pub(crate) frees_in: Option<Duration>,
}

/// Tells once that little is left of a window, and again after half of it was free.
///
/// The slots of a sliding window become free one by one, and are taken again at once: a mark without a second one
/// would be passed each time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LowWatch {
    /// A higher number of taken slots is news.
    news_above: u32,
    /// A higher number of them leaves little.
    low_above: u32,
    /// At this number of them or below, enough is left again.
    enough_at: u32,
}

/// No more slots are ever taken, however much the calls cost.
const NEVER: u32 = u32::MAX;

/// Shorter windows are full again before a call loses its patience, by default 5 minutes: that they are empty is no news.
const SHORTEST: Duration = Duration::from_secs(5 * 60);

impl LowWatch {
    /// One that tells nothing.
    pub(super) const OFF: Self = Self {
        news_above: NEVER,
        low_above: NEVER,
        enough_at: 0,
    };

    /// That of a quota of which this part, in percent, is little.
    pub(super) fn of(quota: &Quota, percent: u8) -> Self {
        let is_long = quota.window().is_some_and(|length| length >= SHORTEST);
        let is_refilled_evenly = match quota.spread() {
            Spread::Anyhow => false,
            Spread::Bursts(burst) => burst < quota.limit(),
            Spread::Evenly => true,
        };
        match is_long && !is_refilled_evenly {
            true => Self::on(quota.limit(), quota.for_urgent, percent),
            false => Self::OFF,
        }
    }

    /// Counts what is `reserved` for urgent calls as taken: the other calls wait once only that is left.
    fn on(limit: u32, reserved: u32, percent: u8) -> Self {
        let little = u64::from(limit) * u64::from(percent) / 100;
        let limit = limit.saturating_sub(reserved);
        let low_from = u64::from(limit).saturating_sub(little) as u32;
        let low_above = low_from.saturating_sub(1);
        Self {
            news_above: low_above,
            low_above,
            enough_at: low_above.min(limit / 2),
        }
    }

    /// Whether this number of taken slots is news.
    #[inline]
    pub(super) fn is_news(&self, taken: u32) -> bool {
        taken > self.news_above
    }

    /// Notes that it is told.
    pub(super) fn on_told(&mut self) {
        self.news_above = NEVER;
    }

    /// Notes that slots have become free, and how many are still taken.
    pub(super) fn on_freed(&mut self, taken: u32) {
        if taken <= self.enough_at {
            self.news_above = self.low_above;
        }
    }
}

impl SlidingWindow {
    /// The windows of a quota, told when no more than this part of it is left, in percent.
    pub(in crate::gate::core) fn watched(
        quota: &Quota,
        percent: u8,
    ) -> impl Iterator<Item = Self> + use<> {
        let watch = LowWatch::of(quota, percent);
        Self::of(quota).map(move |window| Self {
            low: if window.burst_window {
                LowWatch::OFF
            } else {
                watch
            },
            ..window
        })
    }

    /// Whether little seems to be left, and that is news.
    #[inline]
    pub(in crate::gate::core) fn has_low_news(&self) -> bool {
        self.low.is_news(self.reserved)
    }

    /// Says what is left if that is little, once until half of it was free.
    pub(in crate::gate::core) fn take_low_news(&mut self, now: Moment) -> Option<LowWindow> {
        let frees = self.first_end(now);
        if !self.has_low_news() {
            return None;
        }
        self.low.on_told();
        Some(LowWindow {
            limit: self.limit,
            remaining: self
                .limit
                .saturating_sub(self.reserved.saturating_add(self.for_urgent)),
            length: self.length.duration(),
            frees_in: frees.map(|frees| frees.since(now)),
        })
    }

    /// Leaves it to the counters of the server to say what is left, if they have the same limit, and may be of this
    /// window. Of what is reserved for urgent calls they know nothing.
    #[inline]
    pub(in crate::gate::core) fn on_published(&mut self, limit: u32, resets_in: Option<Duration>) {
        if limit == self.limit && self.for_urgent == 0 {
            let is_longer = |resets_in| resets_in > self.longest_reset();
            if resets_in.is_some_and(is_longer) {
                // It is that of a longer window still when its reset is near.
                self.of_another = Some(limit);
            } else if self.of_another != Some(limit) {
                self.low = LowWatch::OFF;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(quota: Quota) -> LowWatch {
        LowWatch::of(&quota, 10)
    }

    #[test]
    fn what_is_low_is_news_once_until_half_is_free() {
        let mut low = of(Quota::per_hour(5_000));
        assert!(!low.is_news(4_499));
        assert!(low.is_news(4_500));
        low.on_told();
        for taken in [4_499, 4_500, 5_000, 2_501, 4_500] {
            low.on_freed(taken);
            assert!(!low.is_news(taken), "{taken}");
        }
        low.on_freed(2_500);
        assert!(!low.is_news(4_499));
        assert!(low.is_news(4_500));
    }

    #[test]
    fn each_part_has_its_marks() {
        let marks = |limit, percent| {
            let low = LowWatch::of(&Quota::per_day(limit), percent);
            (low.low_above, low.enough_at)
        };
        assert_eq!(marks(40, 0), (39, 20));
        assert_eq!(marks(40, 10), (35, 20));
        assert_eq!(marks(40, 75), (9, 9));
        assert_eq!(marks(40, 100), (0, 0));
        assert_eq!(marks(40, 255), (0, 0));
        assert_eq!(marks(5, 10), (4, 2));
        assert_eq!(marks(1, 10), (0, 0));
        assert_eq!(marks(u32::MAX, 10), (3_865_470_565, 2_147_483_647));
    }

    #[test]
    fn what_is_reserved_for_urgent_calls_is_not_left() {
        let marks = |reserved| {
            let low = of(Quota::per_day(40).reserved_for_urgent(reserved));
            (low.low_above, low.enough_at)
        };
        assert_eq!(marks(1), (34, 19));
        assert_eq!(marks(20), (15, 10));
        assert_eq!(marks(36), (0, 0));
        assert_eq!(marks(39), (0, 0));
    }

    #[test]
    fn costs_beyond_all_numbers_are_told_once() {
        assert!(!LowWatch::OFF.is_news(u32::MAX));
        let mut low = of(Quota::per_hour(40));
        assert!(low.is_news(u32::MAX));
        low.on_told();
        assert!(!low.is_news(u32::MAX));
    }

    #[test]
    fn only_windows_of_five_minutes_or_more_are_watched() {
        let new = |seconds| of(Quota::new(40, Duration::from_secs(seconds)));
        assert_ne!(new(300), LowWatch::OFF);
        assert_eq!(new(299), LowWatch::OFF);
        assert_eq!(of(Quota::concurrent(40)), LowWatch::OFF);
    }

    #[test]
    fn what_is_refilled_evenly_is_not_watched() {
        assert_eq!(of(Quota::per_hour(40).paced()), LowWatch::OFF);
        assert_eq!(of(Quota::per_hour(40).burst(39)), LowWatch::OFF);
        assert_ne!(of(Quota::per_hour(40).burst(40)), LowWatch::OFF);
    }
}
