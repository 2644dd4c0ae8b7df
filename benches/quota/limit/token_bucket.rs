//! A token bucket that starts full and refills evenly.

use std::time::Duration;

use super::{Count, Limit};

/// Measures tokens as time: one token is the time in which it refills.
#[derive(Clone, Debug)]
pub struct TokenBucket {
    size: u32,
    token: Duration,
    level: Duration,
    at: Duration,
}

impl TokenBucket {
    /// A bucket of `size` tokens that refills in `length`.
    pub fn new(size: u32, length: Duration) -> Self {
        Self {
            size,
            token: length / size,
            level: length,
            at: Duration::ZERO,
        }
    }
}

impl Limit for TokenBucket {
    fn on_arrival(&mut self, _: u32, now: Duration) -> Count {
        self.level = (self.level + (now - self.at)).min(self.token * self.size);
        self.at = now;
        let admitted = self.level >= self.token;
        if admitted {
            self.level -= self.token;
        }
        Count {
            admitted,
            limit: self.size,
            remaining: (self.level.as_nanos() / self.token.as_nanos()) as u32,
            resets_at: now + self.token.saturating_sub(self.level),
        }
    }
}
