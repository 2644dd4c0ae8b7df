//! Whether calls at once are to blame for a refusal, or the calls of a cycle.

use super::at_once::AtOnce;
use super::cycle::{Cycle, RefusalWait};
use super::lesson::Lesson;
use super::pattern::Pattern;
use super::round_trip::RoundTrip;

impl Pattern {
    /// Blames the calls at once if twice in a row far fewer were sent than a cycle holds, but more at once than were
    /// served so lately, and about as many of them took a place. A wait that is named speaks of a window.
    /// Returns whether they are to blame.
    pub(super) fn learn_from_crowd(&mut self, lesson: &Lesson, cycle: &Cycle, served: u32) -> bool {
        let before = self.crowd.take();
        let is_far_from_limit = self.limit.is_some_and(|limit| served < limit / 2);
        let is_question = self.at_once.limit > self.at_once.safe;
        let may_be_at_once =
            lesson.is_crowded && lesson.beside > 0 && matches!(lesson.wait, RefusalWait::Floor(_));
        if !may_be_at_once || !is_far_from_limit || is_question {
            return false;
        }
        // Of those that were on their way together, these were not refused. If all were, a window was spent.
        let took = (lesson.beside + 1).saturating_sub(cycle.refused);
        if took == 0 {
            return false;
        }
        let took = took.min(lesson.beside);
        self.crowd = Some(took);
        let is_as_before = before.is_some_and(|before| took.abs_diff(before) <= (took / 4).max(1));
        if !is_as_before || lesson.beside > self.at_once.limit {
            return false;
        }
        let fewer = (self.at_once.limit - 1).max(1);
        self.at_once = AtOnce {
            served,
            ..AtOnce::of(took.min(fewer))
        };
        true
    }

    /// Blames the calls at once for the refusal, if they held the calls back. Returns whether they did.
    pub(super) fn lower_at_once(
        &mut self,
        cycle: &Cycle,
        served: u32,
        round_trip: RoundTrip,
    ) -> bool {
        let AtOnce { limit, safe, .. } = self.at_once;
        if !self.at_once.is_limited() {
            return false;
        }
        if limit > safe {
            self.at_once.failures += 1;
            self.at_once.limit = safe;
            return true;
        }
        if self.limit.is_some() || !(cycle.held_by_at_once || served >= limit) {
            return false;
        }
        let is_as_before = served.abs_diff(self.at_once.served) <= served / 8;
        if is_as_before && served >= 2 * limit {
            return false; // as many as before, with fewer at once: it is a window
        }
        if limit <= 1 {
            self.at_once.give_up();
            (self.limit, self.length) = (Some(1), round_trip.mean());
            return true;
        }
        let lower = limit - (limit / 16).max(1);
        self.at_once = AtOnce {
            served,
            ..AtOnce::of(lower)
        };
        true
    }

    /// Gives the limit up if twice as many calls were served in one cycle: then it is the calls at once that are limited.
    pub(super) fn give_up_limit_if_at_once(&mut self, cycle: &Cycle) {
        let refused = cycle.refused + cycle.extras.refused;
        let served = cycle.answered.saturating_sub(refused);
        if self.limit.is_some()
            && self.at_once.is_limited()
            && served >= cycle.limit * 2 + 3
            && cycle.most_in_flight >= self.at_once.limit
        {
            self.limit = None;
            self.forget_calls();
        }
    }
}
