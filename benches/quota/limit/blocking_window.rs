//! A fixed window that blocks the client once it is exceeded.

use std::time::Duration;

use super::{Count, Limit};

/// A window after which each call within the block starts the block anew, as in mod_evasive.
#[derive(Clone, Debug)]
pub struct BlockingWindow {
    limit: u32,
    length: Duration,
    block: Duration,
    ends: Duration,
    count: u32,
    blocked_until: Duration,
}

impl BlockingWindow {
    /// Blocks for `block` after `limit` calls in `length`.
    pub fn new(limit: u32, length: Duration, block: Duration) -> Self {
        Self {
            limit,
            length,
            block,
            ends: Duration::ZERO,
            count: 0,
            blocked_until: Duration::ZERO,
        }
    }
}

impl Limit for BlockingWindow {
    fn on_arrival(&mut self, _: u32, now: Duration) -> Count {
        if now >= self.ends {
            (self.ends, self.count) = (now + self.length, 0);
        }
        let admitted = now >= self.blocked_until && self.count < self.limit;
        if admitted {
            self.count += 1;
        } else {
            self.blocked_until = now + self.block;
        }
        Count {
            admitted,
            limit: self.limit,
            remaining: self.limit - self.count,
            resets_at: self.blocked_until.max(self.ends),
        }
    }

    fn opens(&mut self, now: Duration) -> Duration {
        let has_room = now >= self.ends || self.count < self.limit;
        let opens = if has_room { now } else { self.ends };
        opens.max(self.blocked_until)
    }
}
