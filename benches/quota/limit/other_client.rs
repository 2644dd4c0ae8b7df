//! Another client that uses the same key at an even pace, also while it is refused.

use std::time::Duration;

use super::{Count, Limit};

pub struct OtherClient {
    limit: Box<dyn Limit>,
    every: Duration,
    next: Duration,
}

impl OtherClient {
    pub fn new(limit: Box<dyn Limit>, every: Duration) -> Self {
        Self {
            limit,
            every,
            next: every / 2,
        }
    }

    /// Lets the other client make its calls up to this moment.
    fn advance(&mut self, now: Duration) {
        while self.next <= now {
            self.limit.on_arrival(0, self.next);
            self.next += self.every;
        }
    }
}

impl Limit for OtherClient {
    fn on_arrival(&mut self, job: u32, now: Duration) -> Count {
        self.advance(now);
        self.limit.on_arrival(job, now)
    }

    fn opens(&mut self, now: Duration) -> Duration {
        self.advance(now);
        let mut opens = self.limit.opens(now);
        while self.next <= opens {
            let calls_at = self.next;
            self.advance(calls_at);
            opens = self.limit.opens(calls_at);
        }
        opens
    }

    fn delay(&self) -> Duration {
        self.limit.delay()
    }

    fn parts(&self) -> Vec<Count> {
        self.limit.parts()
    }
}
