//! A sliding log: the times of all calls within the last window.

use std::collections::VecDeque;
use std::time::Duration;

use super::{Count, Limit};

#[derive(Clone, Debug)]
pub struct SlidingLog {
    limit: u32,
    length: Duration,
    admitted: VecDeque<Duration>,
}

impl SlidingLog {
    pub fn new(limit: u32, length: Duration) -> Self {
        Self {
            limit,
            length,
            admitted: VecDeque::new(),
        }
    }

    fn forget_before(&mut self, now: Duration) {
        while self
            .admitted
            .front()
            .is_some_and(|at| *at + self.length <= now)
        {
            self.admitted.pop_front();
        }
    }
}

impl Limit for SlidingLog {
    fn on_arrival(&mut self, _: u32, now: Duration) -> Count {
        self.forget_before(now);
        let admitted = self.admitted.len() < self.limit as usize;
        if admitted {
            self.admitted.push_back(now);
        }
        let oldest = self.admitted.front().copied().unwrap_or(now);
        Count {
            admitted,
            limit: self.limit,
            remaining: self.limit - self.admitted.len() as u32,
            resets_at: oldest + self.length,
        }
    }

    fn opens(&mut self, now: Duration) -> Duration {
        self.forget_before(now);
        match self.admitted.front() {
            Some(oldest) if self.admitted.len() >= self.limit as usize => *oldest + self.length,
            _ => now,
        }
    }
}
