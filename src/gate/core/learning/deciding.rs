//! Until when a call is kept by what was learned, and by what part of it.

use std::time::Duration;

use super::super::blocked::{Blocked, Reason};
use super::pattern::Pattern;
use super::{KNOWN_AFTER, Learner};
use crate::time::Moment;

/// If no call in flight is answered for this long, one more may go: a probe that hangs must not hold up the others.
pub(super) const SILENCE: Duration = Duration::from_secs(2);

/// The first calls to a scope of which nothing is known, sent at once. Half are answered before another leaves.
const FIRST_SALVO: u32 = 64;

/// The most calls in flight as long as nothing is known.
const MOST_UNKNOWN: u32 = 256;

impl Learner {
    /// Whether [`blocked`](Self::blocked) would say `None`, told quickly.
    /// It may say no where that is not so.
    #[inline]
    pub(crate) fn is_open(&self, cost: u32, in_flight: u32, now: Moment) -> bool {
        self.pattern.is_none()
            && self.lesson.is_none()
            && !self.ramp.is_full()
            && in_flight < self.opening()
            && self.counters.has_slot(cost, in_flight, now)
    }

    /// Until when one more call is kept, as far as is known, and by what.
    pub(crate) fn blocked(&mut self, cost: u32, in_flight: u32, now: Moment) -> Option<Blocked> {
        if self.lesson.is_some() {
            self.settle(now);
        }
        self.counters.roll(in_flight, self.sequence, now);
        let until = |until, reason| Blocked::until(until, reason, now);
        let answer = self.last_sent + SILENCE;
        if self.ramp.is_full() || in_flight >= self.opening() {
            return until(answer, Reason::SlowStart);
        }
        let Some(pattern) = self.pattern.as_deref() else {
            return self.blocked_by_counters(cost, in_flight, now);
        };
        if in_flight >= pattern.at_once() {
            self.cycle.held_by_at_once |= pattern.is_over(&self.cycle, now);
            return until(answer, Reason::ConcurrencyLimit);
        }
        if let Some(blocked) = self.blocked_by_counters(cost, in_flight, now) {
            return Some(blocked);
        }
        let promises = self.counters.promises(in_flight, self.cycle.first);
        let pattern = self.pattern.as_deref()?;
        let (moment, reason) = pattern.next(&self.cycle, answer, promises, self.round_trip, now)?;
        until(moment, reason)
    }

    /// Until when the counters of the server keep a call.
    fn blocked_by_counters(&mut self, cost: u32, in_flight: u32, now: Moment) -> Option<Blocked> {
        if self.counters.left(in_flight)? >= i64::from(cost) || self.is_longer_on_the_way() {
            return None;
        }
        let (until, reason) = match (self.counters.resets(), &mut self.pattern) {
            (Some(resets), _) => (resets, Reason::ServerQuota),
            (None, _) if in_flight > 0 => (self.last_sent + SILENCE, Reason::ServerQuota),
            (None, Some(pattern)) if !pattern.is_over(&self.cycle, now) => (
                pattern.on_counter_spent(&mut self.cycle, self.round_trip),
                Reason::LearnedWindow,
            ),
            // Nothing says when there is more: one call asks.
            (None, _) => return None,
        };
        Blocked::until(until, reason, now)
    }

    /// Whether one more call asks in a cycle whether there is more, since a counter says that nothing is left.
    pub(super) fn asks(&self, cost: u32, in_flight: u32) -> bool {
        let is_spent = |left| left < i64::from(cost);
        self.cycle.counted_out.is_some() && self.counters.left(in_flight).is_some_and(is_spent)
    }

    /// Whether the declared or the learned limit decides, since calls are on their way for as long as its window:
    /// those in flight do not belong to the window of which a counter speaks.
    fn is_longer_on_the_way(&self) -> bool {
        // A reset that is published says more than what was learned.
        let is_published = self.counters.resets().is_some();
        let learned = self.pattern.as_deref().filter(|_| !is_published);
        let learned = learned.and_then(Pattern::window);
        let published = self.counters.limit();
        let declared = self.declared.map(|rate| rate.window_of(published));
        declared.or(learned).is_some_and(|(limit, length)| {
            2 * self.round_trip() >= length && self.counters.leaves_some_of(limit)
        })
    }

    /// How many may be in flight as long as nothing is known.
    #[inline]
    fn opening(&self) -> u32 {
        if self.served >= KNOWN_AFTER || self.pattern.is_some() || self.declared.is_some() {
            u32::MAX
        } else if self.answered < FIRST_SALVO / 2 {
            FIRST_SALVO - self.answered
        } else {
            MOST_UNKNOWN.min(FIRST_SALVO / 2 + self.answered)
        }
    }
}
