//! A sliding counter: the last window counts by the share of it that the sliding window covers.

use std::time::Duration;

use super::{Count, Limit};

#[derive(Clone, Debug)]
pub struct SlidingCounter {
    limit: u32,
    length: Duration,
    starts: Duration,
    last: u32,
    count: u32,
    /// Whether refused calls count, as in HAProxy.
    counts_refusals: bool,
}

impl SlidingCounter {
    pub fn new(limit: u32, length: Duration) -> Self {
        Self {
            limit,
            length,
            starts: Duration::ZERO,
            last: 0,
            count: 0,
            counts_refusals: false,
        }
    }

    /// Counts refused calls like admitted ones.
    pub fn counting_refusals(mut self) -> Self {
        self.counts_refusals = true;
        self
    }

    fn advance(&mut self, now: Duration) {
        while now >= self.starts + self.length {
            (self.last, self.count) = (self.count, 0);
            self.starts += self.length;
        }
    }

    /// The moment from which a further call is admitted, if no other call arrives.
    fn next_place(&self) -> Duration {
        let room = self.limit.saturating_sub(self.count);
        if self.count > self.limit {
            let weight = f64::from(self.limit - 1) / f64::from(self.count);
            return self.starts + self.length + self.length.mul_f64(1.0 - weight);
        }
        if room == 0 {
            // The full count of this window still weighs at the start of the next one.
            return self.starts + self.length + self.length / self.limit;
        }
        let weight = f64::from(room - 1) / f64::from(self.last.max(1));
        self.starts + self.length.mul_f64((1.0 - weight).clamp(0.0, 1.0))
    }
}

impl Limit for SlidingCounter {
    fn on_arrival(&mut self, _: u32, now: Duration) -> Count {
        self.advance(now);
        let passed = (now - self.starts).as_secs_f64() / self.length.as_secs_f64();
        let weighed = f64::from(self.last) * (1.0 - passed) + f64::from(self.count);
        // The tolerance absorbs floating-point rounding.
        let admitted = weighed + 1.0 <= f64::from(self.limit) + 1e-6;
        self.count += u32::from(admitted || self.counts_refusals);
        Count {
            admitted,
            limit: self.limit,
            remaining: (f64::from(self.limit) - weighed - 1.0).max(0.0) as u32,
            resets_at: self.next_place().max(now + Duration::from_millis(1)),
        }
    }

    fn opens(&mut self, now: Duration) -> Duration {
        self.advance(now);
        self.next_place().max(now)
    }
}
