//! How much is free, and of which windows.

use super::LedgerState;
use super::published::PublishedQuota;
use super::terms::{COST, DeclaredWindow, Terms, UNLIMITED};

impl LedgerState {
    /// The windows that bind a unit now, with their limits.
    pub(super) fn binding<'a>(
        &self,
        unit: usize,
        terms: &'a Terms,
        now: u64,
    ) -> impl Iterator<Item = (usize, &'a DeclaredWindow, u64)> {
        let published = self.published.as_ref();
        let is_published = published.is_some_and(|quota| quota.resets_in(now).is_some());
        let windows = terms.of_unit(unit);
        windows
            .filter(move |(_, window)| !(window.is_plan && unit == COST && is_published))
            .map(move |(index, window)| (index, window, self.limit_of(index, window, terms, now)))
    }

    /// The limit of a window: the declared one, or that which was learned.
    ///
    /// A call that is dearer than what was learned goes when the window is empty.
    fn limit_of(&self, index: usize, window: &DeclaredWindow, terms: &Terms, now: u64) -> u64 {
        let cap = self.cooldown.cap_of(index, window, now);
        let cap = cap.map_or(UNLIMITED, |cap| cap.max(terms.first[window.unit]));
        window.limit.min(cap)
    }

    /// How much a window holds, lent or settled within its length.
    pub(super) fn used(&self, window: usize, unit: usize) -> u64 {
        self.logs[window].sum() + self.accounts[unit].lent
    }

    /// How much of a unit is free now.
    pub(super) fn free(&self, unit: usize, terms: &Terms, now: u64) -> u64 {
        let windows = self.binding(unit, terms, now);
        let places = windows.map(|(index, _, limit)| limit.saturating_sub(self.used(index, unit)));
        let free = places.min().unwrap_or(UNLIMITED);
        match unit {
            COST => free.min(self.left()),
            _ => free,
        }
    }

    /// How much of each window is free now, whether it binds or not.
    pub(super) fn free_in_windows(&self, terms: &Terms, now: u64) -> impl Iterator<Item = u64> {
        let windows = terms.windows.iter().enumerate();
        windows.map(move |(index, window)| {
            let limit = self.limit_of(index, window, terms, now);
            let free = limit.saturating_sub(self.used(index, window.unit));
            match window.unit {
                COST => free.min(self.left()),
                _ => free,
            }
        })
    }

    /// How much may be granted of the published quota.
    pub(super) fn left(&self) -> u64 {
        PublishedQuota::left(self.published.as_ref(), self.accounts[COST].lent)
    }
}
