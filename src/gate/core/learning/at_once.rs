//! How many calls at once are believed to be the limit.

/// A bound on calls at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct AtOnce {
    pub(super) limit: u32,
    /// This many have proved harmless.
    pub(super) safe: u32,
    /// Calls at the limit since it was changed, or refused.
    pub(super) used: u32,
    /// How often in a row one more was refused.
    pub(super) failures: u32,
    /// How many were served when the limit was lowered last.
    pub(super) served: u32,
}

impl AtOnce {
    pub(super) const UNLIMITED: Self = Self {
        limit: u32::MAX,
        safe: u32::MAX,
        used: 0,
        failures: 0,
        served: 0,
    };

    pub(super) fn is_limited(self) -> bool {
        self.limit < u32::MAX
    }

    pub(super) fn of(limit: u32) -> Self {
        Self {
            limit,
            safe: limit,
            ..Self::UNLIMITED
        }
    }

    pub(super) fn give_up(&mut self) {
        *self = Self::UNLIMITED;
    }
}
