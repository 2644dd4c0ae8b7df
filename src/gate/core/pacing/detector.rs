//! What refusals teach about declared quotas whose calls may lie anyhow in their windows.
//!
//! A server may refuse although places are left: it counts by a sliding counter, or by a bucket that holds less than
//! the quota. One such refusal may have another cause, a key that somebody else has used, say. After some, if not many
//! calls lie between them, the calls are spread evenly. If that does not help, they are so no longer; if it does, it is
//! tried without after many calls, and more rarely each time.

use std::time::Duration;

use crate::time::Moment;

/// Refusals, and what lies between them, counted in calls: so a minute's wait for a window of two seconds is no time.
#[derive(Debug)]
pub(crate) struct PacingDetector {
    /// The number of closings when the calls were sent of which the last was refused: all those are one.
    under: Option<u16>,
    /// So many were accepted since.
    between: u64,
    /// What the refusals weigh that were not far from each other,
    weigh: u32,
    /// and what they have to weigh.
    teaches: u32,
    /// Since when calls are spread, and how many were accepted since.
    spread: Option<(Moment, u64)>,
    /// After so many windows of calls they are no longer spread.
    lasts: u64,
    /// Accepted in this half of a window, and in the one before it.
    half: Moment,
    lately: [u32; 2],
}

/// Of which quota a call was refused or accepted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LearnableQuota {
    pub(crate) limit: u32,
    pub(crate) length: Duration,
}

impl Default for PacingDetector {
    fn default() -> Self {
        Self {
            under: None,
            between: 0,
            weigh: 0,
            teaches: 2 * Self::EARLY,
            spread: None,
            lasts: 30,
            half: Moment::START,
            lately: [0; 2],
        }
    }
}

impl PacingDetector {
    /// What a refusal weighs if few of the calls just before were accepted. If many were, the rest of the places may
    /// well be somebody else's.
    const EARLY: u32 = 5;
    const LATE: u32 = 1;
    /// Two refusals with so many windows of calls between have nothing to do with each other.
    const APART: u64 = 10;
    const MOST: u32 = 1_000;

    pub(crate) fn is_pacing(&self) -> bool {
        self.spread.is_some()
    }

    /// A call was refused, though there were places.
    pub(crate) fn on_refusal(&mut self, under: u16, of: LearnableQuota, now: Moment) {
        // Epochs wrap around; no call is on its way for half of them.
        let known = |last: u16| last.wrapping_sub(under) < u16::MAX / 2;
        if self.under.is_some_and(known) {
            return;
        }
        self.under = Some(under);
        let between = std::mem::take(&mut self.between);
        if let Some((since, _)) = self.spread {
            // What was sent before still weighs for a window.
            let too_soon = now < since + of.length * 2;
            let far_apart = Self::windows(between, of.limit) >= Self::APART;
            if !too_soon && !far_apart {
                self.spread = None;
                self.weigh = 0;
                self.teaches = (self.teaches * 4).min(Self::MOST);
            }
            return;
        }
        self.roll(of.length, now);
        let early = self.lately.iter().sum::<u32>() < of.limit.div_ceil(2);
        self.weigh += if early { Self::EARLY } else { Self::LATE };
        if self.weigh >= self.teaches {
            self.spread = Some((now, 0));
        }
    }

    /// A call was served.
    #[inline]
    pub(crate) fn on_success(&mut self, of: LearnableQuota, now: Moment) {
        self.roll(of.length, now);
        self.lately[0] = self.lately[0].saturating_add(1);
        if self.weigh > 0 {
            self.none_refused(of.limit);
        }
    }

    fn none_refused(&mut self, limit: u32) {
        self.between += 1;
        if let Some((_, served)) = &mut self.spread {
            *served += 1;
            if Self::windows(*served, limit) >= self.lasts {
                // One refusal will be enough to know it again.
                self.spread = None;
                self.weigh = self.teaches.saturating_sub(Self::EARLY).max(1);
                self.between = 0;
                self.lasts = (self.lasts * 2).min(u64::from(Self::MOST));
            }
        } else if Self::windows(self.between, limit) >= Self::APART.max(self.lasts / 6) {
            self.weigh = 0;
        }
    }

    /// So many windows full are so many calls.
    fn windows(calls: u64, limit: u32) -> u64 {
        calls / u64::from(limit.max(1))
    }

    /// The halves of windows go by.
    #[inline]
    fn roll(&mut self, length: Duration, now: Moment) {
        let passed = now.since(self.half);
        if passed >= length / 2 {
            let last = if passed < length { self.lately[0] } else { 0 };
            self.lately = [0, last];
            self.half = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OF: LearnableQuota = LearnableQuota {
        limit: 20,
        length: Duration::from_secs(2),
    };

    /// A quota, and the time as it goes by with its calls.
    struct Course {
        detector: PacingDetector,
        now: Moment,
        closing: u16,
    }

    impl Course {
        fn new() -> Self {
            Self {
                detector: PacingDetector::default(),
                now: Moment::now(),
                closing: 0,
            }
        }

        fn passes(&mut self, windows: u32) {
            self.now += OF.length * windows;
        }

        /// A window later, before anything else is accepted.
        fn refused_early(&mut self) -> bool {
            self.passes(1);
            self.on_refusal()
        }

        fn on_refusal(&mut self) -> bool {
            self.detector.on_refusal(self.closing, OF, self.now);
            self.closing += 1;
            self.detector.is_pacing()
        }

        fn on_success(&mut self, calls: u32) -> bool {
            (0..calls).for_each(|_| self.detector.on_success(OF, self.now));
            self.detector.is_pacing()
        }

        fn detected() -> Self {
            let mut course = Self::new();
            assert!(!course.refused_early());
            assert!(course.refused_early());
            course
        }
    }

    #[test]
    fn two_early_refusals_teach_and_ten_of_others() {
        Course::detected();
        let mut course = Course::new();
        for _ in 0..9 {
            course.passes(2);
            course.on_success(14);
            assert!(!course.on_refusal());
        }
        course.on_success(14);
        assert!(course.on_refusal());
    }

    #[test]
    fn of_a_quota_of_one_call_they_teach_too() {
        let of = LearnableQuota { limit: 1, ..OF };
        let (mut detector, mut now) = (PacingDetector::default(), Moment::now());
        for closing in 0..2 {
            detector.on_success(of, now);
            now += of.length;
            detector.on_refusal(closing, of, now);
        }
        assert!(detector.is_pacing());
    }

    #[test]
    fn refusals_of_one_closing_or_of_an_older_one_are_one() {
        let mut course = Course::new();
        course.refused_early();
        for under in [0, 0, u16::MAX, u16::MAX - 7] {
            course.detector.on_refusal(under, OF, course.now);
        }
        assert!(!course.detector.is_pacing());
        assert!(course.refused_early());
        course.passes(5);
        course.detector.on_refusal(0, OF, course.now);
        assert!(course.detector.is_pacing());
    }

    #[test]
    fn refusals_with_many_calls_between_teach_nothing() {
        let mut course = Course::new();
        for _ in 0..9 {
            assert!(!course.refused_early());
            assert!(!course.on_success(10 * OF.limit));
        }
    }

    #[test]
    fn refusals_while_what_was_sent_before_still_weighs_prove_nothing() {
        let mut course = Course::detected();
        assert!(course.on_refusal());
        assert!(course.refused_early());
        course.passes(1);
        assert!(!course.on_refusal(), "it does not help");
    }

    #[test]
    fn what_does_not_help_is_given_up_and_hardly_tried_again() {
        let mut course = Course::new();
        course.refused_early();
        assert!(course.refused_early());
        course.passes(2);
        course.on_success(10 * OF.limit - 1);
        assert!(!course.on_refusal());
        for _ in 0..7 {
            assert!(!course.refused_early());
        }
        assert!(course.refused_early());
    }

    #[test]
    fn a_refusal_now_and_then_does_not_mean_that_it_does_not_help() {
        let mut course = Course::new();
        course.refused_early();
        assert!(course.refused_early());
        for _ in 0..2 {
            course.passes(2);
            course.on_success(10 * OF.limit);
            assert!(course.on_refusal());
        }
        assert!(
            !course.on_success(10 * OF.limit),
            "nor does it make it last"
        );
    }

    #[test]
    fn what_helps_is_given_up_more_rarely_each_time_and_taken_up_again_at_once() {
        let mut course = Course::detected();
        for windows in [30, 60, 120, 240] {
            assert!(course.on_success(windows * OF.limit - 1));
            assert!(!course.on_success(1));
            assert!(!course.on_success(4 * OF.limit));
            assert!(course.refused_early());
        }
    }

    #[test]
    fn a_huge_quota_is_spread_no_longer_some_day() {
        let limit = u32::MAX;
        let of = LearnableQuota { limit, ..OF };
        let (mut detector, now) = (PacingDetector::default(), Moment::now());
        detector.on_refusal(0, of, now);
        detector.on_refusal(1, of, now);
        assert!(detector.is_pacing());
        let almost = 30 * u64::from(limit) - 1;
        detector.spread = Some((now, almost));
        detector.on_success(of, now);
        assert!(!detector.is_pacing());
    }
}
