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
}

impl Limit for OtherClient {
    fn on_arrival(&mut self, job: u32, now: Duration) -> Count {
        while self.next <= now {
            self.limit.on_arrival(job, self.next);
            self.next += self.every;
        }
        self.limit.on_arrival(job, now)
    }

    fn opens(&mut self, mut now: Duration) -> Duration {
        loop {
            let opens = self.limit.opens(now);
            if self.next > opens {
                return opens;
            }
            self.limit.on_arrival(0, self.next);
            now = now.max(self.next);
            self.next += self.every;
        }
    }

    fn delay(&self) -> Duration {
        self.limit.delay()
    }

    fn parts(&self) -> Vec<Count> {
        self.limit.parts()
    }
}
