//! The rate that a user has declared.

use std::time::Duration;

/// The longest of the declared windows, and the one that refills soonest, of which a counter may speak.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DeclaredRate {
    pub(crate) calls: u32,
    pub(crate) length: Duration,
    /// How many calls the latter allows at once.
    pub(crate) burst: u32,
    /// How long it takes until it allows as many again.
    pub(crate) refills_in: Duration,
    /// Whether no other window is declared.
    pub(crate) is_alone: bool,
}

impl DeclaredRate {
    /// How many calls the window holds of which a counter of this limit may speak, and how long it is.
    /// If that is not clear it is the longest.
    pub(super) fn window_of(self, published: Option<u32>) -> (u32, Duration) {
        // A little less than the server allows may be declared.
        let is_of_burst = |limit| limit < self.burst.saturating_mul(2);
        match published.map_or(self.is_alone, is_of_burst) {
            true => (self.burst, self.refills_in),
            false => (self.calls, self.length),
        }
    }
}
