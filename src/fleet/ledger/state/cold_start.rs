//! The first moments of a scope of which no limit is known.

use super::LedgerState;
use super::terms::{COST, Terms};

/// As much as one process sends before it was answered.
const AT_FIRST: u64 = 64;
/// After so much without a counter, no limit is to be expected. As one process does it.
const ENOUGH: u64 = 4_096;

impl LedgerState {
    /// How much may be lent to all together while no limit is known: 64, and as much more as was settled since.
    ///
    /// A server that publishes its quota does so with the first answer. Before it, all processes would take at once what
    /// each of them wants. `None` if a limit is declared or published, or enough was settled without one.
    fn lent_while_cold(&self, terms: &Terms) -> Option<u64> {
        let settled = self.accounts[COST].settled.saturating_sub(self.cold_since);
        let is_cold = !terms.limits_rate && self.published.is_none() && settled < ENOUGH;
        is_cold.then_some(AT_FIRST + settled)
    }

    /// From now on no limit is known any more.
    pub(super) fn begin_cold_start(&mut self) {
        self.cold_since = self.accounts[COST].settled;
    }

    /// Whether costs are granted in small steps: after a refusal, and while no limit is known.
    pub(super) fn is_careful(&self, unit: usize, terms: &Terms) -> bool {
        let is_slow_start = self.cooldown.is_slow_start();
        unit == COST && (is_slow_start || self.lent_while_cold(terms).is_some())
    }

    /// How much of that is left for a member whose first call costs `first`.
    pub(super) fn room_while_cold(&self, first: u64, terms: &Terms) -> Option<u64> {
        let lent = self.accounts[COST].lent;
        let room = self.lent_while_cold(terms)?.saturating_sub(lent);
        // A call that is dearer goes alone.
        Some(if lent == 0 { room.max(first) } else { room })
    }
}
