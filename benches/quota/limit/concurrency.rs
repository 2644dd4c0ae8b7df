//! A limit on concurrent calls.

use std::collections::VecDeque;
use std::time::Duration;

use super::{Count, Limit};

/// A number of calls at once, each of which takes the server the same time.
#[derive(Clone, Debug)]
pub struct Concurrency {
    limit: u32,
    takes: Duration,
    ends: VecDeque<Duration>,
}

impl Concurrency {
    /// Admits `limit` calls at once that take `takes` each.
    pub fn new(limit: u32, takes: Duration) -> Self {
        Self {
            limit,
            takes,
            ends: VecDeque::new(),
        }
    }

    fn forget_before(&mut self, now: Duration) {
        while self.ends.front().is_some_and(|end| *end <= now) {
            self.ends.pop_front();
        }
    }
}

impl Limit for Concurrency {
    fn on_arrival(&mut self, _: u32, now: Duration) -> Count {
        self.forget_before(now);
        let admitted = self.ends.len() < self.limit as usize;
        if admitted {
            self.ends.push_back(now + self.takes);
        }
        Count {
            admitted,
            limit: self.limit,
            remaining: self.limit - self.ends.len() as u32,
            resets_at: self.ends.front().copied().unwrap_or(now),
        }
    }

    fn opens(&mut self, now: Duration) -> Duration {
        self.forget_before(now);
        match self.ends.front() {
            Some(end) if self.ends.len() >= self.limit as usize => *end,
            _ => now,
        }
    }

    fn delay(&self) -> Duration {
        self.takes
    }
}
