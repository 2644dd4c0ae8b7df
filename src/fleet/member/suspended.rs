//! A machine that is suspended: its monotonic clock may stand still, and its leases go on.

use std::time::{Duration, SystemTime};

use super::state::MemberState;
use crate::time::Instant;

/// The wall clock is ahead by less when it is only corrected, or when the thread had to wait between both readings.
const LEAST: Duration = Duration::from_millis(50);

impl MemberState {
    /// Notes what both clocks of the system show. Where the wall clock has gone further, the lease is shorter by that.
    ///
    /// A wall clock that is set ahead looks the same: it costs one exchange, and a closing that
    /// is not told yet is told as shorter by that.
    pub(super) fn note_clocks(&mut self, (uptime, wall): (Instant, SystemTime)) {
        let before = self.clocks.replace((uptime, wall));
        let Some((uptime_before, wall_before)) = before else {
            return;
        };
        let passed = wall.duration_since(wall_before).unwrap_or_default();
        let suspended = passed.saturating_sub(uptime.saturating_duration_since(uptime_before));
        if suspended >= LEAST {
            self.suspended = self.suspended.saturating_add(suspended);
        }
    }
}
