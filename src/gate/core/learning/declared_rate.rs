//! The rate that a user has declared.

use std::time::Duration;

/// The longest of the declared windows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DeclaredRate {
    pub(crate) calls: u32,
    pub(crate) length: Duration,
    /// How many of the calls may be sent at once.
    pub(crate) burst: u32,
}

impl DeclaredRate {
    /// How long it takes until as many calls as may be sent at once are allowed again.
    pub(super) fn refills_in(self) -> Duration {
        let part = f64::from(self.burst.min(self.calls)) / f64::from(self.calls.max(1));
        self.length.mul_f64(part)
    }
}
