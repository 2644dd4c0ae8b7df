//! Learns from refusals that the calls of a declared quota have to be paced.
//!
//! A server may refuse although slots are left: it counts by a sliding counter, or by a bucket that holds less than the
//! quota. One such refusal may have another cause: another program that uses the same key. After several refusals with
//! few calls between them, calls are paced. If that does not help, pacing ends; if it does, the calls go without it now
//! and then, and more rarely each time.

use std::time::Duration;

use crate::time::Moment;

/// Weighs refusals, and what lies between them, counted in calls and not in time: a minute's wait is long for a window of
/// two seconds and says nothing.
#[derive(Debug)]
pub(crate) struct PacingDetector {
    /// The generation of the calls of which the last was refused: all of those are one refusal.
    last_refused: Option<u16>,
    /// Calls served since.
    served_since: u64,
    /// The weight of the refusals that were close to each other.
    weight: u32,
    /// The weight at which pacing begins.
    threshold: u32,
    pacing: Option<PacingPeriod>,
    /// After as many windows of calls pacing ends, to see whether it is still needed.
    max_windows: u64,
    /// When this half of a window ends, and when it began.
    half_ends: Moment,
    half_began: Moment,
    /// Calls served in this half of a window, and in the one before it.
    served_lately: [u32; 2],
}

/// Since when calls are paced, and how many were served since.
#[derive(Clone, Copy, Debug)]
struct PacingPeriod {
    since: Moment,
    served: u64,
}

/// The quota of which a call was refused or served.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LearnableQuota {
    pub(crate) limit: u32,
    pub(crate) length: Duration,
}

impl Default for PacingDetector {
    fn default() -> Self {
        Self {
            last_refused: None,
            served_since: 0,
            weight: 0,
            threshold: 2 * Self::EARLY,
            pacing: None,
            max_windows: 30,
            half_ends: Moment::START,
            half_began: Moment::START,
            served_lately: [0; 2],
        }
    }
}

impl PacingDetector {
    /// The weight of a refusal if few of the calls just before it were served. If many were, the other slots may have
    /// been used by another program. Both by the simulations of the bench `quota`.
    const EARLY: u32 = 5;
    const LATE: u32 = 1;
    /// Two refusals with 10 windows of calls between have nothing to do with each other.
    const UNRELATED: u64 = 10;
    /// Neither the threshold nor the windows of pacing grow beyond this.
    const MAX: u32 = 1_000;

    pub(crate) fn is_pacing(&self) -> bool {
        self.pacing.is_some()
    }

    /// Notes that a call was refused though there were slots.
    pub(crate) fn on_refusal(&mut self, generation: u16, quota: LearnableQuota, now: Moment) {
        // Generations wrap around; no call is in flight for half of them.
        let is_known = |last: u16| last.wrapping_sub(generation) < u16::MAX / 2;
        if self.last_refused.is_some_and(is_known) {
            return;
        }
        self.last_refused = Some(generation);
        let served_since = std::mem::take(&mut self.served_since);
        if let Some(pacing) = self.pacing {
            // What was sent before still weighs for a window.
            let too_soon = now < pacing.since + quota.length * 2;
            let unrelated = windows(served_since, quota.limit) >= Self::UNRELATED;
            if !too_soon && !unrelated {
                self.pacing = None;
                self.weight = 0;
                self.threshold = (self.threshold * 4).min(Self::MAX);
            }
            return;
        }
        self.advance(quota.length, now);
        let is_early = self.served_lately.iter().sum::<u32>() < quota.limit.div_ceil(2);
        self.weight += if is_early { Self::EARLY } else { Self::LATE };
        if self.weight >= self.threshold {
            self.pacing = Some(PacingPeriod {
                since: now,
                served: 0,
            });
        }
    }

    /// Notes that a call was served.
    #[inline]
    pub(crate) fn on_success(&mut self, quota: LearnableQuota, now: Moment) {
        self.advance(quota.length, now);
        self.served_lately[0] = self.served_lately[0].saturating_add(1);
        if self.weight > 0 {
            self.forget_after(quota.limit);
        }
    }

    /// Forgets refusals, or ends pacing, after enough windows of calls.
    fn forget_after(&mut self, limit: u32) {
        self.served_since += 1;
        if let Some(pacing) = &mut self.pacing {
            pacing.served += 1;
            if windows(pacing.served, limit) >= self.max_windows {
                // One refusal is enough to begin it again.
                self.pacing = None;
                self.weight = self.threshold.saturating_sub(Self::EARLY).max(1);
                self.served_since = 0;
                self.max_windows = (self.max_windows * 2).min(u64::from(Self::MAX));
            }
        } else if windows(self.served_since, limit) >= Self::UNRELATED.max(self.max_windows / 6) {
            self.weight = 0;
        }
    }

    #[inline]
    fn advance(&mut self, length: Duration, now: Moment) {
        if now >= self.half_ends {
            self.next_half(length, now);
        }
    }

    fn next_half(&mut self, length: Duration, now: Moment) {
        let is_next = now < self.half_began + length;
        let last = if is_next { self.served_lately[0] } else { 0 };
        self.served_lately = [0, last];
        self.half_began = now;
        self.half_ends = now + length / 2;
    }
}

/// How many windows this many calls fill.
fn windows(calls: u64, limit: u32) -> u64 {
    calls / u64::from(limit.max(1))
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
        detector.pacing = Some(PacingPeriod {
            since: now,
            served: almost,
        });
        detector.on_success(of, now);
        assert!(!detector.is_pacing());
    }
}
