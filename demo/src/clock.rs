//! The clock of the providers.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;
use tower_backoff::Clock;

/// A wall clock that moves with tokio's clock, which may be virtual.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wall {
    at_start: SystemTime,
    started: Instant,
}

impl Wall {
    /// Returns the true time, or noon of 2 March 2026 if time is virtual.
    pub(crate) fn start(real: bool) -> Self {
        let noon = UNIX_EPOCH + Duration::from_secs(1_772_452_800);
        Self {
            at_start: if real { SystemTime::now() } else { noon },
            started: Instant::now(),
        }
    }

    /// Returns the current time.
    pub(crate) fn now(&self) -> SystemTime {
        self.at_start + self.elapsed()
    }

    /// Returns how long the clock has been running.
    pub(crate) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Returns this clock for the client, which compares dates in headers with it.
    ///
    /// Call it before time advances.
    pub(crate) fn for_client(&self) -> Clock {
        Clock::starting_at(self.now())
    }
}
