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

    /// How many more at once are asked for next: one, and twice as many as were served the last time, up to a quarter.
    pub(super) fn next_step(self) -> u32 {
        let last = match self.failures {
            0 => self.limit.saturating_sub(self.safe),
            _ => 0,
        };
        last.saturating_mul(2).clamp(1, (self.limit / 4).max(1))
    }

    /// Asks for this many more, since all up to the limit were served.
    pub(super) fn raise(&mut self, more: u32) {
        if self.safe < self.limit {
            self.failures = 0;
        }
        self.safe = self.limit;
        self.limit = self.limit.saturating_add(more);
        (self.used, self.served) = (0, 0);
    }

    pub(super) fn give_up(&mut self) {
        *self = Self::UNLIMITED;
    }
}
