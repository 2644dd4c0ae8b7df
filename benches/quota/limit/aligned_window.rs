//! Fixed windows that are aligned to the clock.

use std::time::Duration;

use super::{Count, Limit};

#[derive(Clone, Debug)]
pub struct AlignedWindow {
    limit: u32,
    length: Duration,
    ends: Duration,
    count: u32,
}

impl AlignedWindow {
    /// The first window ends at `ends`.
    pub fn new(limit: u32, length: Duration, ends: Duration) -> Self {
        Self {
            limit,
            length,
            ends,
            count: 0,
        }
    }

    fn advance(&mut self, now: Duration) {
        while now >= self.ends {
            self.ends += self.length;
            self.count = 0;
        }
    }
}

impl Limit for AlignedWindow {
    fn on_arrival(&mut self, _: u32, now: Duration) -> Count {
        self.advance(now);
        let admitted = self.count < self.limit;
        self.count += u32::from(admitted);
        Count {
            admitted,
            limit: self.limit,
            remaining: self.limit - self.count,
            resets_at: self.ends,
        }
    }

    fn opens(&mut self, now: Duration) -> Duration {
        self.advance(now);
        if self.count < self.limit {
            now
        } else {
            self.ends
        }
    }
}
