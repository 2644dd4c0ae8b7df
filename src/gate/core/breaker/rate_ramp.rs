//! The rate at which a server that has just come back is called.

use std::time::Duration;

use crate::time::Moment;

/// Limits the calls per second, evenly spread.
/// The rate doubles with every second that goes well, until one fails. What that second held is the new rate, less a
/// little; from there it grows back to just below the rate that failed, and only rarely beyond.
#[derive(Debug)]
pub(crate) struct RateRamp {
    per_second: u32,
    next: Moment,
    second: Moment,
    admitted: u32,
    /// Whether the second before needed the limit.
    used_before: bool,
    answered: u32,
    answered_before: u32,
    /// Failures of calls that were sent before this are old news.
    changed: Moment,
    /// The rate that was too high.
    too_fast: Option<u32>,
    /// Seconds since it was, or that did not need the limit.
    calm: u32,
}

impl RateRamp {
    const FIRST: u32 = 20;
    const SECOND: Duration = Duration::from_secs(1);
    /// After this many seconds that did not need the limit, it is given up.
    const CALM: u32 = 5;
    /// After this many seconds below a rate that failed, that rate is tried once more.
    const PATIENT: u32 = 30;

    pub(crate) fn new(now: Moment) -> Self {
        Self {
            per_second: Self::FIRST,
            next: now,
            second: now,
            admitted: 0,
            used_before: false,
            answered: 0,
            answered_before: 0,
            changed: now,
            too_fast: None,
            calm: 0,
        }
    }

    /// When the next call may go.
    pub(crate) fn next(&self) -> Moment {
        self.next
    }

    pub(crate) fn on_admit(&mut self, now: Moment) {
        self.roll(now);
        self.admitted += 1;
        self.next = self.next.max(now) + Self::SECOND / self.per_second;
    }

    pub(crate) fn on_answer(&mut self, now: Moment) {
        self.roll(now);
        self.answered += 1;
    }

    pub(crate) fn on_failure(&mut self, sent: Moment, now: Moment) {
        // A rate that is hardly used is not too high: one route is broken.
        if sent < self.changed || !self.used_before && !self.is_used() {
            return;
        }
        let held = self.answered.max(self.answered_before).max(1);
        self.too_fast = Some(self.per_second);
        let least = Self::FIRST.min(self.per_second);
        self.per_second = (held - held.div_ceil(20)).clamp(least, self.per_second);
        self.calm = 0;
        (self.answered, self.answered_before, self.admitted) = (0, 0, 0);
        self.second = now + Self::SECOND;
        self.changed = self.second;
        self.next = self.second;
    }

    fn is_used(&self) -> bool {
        self.admitted * 2 > self.per_second
    }

    fn roll(&mut self, now: Moment) {
        if now < self.second + Self::SECOND {
            return;
        }
        let used = self.is_used();
        // What was too high is tried again now and then: the server may have grown.
        self.too_fast = self.too_fast.filter(|_| self.calm < Self::PATIENT);
        let more = match self.too_fast {
            None if used => self.per_second.saturating_mul(2),
            Some(limit) if used => {
                let below = limit - limit.div_ceil(20);
                (self.per_second + self.per_second.div_ceil(4)).min(below)
            }
            _ => 0,
        };
        self.per_second = self.per_second.max(more);
        let at_rest = !used || self.too_fast.is_some();
        self.calm = if at_rest { self.calm + 1 } else { 0 };
        (self.answered_before, self.answered, self.admitted) = (self.answered, 0, 0);
        self.used_before = used;
        self.second = now;
    }

    pub(crate) fn is_idle(&self, now: Moment) -> bool {
        now.since(self.second) > Self::SECOND * 60
    }

    pub(crate) fn is_over(&self) -> bool {
        self.too_fast.is_none() && self.calm >= Self::CALM
    }
}
