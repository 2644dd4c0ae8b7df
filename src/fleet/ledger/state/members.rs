//! The members of a scope and their leases.

use std::collections::{BTreeMap, BTreeSet};

use super::terms::{IN_FLIGHT, UNITS};

/// More members than this are not taken in. A bound of memory: 160 bytes each.
pub(super) const MOST_MEMBERS: usize = 10_000;
/// At most this many leases are ended, and as many records deleted, per exchange. A bound of time.
const MOST_AT_ONCE: usize = 64;

/// The records of all members, by the end of their leases.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "file", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Members {
    records: BTreeMap<u64, MemberRecord>,
    /// The members that hold a lease, by its end.
    leases: BTreeSet<(u64, u64)>,
    /// The members whose lease has ended, by the moment when they are forgotten.
    lapsed: BTreeSet<(u64, u64)>,
}

/// What the ledger knows of one member.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "file", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct MemberRecord {
    /// Of its youngest exchange.
    pub(super) sequence: u64,
    /// The end of its lease or, if that is over, when it is forgotten.
    pub(super) until: u64,
    /// From then on, nothing that was booked for it is still ahead.
    pub(super) booked_until: u64,
    /// When something was granted to it last.
    #[cfg_attr(feature = "file", serde(default))]
    pub(super) granted_at: u64,
    pub(super) accounts: [MemberBalance; UNITS],
}

/// What the ledger knows of one member in one unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "file", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct MemberBalance {
    /// What it was granted and has not settled, as far as it is not void.
    pub(super) lent: u64,
    /// How much it has ever settled.
    pub(super) settled: u64,
    /// What it held when its lease ended, and may still hold: it was settled then.
    pub(super) void: u64,
    /// What was booked for it in replies that it may not have received.
    pub(super) unheard: u64,
}

impl Members {
    /// How many members hold a lease.
    pub(super) fn leased(&self) -> usize {
        self.leases.len()
    }

    #[cfg(feature = "file")]
    pub(super) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    pub(super) fn has_room(&self) -> bool {
        self.records.len() < MOST_MEMBERS
    }

    pub(super) fn record(&self, member: u64) -> Option<&MemberRecord> {
        self.records.get(&member)
    }

    /// Notes a record, whose lease ends at [`MemberRecord::until`].
    pub(super) fn note(&mut self, member: u64, record: MemberRecord) {
        self.remove(member);
        self.leases.insert((record.until, member));
        self.records.insert(member, record);
    }

    pub(super) fn remove(&mut self, member: u64) {
        if let Some(record) = self.records.remove(&member) {
            self.leases.remove(&(record.until, member));
            self.lapsed.remove(&(record.until, member));
        }
    }

    /// Ends the leases that are over, and returns how much those members held of each unit.
    ///
    /// Their records are kept for `memory` in case that they come back.
    pub(super) fn end_leases(&mut self, memory: u64, now: u64) -> [u64; UNITS] {
        let mut lent = [0; UNITS];
        for _ in 0..MOST_AT_ONCE {
            let Some((end, member)) = pop_due(&mut self.leases, now) else {
                break;
            };
            let Some(record) = self.records.get_mut(&member) else {
                continue;
            };
            for (unit, balance) in record.accounts.iter_mut().enumerate() {
                lent[unit] += balance.lent;
                // What is in flight is free when it is settled: if it comes back, it counts again.
                if unit != IN_FLIGHT {
                    balance.void += balance.lent;
                }
                (balance.lent, balance.unheard) = (0, 0);
            }
            record.until = end + memory;
            self.lapsed.insert((record.until, member));
        }
        lent
    }

    /// Deletes the records of members that did not come back.
    pub(super) fn forget_lapsed(&mut self, now: u64) {
        for _ in 0..MOST_AT_ONCE {
            let Some((_, member)) = pop_due(&mut self.lapsed, now) else {
                break;
            };
            self.records.remove(&member);
        }
    }

    #[cfg(test)]
    pub(super) fn lent(&self, unit: usize) -> u64 {
        let balances = self.records.values().map(|record| record.accounts[unit]);
        balances.map(|balance| balance.lent).sum()
    }

    #[cfg(test)]
    pub(super) fn is_leased(&self, member: u64) -> bool {
        self.leases.iter().any(|(_, leased)| *leased == member)
    }

    #[cfg(test)]
    pub(super) fn known(&self) -> usize {
        self.records.len()
    }
}

/// Takes out the first entry whose time has come.
fn pop_due(queue: &mut BTreeSet<(u64, u64)>, now: u64) -> Option<(u64, u64)> {
    let first = *queue.first()?;
    (first.0 <= now).then(|| {
        queue.remove(&first);
        first
    })
}
