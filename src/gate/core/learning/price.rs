//! What a refused question costs.

use std::time::Duration;

/// How long a refused probe closes the gate.
#[derive(Clone, Copy, Debug)]
pub(super) enum Price {
    /// For a floor of our own.
    Floor(Duration),
    /// Until the moment that the server names, rounded up to whole seconds or not.
    Rest { whole_seconds: bool },
}

impl Price {
    /// How long a refusal closes the gate at least.
    pub(super) fn floor(self) -> Duration {
        match self {
            Self::Floor(floor) => floor,
            Self::Rest { .. } => Duration::from_secs(1),
        }
    }
}
