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
    /// Whether calls wait in the server until the queue before them has drained.
    delays: bool,
}

impl TokenBucket {
    /// A bucket of `size` tokens that refills in `length`.
    pub fn new(size: u32, length: Duration) -> Self {
        Self {
            size,
            token: length / size,
            level: length,
            at: Duration::ZERO,
            delays: false,
        }
    }

    /// A bucket of `size` tokens, one of which refills in `token`.
    pub fn of(size: u32, token: Duration) -> Self {
        Self {
            token,
            level: token * size,
            ..Self::new(size, token * size)
        }
    }

    /// Delays calls to the pace at which the bucket refills, as `limit_req` of nginx without `nodelay`.
    pub fn delaying(mut self) -> Self {
        self.delays = true;
        self
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

    fn opens(&mut self, now: Duration) -> Duration {
        let level = self.level + (now - self.at);
        now + self.token.saturating_sub(level)
    }

    fn delay(&self) -> Duration {
        if self.delays {
            self.token * (self.size - 1) - self.level.min(self.token * (self.size - 1))
        } else {
            Duration::ZERO
        }
    }
}
