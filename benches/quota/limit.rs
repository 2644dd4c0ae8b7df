//! How servers count.

use std::time::Duration;

/// What a server knows about its limit once a call has arrived.
#[derive(Clone, Copy, Debug)]
pub struct Count {
    /// Whether the call is served.
    pub taken: bool,
    pub limit: u32,
    pub remaining: u32,
    /// When the window ends, the block is over, or the next call would be served.
    pub resets: Duration,
}

/// A limit at work. Calls are told in the order of their arrival.
pub trait Limit: Send {
    fn arrives(&mut self, now: Duration) -> Count;
}

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
}

impl Limit for Window {
    fn arrives(&mut self, now: Duration) -> Count {
        if now >= self.ends {
            (self.ends, self.count, self.found) = (now + self.length, 0, false);
        }
        let taken = self.count < self.limit;
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

/// No limit at all.
#[derive(Clone, Copy, Debug)]
pub struct Unlimited;

impl Limit for Unlimited {
    fn arrives(&mut self, now: Duration) -> Count {
        Count {
            taken: true,
            limit: 0,
            remaining: 0,
            resets: now,
        }
    }
}
