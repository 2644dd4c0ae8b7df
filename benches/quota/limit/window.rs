//! Fixed windows that begin with a call.

use std::time::Duration;

use super::{Count, Limit};

/// A window that starts with the first call after the last one ended, as in Laravel's throttle.
#[derive(Clone, Debug)]
pub struct Window {
    limit: u32,
    length: Duration,
    ends: Duration,
    count: u32,
    penalty: Duration,
    /// Whether a call of this window was refused already.
    found: bool,
}

impl Window {
    pub fn new(limit: u32, length: Duration) -> Self {
        Self {
            limit,
            length,
            ends: Duration::ZERO,
            count: 0,
            penalty: Duration::ZERO,
            found: false,
        }
    }

    /// Each call that arrives while the block lasts, after the one that found it, extends it.
    pub fn punishing(mut self, penalty: Duration) -> Self {
        self.penalty = penalty;
        self
    }

    /// Starts a new window if the last one has ended.
    pub(super) fn roll(&mut self, now: Duration) {
        if now >= self.ends {
            (self.ends, self.count, self.found) = (now + self.length, 0, false);
        }
    }

    pub(super) fn has_place(&self) -> bool {
        self.count < self.limit
    }

    pub(super) fn ends(&self) -> Duration {
        self.ends
    }
}

impl Limit for Window {
    fn arrives(&mut self, _: u32, now: Duration) -> Count {
        self.roll(now);
        let taken = self.has_place();
        if taken {
            self.count += 1;
        } else if std::mem::replace(&mut self.found, true) {
            self.ends += self.penalty;
        }
        Count {
            taken,
            limit: self.limit,
            remaining: self.limit - self.count,
            resets: self.ends,
        }
    }
}
