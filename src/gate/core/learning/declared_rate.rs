//! The rate that a user has declared.

use std::time::Duration;

/// The longest of the declared windows, and what may be sent at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DeclaredRate {
    pub(crate) calls: u32,
    pub(crate) length: Duration,
    /// How many of the calls may be sent at once.
    pub(crate) burst: u32,
    /// How long it takes until as many may be again.
    pub(crate) refills_in: Duration,
}
