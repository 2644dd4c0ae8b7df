//! A clock that goes on where it was set back.

/// The ledger's time: that of the clock, and by how much this was set back in all.
///
/// It never goes back, and it does not wait for the clock to catch up: a clock that was an hour ahead stops nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "file", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct SteadyClock {
    /// How far it is ahead of the clock.
    ahead: u64,
    /// What it showed last.
    latest: u64,
}

impl SteadyClock {
    /// What it shows while the clock shows `clock`.
    pub(super) fn read(&mut self, clock: u64) -> u64 {
        let now = clock.saturating_add(self.ahead);
        if now < self.latest {
            self.ahead = self.latest - clock;
        }
        self.latest = self.latest.max(now);
        self.latest
    }

    /// A clock by which no less time passes than by any other, however often the clock was set back.
    ///
    /// What is as old as it says is not taken for older by it.
    pub(super) fn fastest(&self) -> u64 {
        self.latest.saturating_add(self.ahead)
    }
}
