//! How long a call is on its way, each way.

use std::time::Duration;

use crate::rng;

/// The percentage of calls that come late where the latency has a heavy tail.
const LATE_PERCENT: u64 = 1;
/// How late they come, in milliseconds.
const LATE_MS: (u64, u64) = (5_000, 15_000);

/// The latency between a client and a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Latency {
    least_ms: u64,
    /// How much longer than the least a way may take, in milliseconds.
    spread_ms: u64,
    has_heavy_tail: bool,
}

impl Latency {
    /// 50 ms there and back.
    pub const NORMAL: Self = Self::new(20, 10);
    /// 5 ms there and back.
    pub const NEAR: Self = Self::new(2, 1);
    /// 2 s there and back.
    pub const FAR: Self = Self::new(900, 200);
    /// 50 ms, and 1 % of calls come 5 to 15 s late, half of them on the way back.
    pub const HEAVY_TAILED: Self = Self {
        has_heavy_tail: true,
        ..Self::NORMAL
    };

    const fn new(least_ms: u64, spread_ms: u64) -> Self {
        Self {
            least_ms,
            spread_ms,
            has_heavy_tail: false,
        }
    }

    pub fn has_heavy_tail(self) -> bool {
        self.has_heavy_tail
    }

    /// The spread of one way.
    pub fn spread(self) -> Duration {
        Duration::from_millis(self.spread_ms)
    }

    /// The mean of both ways together.
    pub fn mean(self) -> Duration {
        Duration::from_millis(2 * self.least_ms + self.spread_ms)
    }

    /// The time from the client to the server.
    pub fn there(self, seed: u64, job: u32, attempt: u32) -> Duration {
        self.way(0, seed, job, attempt)
    }

    /// The time from the server to the client.
    pub fn back(self, seed: u64, job: u32, attempt: u32) -> Duration {
        self.way(1, seed, job, attempt)
    }

    fn way(self, way: u64, seed: u64, job: u32, attempt: u32) -> Duration {
        let between =
            |salt, least, spread| least + rng::hash(salt, seed, job, attempt) % (spread + 1);
        let late = if self.is_late(way, seed, job, attempt) {
            between(13, LATE_MS.0, LATE_MS.1 - LATE_MS.0)
        } else {
            0
        };
        Duration::from_millis(between(10 + way, self.least_ms, self.spread_ms) + late)
    }

    fn is_late(self, way: u64, seed: u64, job: u32, attempt: u32) -> bool {
        self.has_heavy_tail
            && rng::is_hit(12, seed, job, attempt, LATE_PERCENT)
            && rng::hash(14, seed, job, attempt) % 2 == way
    }
}
