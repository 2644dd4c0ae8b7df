//! Fixed windows that begin by the clock, whoever calls.

use std::time::Duration;

use super::{Count, Limit};

#[derive(Clone, Debug)]
pub struct Grid {
    limit: u32,
    length: Duration,
    ends: Duration,
    count: u32,
}

impl Grid {
    /// The first window ends so soon.
    pub fn new(limit: u32, length: Duration, ends: Duration) -> Self {
        Self {
            limit,
            length,
            ends,
            count: 0,
        }
    }
}

impl Limit for Grid {
    fn arrives(&mut self, _: u32, now: Duration) -> Count {
        while now >= self.ends {
            self.ends += self.length;
            self.count = 0;
        }
        let taken = self.count < self.limit;
        self.count += u32::from(taken);
        Count {
            taken,
            limit: self.limit,
            remaining: self.limit - self.count,
            resets: self.ends,
        }
    }
}
