//! What refusals teach about a declared quota whose calls may lie anyhow in their window.
//!
//! A server may refuse although places are left: it counts by a sliding counter, or by a bucket that holds less than
//! the quota. One such refusal may have another cause, a key that somebody else has used, say. After the second, if
//! not many calls lie between them, the calls are spread evenly. If that does not help, they are so no longer; if it
//! does, it is tried without after many calls, and more rarely each time.

/// Refusals and what lies between them, counted in calls: so a minute's wait for a window of two seconds is no time.
#[derive(Debug)]
pub(super) struct Lessons {
    /// The number of closings when the calls were sent of which the last was refused: all those are one.
    under: Option<u16>,
    /// So many were accepted since.
    accepted: u32,
    /// Refusals that were not far from each other.
    refusals: u32,
    /// So many of them teach.
    needed: u32,
    spread: bool,
    /// After so many windows of calls without a refusal they are no longer spread.
    lasts: u32,
}

impl Default for Lessons {
    fn default() -> Self {
        Self {
            under: None,
            accepted: 0,
            refusals: 0,
            needed: 2,
            spread: false,
            lasts: 30,
        }
    }
}

/// What follows from a refusal or from many calls without one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lesson {
    Spread,
    SpreadNoLonger,
}

impl Lessons {
    /// Two refusals with so many windows of calls between have nothing to do with each other.
    const APART: u32 = 10;
    const LONGEST: u32 = 1_000;

    /// A call of a quota of so many was refused, though there were places.
    pub(super) fn refused(&mut self, under: u16, limit: u32) -> Option<Lesson> {
        if self.under == Some(under) {
            return None;
        }
        self.under = Some(under);
        let since = std::mem::take(&mut self.accepted);
        if self.spread {
            let helps = since >= limit;
            return (!helps).then(|| self.give_up());
        }
        self.refusals += 1;
        self.spread = self.refusals >= self.needed;
        self.spread.then_some(Lesson::Spread)
    }

    /// It was something else.
    fn give_up(&mut self) -> Lesson {
        self.spread = false;
        self.refusals = 0;
        self.needed = (self.needed * 4).min(Self::LONGEST);
        Lesson::SpreadNoLonger
    }

    /// Whether it matters what is accepted.
    #[inline]
    pub(super) fn are_begun(&self) -> bool {
        self.refusals > 0
    }

    pub(super) fn are_spread(&self) -> bool {
        self.spread
    }

    /// So many calls of a quota of so many were accepted.
    pub(super) fn accepted(&mut self, calls: u32, limit: u32) -> Option<Lesson> {
        self.accepted = self.accepted.saturating_add(calls);
        let windows = self.accepted / limit.max(1);
        if self.spread && windows >= self.lasts {
            self.spread = false;
            self.accepted = 0;
            // One refusal will be enough to know it again.
            self.refusals = self.needed - 1;
            self.lasts = (self.lasts * 2).min(Self::LONGEST);
            return Some(Lesson::SpreadNoLonger);
        }
        if !self.spread && windows >= Self::APART.max(self.lasts / 6) {
            self.refusals = 0;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: u32 = 20;

    fn taught() -> Lessons {
        let mut lessons = Lessons::default();
        assert_eq!(lessons.refused(0, LIMIT), None);
        assert_eq!(lessons.refused(1, LIMIT), Some(Lesson::Spread));
        lessons
    }

    #[test]
    fn the_second_refusal_teaches() {
        let mut lessons = Lessons::default();
        assert_eq!(lessons.refused(0, LIMIT), None);
        assert_eq!(lessons.refused(0, LIMIT), None, "of the same closing");
        assert_eq!(lessons.accepted(100, LIMIT), None);
        assert_eq!(lessons.refused(1, LIMIT), Some(Lesson::Spread));
    }

    #[test]
    fn refusals_with_many_calls_between_teach_nothing() {
        let mut lessons = Lessons::default();
        for closing in 0..5 {
            assert_eq!(lessons.refused(closing, LIMIT), None);
            assert_eq!(lessons.accepted(10 * LIMIT, LIMIT), None);
            assert!(!lessons.are_begun());
        }
    }

    #[test]
    fn what_helps_is_given_up_more_slowly_each_time_and_taken_up_again_at_once() {
        let mut lessons = taught();
        for (closing, windows) in [(2, 30), (3, 60), (4, 120), (5, 240)] {
            assert_eq!(lessons.accepted(windows * LIMIT - 1, LIMIT), None);
            let last = lessons.accepted(1, LIMIT);
            assert_eq!(last, Some(Lesson::SpreadNoLonger));
            assert_eq!(lessons.accepted(2 * LIMIT, LIMIT), None);
            assert_eq!(lessons.refused(closing, LIMIT), Some(Lesson::Spread));
        }
    }

    #[test]
    fn what_does_not_help_is_given_up_at_once_and_hardly_tried_again() {
        let mut lessons = taught();
        lessons.accepted(LIMIT - 1, LIMIT);
        assert_eq!(lessons.refused(2, LIMIT), Some(Lesson::SpreadNoLonger));
        for closing in 3..10 {
            assert_eq!(lessons.refused(closing, LIMIT), None);
        }
        assert_eq!(lessons.refused(10, LIMIT), Some(Lesson::Spread));
    }

    #[test]
    fn a_refusal_now_and_then_does_not_mean_that_it_does_not_help() {
        let mut lessons = taught();
        lessons.accepted(29 * LIMIT, LIMIT);
        assert_eq!(lessons.refused(2, LIMIT), None);
        assert_eq!(lessons.accepted(29 * LIMIT, LIMIT), None);
        assert!(lessons.are_spread());
    }
}
