//! A fixed window that begins with a call, with or without a penalty.

use std::time::Duration;

use super::{Count, Limit};

/// A window that starts with the first call after the last one ended, as in Laravel's throttle.
#[derive(Clone, Debug)]
pub struct FixedWindow {
    limit: u32,
    length: Duration,
    ends: Duration,
    count: u32,
    penalty: Duration,
    /// Whether each refused call starts the window anew.
    is_renewed: bool,
    /// Whether a call of this window has been refused.
    is_refusing: bool,
}

impl FixedWindow {
    pub fn new(limit: u32, length: Duration) -> Self {
        Self {
            limit,
            length,
            ends: Duration::ZERO,
            count: 0,
            penalty: Duration::ZERO,
            is_renewed: false,
            is_refusing: false,
        }
    }

    /// Each call that arrives after the first refusal of a window extends the window.
    pub fn with_penalty(mut self, penalty: Duration) -> Self {
        self.penalty = penalty;
        self
    }

    /// Each refused call starts the window anew, as with `continueExceeding` of fastify.
    pub fn renewed_by_refusals(mut self) -> Self {
        self.is_renewed = true;
        self
    }

    /// The state of the window.
    pub(super) fn count(&self, admitted: bool) -> Count {
        Count {
            admitted,
            limit: self.limit,
            remaining: self.limit - self.count,
            resets_at: self.ends,
        }
    }

    /// Starts a new window if the last one has ended.
    pub(super) fn advance(&mut self, now: Duration) {
        if now >= self.ends {
            (self.ends, self.count, self.is_refusing) = (now + self.length, 0, false);
        }
    }

    pub(super) fn has_room(&self) -> bool {
        self.count < self.limit
    }

    pub(super) fn ends(&self) -> Duration {
        self.ends
    }
}

impl Limit for FixedWindow {
    fn on_arrival(&mut self, _: u32, now: Duration) -> Count {
        self.advance(now);
        let admitted = self.has_room();
        if admitted {
            self.count += 1;
        } else if self.is_renewed {
            self.ends = now + self.length;
        } else if std::mem::replace(&mut self.is_refusing, true) {
            self.ends += self.penalty;
        }
        self.count(admitted)
    }

    fn opens(&mut self, now: Duration) -> Duration {
        if now >= self.ends || self.has_room() {
            now
        } else {
            self.ends
        }
    }
}
