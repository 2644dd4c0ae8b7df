//! Members that got nothing, and go first when they ask again.

use super::LedgerState;
use super::members::MemberRecord;
use super::terms::{Terms, UNLIMITED, bounded};
use crate::fleet::ledger::exchange::MemberAccount;

impl LedgerState {
    /// A member that has less than its share got nothing: until it asks again, it goes before those that have more.
    pub(super) fn note_starved(
        &mut self,
        record: &MemberRecord,
        unit: usize,
        told: &MemberAccount,
        terms: &Terms,
        ask: u64,
        now: u64,
    ) {
        let is_open = self.cooldown.closed_for(now) == 0 && !self.cooldown.is_slow_start();
        let has_less = bounded(told.held) < self.equal_share(unit, terms, now);
        let account = &mut self.accounts[unit];
        let is_first = now >= account.starved_until || record.granted_at <= account.starved_since;
        if is_open && has_less && is_first {
            account.starved_until = now + 2 * ask;
            account.starved_since = record.granted_at;
        }
    }

    /// Whether not every member can have what its first call needs within one window.
    pub(super) fn has_fewer_places_than_members(
        &self,
        unit: usize,
        told: &MemberAccount,
        terms: &Terms,
        now: u64,
    ) -> bool {
        let members = self.members.leased().max(1) as u64;
        let limits = self.binding(unit, terms, now).map(|(_, _, limit)| limit);
        let least = limits.min().unwrap_or(UNLIMITED);
        least / members < u64::from(told.first)
    }

    /// What each member may hold, if all hold as much.
    pub(super) fn equal_share(&self, unit: usize, terms: &Terms, now: u64) -> u64 {
        let members = self.members.leased().max(1) as u64;
        let limits = self.binding(unit, terms, now).map(|(_, _, limit)| limit);
        limits
            .min()
            .map_or(UNLIMITED, |limit| (limit / members).max(1))
    }
}
