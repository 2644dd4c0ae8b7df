//! The times of all calls within the last window.

use std::collections::VecDeque;
use std::time::Duration;

use super::{Count, Limit};

#[derive(Clone, Debug)]
pub struct Log {
    limit: u32,
    length: Duration,
    taken: VecDeque<Duration>,
}

impl Log {
    pub fn new(limit: u32, length: Duration) -> Self {
        Self {
            limit,
            length,
            taken: VecDeque::new(),
        }
    }
}

impl Limit for Log {
    fn arrives(&mut self, _: u32, now: Duration) -> Count {
        while self
            .taken
            .front()
            .is_some_and(|at| *at + self.length <= now)
        {
            self.taken.pop_front();
        }
        let taken = self.taken.len() < self.limit as usize;
        if taken {
            self.taken.push_back(now);
        }
        let oldest = self.taken.front().copied().unwrap_or(now);
        Count {
            taken,
            limit: self.limit,
            remaining: self.limit - self.taken.len() as u32,
            resets: oldest + self.length,
        }
    }
}
