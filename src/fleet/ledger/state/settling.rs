//! What members hold and have settled, and what becomes of it in the windows.

use super::LedgerState;
use super::members::{MemberBalance, MemberRecord};
use super::published::PublishedQuota;
use super::terms::{COST, Terms, bounded, micros};
use crate::fleet::ledger::exchange::{Exchange, MemberAccount, Settled};

impl LedgerState {
    /// Notes in all windows of a unit that this much was settled at a moment.
    pub(super) fn settle(&mut self, unit: usize, at: u64, count: u64, terms: &Terms, now: u64) {
        for (index, window) in terms.of_unit(unit).filter(|(_, window)| window.length > 0) {
            self.logs[index].add(at, count, window.length, now);
        }
    }

    /// Takes over what the member says of its accounts.
    pub(super) fn settle_told(
        &mut self,
        record: &mut MemberRecord,
        exchange: &Exchange,
        terms: &Terms,
        now: u64,
    ) {
        let is_known = record.sequence > 0;
        let has_heard = exchange.last_reply >= record.sequence || now >= record.booked_until;
        for (unit, told) in terms.units.iter().zip(&exchange.accounts) {
            let balance = &mut record.accounts[*unit];
            if has_heard {
                balance.unheard = 0;
            }
            let newly = settled_since(balance, told);
            let counted = self.settle_log(*unit, &told.log, newly, terms, now);
            self.accounts[*unit].settled += if is_known { newly } else { counted };
            self.take_back(*unit, balance, newly, bounded(told.held), terms, now);
        }
    }

    /// Notes the newest `count` of a member's log, and returns how much of that the log holds.
    fn settle_log(
        &mut self,
        unit: usize,
        log: &[Settled],
        count: u64,
        terms: &Terms,
        now: u64,
    ) -> u64 {
        let all: u64 = log.iter().map(|settled| u64::from(settled.count)).sum();
        let counted = count.min(all);
        let mut known = all - counted;
        for settled in log {
            let was_known = known.min(u64::from(settled.count));
            known -= was_known;
            let at = now.saturating_sub(micros(settled.age));
            self.settle(unit, at, u64::from(settled.count) - was_known, terms, now);
        }
        counted
    }

    /// Sets what is lent to the member to what it holds. What it has returned is free.
    fn take_back(
        &mut self,
        unit: usize,
        balance: &mut MemberBalance,
        newly: u64,
        held: u64,
        terms: &Terms,
        now: u64,
    ) {
        let before = balance.lent;
        // What a lapsed member still holds was settled already. What it has dropped is no longer awaited.
        balance.void = balance.void.min(held);
        balance.lent = held - balance.void;
        let returned = before.saturating_sub(balance.lent + newly);
        // What was booked is not free before its time. If its reply was lost, it counts for one more window.
        let lost = returned.min(balance.unheard);
        balance.unheard -= lost;
        self.settle(unit, now, lost, terms, now);
        let account = &mut self.accounts[unit];
        account.lent = account.lent + balance.lent - before;
        if unit == COST {
            PublishedQuota::on_return(&mut self.published, returned);
        }
    }

    /// Settles what a member holds that ends: it is booked or on its way.
    pub(super) fn settle_rest(&mut self, record: &MemberRecord, terms: &Terms, now: u64) {
        for (unit, balance) in record.accounts.iter().enumerate() {
            self.settle(unit, now, balance.lent, terms, now);
            self.accounts[unit].lent -= balance.lent;
            self.accounts[unit].settled += balance.lent;
        }
    }
}

/// How much the member has settled that is not counted yet.
fn settled_since(balance: &mut MemberBalance, told: &MemberAccount) -> u64 {
    let settled = bounded(told.settled);
    let newly = settled.saturating_sub(balance.settled);
    balance.settled = balance.settled.max(settled);
    let covered = newly.min(balance.void);
    balance.void -= covered;
    newly - covered
}
