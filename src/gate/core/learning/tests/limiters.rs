//! Limiters of servers, in exact time.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::time::{Rng, up_to};

const SECOND: Duration = Duration::from_secs(1);

/// What a server allows. Times are counted from the start of the world.
pub(super) trait Limiter {
    /// How long a call has to wait that arrives now; zero if it is served.
    fn wait(&mut self, now: Duration) -> Duration;

    /// Serves a call that arrives now.
    fn serve(&mut self, now: Duration);

    /// How many more calls would be served now, if that can be said.
    fn left(&mut self, _now: Duration) -> Option<u32> {
        None
    }

    /// How long serving a call takes.
    fn work(&self) -> Duration {
        Duration::ZERO
    }
}

/// A number of calls in a window that begins with its first call, or with the clock.
#[derive(Clone, Debug)]
pub(super) struct FixedWindow {
    limit: u32,
    length: Duration,
    /// How far the windows of the clock are shifted.
    aligned: Option<Duration>,
    end: Duration,
    used: u32,
}

impl FixedWindow {
    pub(super) fn of(limit: u32, length: Duration) -> Self {
        Self {
            limit,
            length,
            aligned: None,
            end: Duration::ZERO,
            used: 0,
        }
    }

    /// One whose first end lies this far ahead, wherever calls come.
    pub(super) fn aligned(limit: u32, length: Duration, first_end: Duration) -> Self {
        Self {
            aligned: Some(first_end),
            ..Self::of(limit, length)
        }
    }

    fn roll(&mut self, now: Duration) {
        if now < self.end {
            return;
        }
        self.used = 0;
        self.end = match self.aligned {
            None => now + self.length,
            Some(first) if now < first => first,
            Some(first) => {
                let windows = (now - first).as_nanos() / self.length.as_nanos() + 1;
                first + self.length * windows as u32
            }
        };
    }
}

impl Limiter for FixedWindow {
    fn wait(&mut self, now: Duration) -> Duration {
        let is_open = now >= self.end || self.used < self.limit;
        if is_open {
            Duration::ZERO
        } else {
            self.end - now
        }
    }

    fn serve(&mut self, now: Duration) {
        self.roll(now);
        self.used += 1;
    }

    fn left(&mut self, now: Duration) -> Option<u32> {
        let used = if now < self.end { self.used } else { 0 };
        Some(self.limit - used)
    }
}

/// A number of calls in any window of a length: a sliding log.
#[derive(Clone, Debug)]
pub(super) struct SlidingLog {
    limit: usize,
    length: Duration,
    served: VecDeque<Duration>,
}

impl SlidingLog {
    pub(super) fn of(limit: usize, length: Duration) -> Self {
        Self {
            limit,
            length,
            served: VecDeque::new(),
        }
    }
}

impl Limiter for SlidingLog {
    fn wait(&mut self, now: Duration) -> Duration {
        while self
            .served
            .front()
            .is_some_and(|at| *at + self.length <= now)
        {
            self.served.pop_front();
        }
        let is_full = self.served.len() >= self.limit;
        let first = self.served.front().filter(|_| is_full);
        first.map_or(Duration::ZERO, |first| *first + self.length - now)
    }

    fn serve(&mut self, now: Duration) {
        self.served.push_back(now);
    }

    fn left(&mut self, _now: Duration) -> Option<u32> {
        Some((self.limit - self.served.len()) as u32)
    }
}

/// A window of the clock in which the part of the last one counts that still lies within a length: a sliding counter.
#[derive(Clone, Debug)]
pub(super) struct SlidingCounter {
    limit: u32,
    length: Duration,
    start: Duration,
    used: u32,
    used_before: u32,
}

impl SlidingCounter {
    pub(super) fn of(limit: u32, length: Duration) -> Self {
        Self {
            limit,
            length,
            start: Duration::ZERO,
            used: 0,
            used_before: 0,
        }
    }

    fn roll(&mut self, now: Duration) {
        while now >= self.start + self.length {
            self.start += self.length;
            self.used_before = std::mem::take(&mut self.used);
        }
    }
}

impl SlidingCounter {
    /// How many calls count now: those of the last window by the part of it that lies within a length.
    fn weighted(&self, now: Duration) -> f64 {
        let part = 1.0 - (now - self.start).div_duration_f64(self.length);
        f64::from(self.used) + f64::from(self.used_before) * part
    }
}

impl Limiter for SlidingCounter {
    fn wait(&mut self, now: Duration) -> Duration {
        self.roll(now);
        if self.used >= self.limit {
            return self.start + self.length + self.length / self.limit - now;
        }
        // The part of the last window that leaves room for one more.
        let room = self.limit - self.used - 1;
        let part = f64::from(room) / f64::from(self.used_before.max(1));
        let opens = self.start + self.length.mul_f64((1.0 - part).clamp(0.0, 1.0));
        opens.saturating_sub(now)
    }

    fn serve(&mut self, now: Duration) {
        self.roll(now);
        self.used += 1;
    }

    fn left(&mut self, now: Duration) -> Option<u32> {
        self.roll(now);
        Some((f64::from(self.limit) - self.weighted(now)).max(0.0) as u32)
    }
}

/// One call each interval, and a few at once after a pause: a token bucket, or GCRA.
#[derive(Clone, Debug)]
pub(super) struct TokenBucket {
    interval: Duration,
    burst: u32,
    /// When all tokens are back.
    full: Duration,
}

impl TokenBucket {
    pub(super) fn of(interval: Duration, burst: u32) -> Self {
        Self {
            interval,
            burst,
            full: Duration::ZERO,
        }
    }
}

impl Limiter for TokenBucket {
    fn wait(&mut self, now: Duration) -> Duration {
        let spare = self.interval * (self.burst - 1);
        self.full.saturating_sub(now + spare)
    }

    fn serve(&mut self, now: Duration) {
        self.full = self.full.max(now) + self.interval;
    }

    fn left(&mut self, now: Duration) -> Option<u32> {
        let missing = self.full.saturating_sub(now).as_nanos() / self.interval.as_nanos();
        Some(self.burst - (missing as u32).min(self.burst))
    }
}

/// A number of calls at once, each of which takes a while.
#[derive(Clone, Debug)]
pub(super) struct ConcurrentCalls {
    limit: usize,
    work: Duration,
    ends: VecDeque<Duration>,
}

impl ConcurrentCalls {
    pub(super) fn of(limit: usize, work: Duration) -> Self {
        Self {
            limit,
            work,
            ends: VecDeque::new(),
        }
    }
}

impl Limiter for ConcurrentCalls {
    fn wait(&mut self, now: Duration) -> Duration {
        while self.ends.front().is_some_and(|end| *end <= now) {
            self.ends.pop_front();
        }
        let is_full = self.ends.len() >= self.limit;
        let first = self.ends.front().filter(|_| is_full);
        first.map_or(Duration::ZERO, |end| *end - now)
    }

    fn serve(&mut self, now: Duration) {
        self.ends.push_back(now + self.work);
    }

    fn work(&self) -> Duration {
        self.work
    }
}

/// Two limits, both of which have to serve a call.
#[derive(Clone, Debug)]
pub(super) struct BothLimits<A, B>(pub(super) A, pub(super) B);

impl<A: Limiter, B: Limiter> Limiter for BothLimits<A, B> {
    fn wait(&mut self, now: Duration) -> Duration {
        self.0.wait(now).max(self.1.wait(now))
    }

    fn serve(&mut self, now: Duration) {
        self.0.serve(now);
        self.1.serve(now);
    }

    fn left(&mut self, now: Duration) -> Option<u32> {
        self.0.left(now).into_iter().chain(self.1.left(now)).min()
    }
}

/// A limit that is replaced by another one.
#[derive(Clone, Debug)]
pub(super) struct ChangingLimit<A, B> {
    pub(super) first: A,
    pub(super) then: B,
    pub(super) at: Duration,
}

impl<A: Limiter, B: Limiter> ChangingLimit<A, B> {
    fn current(&mut self, now: Duration) -> &mut dyn Limiter {
        if now < self.at {
            &mut self.first
        } else {
            &mut self.then
        }
    }
}

impl<A: Limiter, B: Limiter> Limiter for ChangingLimit<A, B> {
    fn wait(&mut self, now: Duration) -> Duration {
        self.current(now).wait(now)
    }

    fn serve(&mut self, now: Duration) {
        self.current(now).serve(now);
    }

    fn left(&mut self, now: Duration) -> Option<u32> {
        self.current(now).left(now)
    }
}

/// Refuses a share of the calls at random, and names a second.
#[derive(Clone, Debug)]
pub(super) struct RandomRefusals {
    percent: u64,
    calls: u64,
}

impl RandomRefusals {
    pub(super) fn of(percent: u64) -> Self {
        Self { percent, calls: 0 }
    }
}

impl Limiter for RandomRefusals {
    fn wait(&mut self, _now: Duration) -> Duration {
        self.calls += 1;
        // Not the generator itself, whose clones share a sequence.
        let bits = Rng::Seeded(Arc::new(self.calls.into())).bits();
        let is_refused = up_to(99, bits) < self.percent;
        if is_refused { SECOND } else { Duration::ZERO }
    }

    fn serve(&mut self, _now: Duration) {}
}
