//! The reference of a ledger: the rules by which one scope is shared, without a network and told the time.

mod clock;
mod cold_start;
mod cooldown;
mod free;
mod granting;
mod members;
mod published;
mod settling;
mod starving;
mod terms;
#[cfg(test)]
mod tests;
mod window_log;

use std::time::Duration;

use self::clock::SteadyClock;
use self::cooldown::SharedCooldown;
use self::members::{MemberRecord, Members};
use self::published::PublishedQuota;
use self::terms::{COST, Terms, UNITS, bounded, micros, micros_up};
use self::window_log::WindowLog;
use super::exchange::{Exchange, Granted, Reply, ReplyState};

/// What a ledger knows of one scope.
///
/// Every ledger decides as this one: a file holds it, and the script of another store is compared with it. It counts
/// in integers and in microseconds of the ledger's own clock, so that a script that counts in doubles is exact.
///
/// In each window, what is lent and what was settled less than a window ago is never more than the limit. Lent is
/// what a member was granted and has not settled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "file", derive(serde::Serialize, serde::Deserialize))]
pub struct LedgerState {
    #[cfg_attr(feature = "file", serde(default))]
    clock: SteadyClock,
    /// When the first exchange was heard.
    began_at: Option<u64>,
    /// The most members that anybody remembers from an earlier ledger. Zero: this is a first start.
    remembered: u64,
    /// How many members of an earlier ledger were heard.
    #[cfg_attr(feature = "file", serde(default))]
    returned: u64,
    /// Until when other members may still be alone, and how many there are.
    returning: Option<(u64, u64)>,
    accounts: [Account; UNITS],
    /// One log for each declared window, in their order.
    logs: Vec<WindowLog>,
    members: Members,
    cooldown: SharedCooldown,
    published: Option<PublishedQuota>,
    /// How much had been settled when a published quota was forgotten last.
    #[cfg_attr(feature = "file", serde(default))]
    cold_since: u64,
    /// How often users have opened the scope.
    #[cfg_attr(feature = "file", serde(default))]
    reopened: u64,
    /// When they did so last, when the youngest closing was heard, and the youngest counter: by the fastest clock.
    #[cfg_attr(feature = "file", serde(default))]
    reopened_at: u64,
    #[cfg_attr(feature = "file", serde(default))]
    closed_at: u64,
    #[cfg_attr(feature = "file", serde(default))]
    counted_at: u64,
    /// Nothing that it knows matters after this.
    #[cfg(feature = "file")]
    #[serde(default)]
    matters_until: u64,
}

/// A member that is alone tries again after half a second, at the latest: then all have returned.
const RETURN: u64 = 1_000_000;

/// What all members have of one unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "file", derive(serde::Serialize, serde::Deserialize))]
struct Account {
    lent: u64,
    /// How much was ever settled.
    settled: u64,
    /// Until then a member that got nothing asks again, and no other takes more than its share.
    starved_until: u64,
    /// When that member was granted something last.
    #[cfg_attr(feature = "file", serde(default))]
    starved_since: u64,
}

impl LedgerState {
    /// The state of a scope that no member was heard of.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes what a member says, and grants what can be granted of what it asks for.
    ///
    /// `now` is the ledger's clock, counted from any moment that stays the same. It may be set back.
    pub fn exchange(&mut self, exchange: &Exchange, now: Duration) -> Reply {
        let now = self.clock.read(now.as_micros() as u64);
        let terms = Terms::of(exchange);
        self.advance(&terms, now);

        let record = self.members.record(exchange.member).cloned();
        match &record {
            Some(record) if exchange.sequence <= record.sequence => {
                return self.reply(exchange, &terms, ReplyState::Late, now);
            }
            None if !self.members.has_room() => {
                return self.reply(exchange, &terms, ReplyState::Late, now);
            }
            None => self.note_memory(exchange),
            Some(_) => {}
        }
        if exchange.reopens {
            self.reopen(exchange.reopened_ago);
        }
        let has_returned = record.is_none() && remembers(exchange);
        if !exchange.tells_all && knows_less(record.as_ref(), exchange, &terms) {
            self.note_closing(exchange, &terms, now);
            return self.reply(exchange, &terms, ReplyState::TellAll, now);
        }

        if exchange.tells_all {
            // What the others have sent meanwhile is not known until they have told it.
            let members = u64::from(exchange.members_known);
            self.returning = Some((now + RETURN, members));
        }
        self.returned += u64::from(has_returned);
        let mut record = record.unwrap_or_default();
        self.settle_told(&mut record, exchange, &terms, now);
        record.sequence = exchange.sequence;
        record.until = now + terms.lease;
        self.cooldown.on_served(u64::from(exchange.served), now);
        let counter = exchange.counter.as_ref();
        if let Some(counter) = counter.filter(|counter| self.is_news(counter.age)) {
            self.counted_at = self.counted_at.max(self.heard_at(counter.age));
            let cost = self.accounts[COST];
            PublishedQuota::on_counter(
                &mut self.published,
                counter,
                (cost.lent, cost.settled),
                now,
            );
        }
        self.note_closing(exchange, &terms, now);
        #[cfg(feature = "file")]
        self.note_that_it_matters(&terms, now);
        if exchange.leaves {
            self.settle_rest(&record, &terms, now);
            self.members.remove(exchange.member);
            return self.reply(exchange, &terms, ReplyState::Done, now);
        }
        self.members.note(exchange.member, record.clone());
        let (grants, ask_again_in) = self.grant_all(&mut record, exchange, &terms, now);
        self.members.note(exchange.member, record);
        Reply {
            grants,
            ask_again_in: Duration::from_micros(ask_again_in),
            ..self.reply(exchange, &terms, ReplyState::Done, now)
        }
    }

    /// Whether there is nothing to remember: no member, no closing, and nothing in a window or a published quota.
    #[cfg(feature = "file")]
    pub(crate) fn is_idle(&self, now: Duration) -> bool {
        let now = now.as_micros() as u64;
        self.members.is_empty() && self.cooldown.closed_for(now) == 0 && now >= self.matters_until
    }

    #[cfg(feature = "file")]
    fn note_that_it_matters(&mut self, terms: &Terms, now: u64) {
        let published = self.published.as_ref();
        let published = published.map_or(0, PublishedQuota::matters_until);
        let until = published.max(now + terms.memory());
        self.matters_until = self.matters_until.max(until);
    }

    /// Does what time has brought since the last exchange.
    fn advance(&mut self, terms: &Terms, now: u64) {
        self.began_at.get_or_insert(now);
        let windows = self.logs.len().max(terms.windows.len());
        self.logs.resize_with(windows, WindowLog::default);
        for (log, window) in self.logs.iter_mut().zip(&terms.windows) {
            log.free_expired(window.length, now);
        }
        let was_published = self.published.is_some();
        PublishedQuota::advance(&mut self.published, self.accounts[COST].lent, now);
        if was_published && self.published.is_none() {
            self.begin_cold_start();
        }
        self.cooldown.forget_cap(&terms.windows, now);
        let lent = self.members.end_leases(terms.memory(), now);
        for (unit, lent) in lent.into_iter().enumerate() {
            self.settle(unit, now, lent, terms, now);
            self.accounts[unit].lent -= lent;
            self.accounts[unit].settled += lent;
        }
        self.members.forget_lapsed(now);
    }

    /// A member that this ledger does not know may remember one from before this one began.
    fn note_memory(&mut self, exchange: &Exchange) {
        if remembers(exchange) {
            let known = u64::from(exchange.members_known).max(1);
            self.remembered = self.remembered.max(known);
        }
    }

    /// Opens the scope, whatever has closed it: what refusals and counters have taught is wrong.
    ///
    /// A member that was alone, or heard no reply, says it late: what was heard since the user did it stands.
    fn reopen(&mut self, ago: Duration) {
        let reopened_at = self.heard_at(ago);
        self.reopened += 1;
        self.reopened_at = self.reopened_at.max(reopened_at);
        if self.closed_at <= reopened_at {
            self.cooldown.reopen();
        }
        if self.counted_at <= reopened_at && self.published.take().is_some() {
            self.begin_cold_start();
        }
    }

    /// Whether a member has heard this after the last opening by a user: a member that was alone may say it late.
    fn is_news(&self, age: Duration) -> bool {
        self.heard_at(age) >= self.reopened_at
    }

    fn heard_at(&self, age: Duration) -> u64 {
        self.clock.fastest().saturating_sub(micros(age))
    }

    fn note_closing(&mut self, exchange: &Exchange, terms: &Terms, now: u64) {
        let closing = exchange.closing.as_ref();
        let Some(closing) = closing.filter(|closing| self.is_news(closing.age)) else {
            return;
        };
        self.closed_at = self.closed_at.max(self.heard_at(closing.age));
        if closing.is_refusal {
            let learned = self.fullest_window(terms, now);
            self.cooldown.on_refusal(learned, now);
        }
        self.cooldown.close(micros_up(closing.remaining), now);
    }

    /// A reply that grants nothing.
    fn reply(&self, exchange: &Exchange, terms: &Terms, state: ReplyState, now: u64) -> Reply {
        let published = self.published.as_ref();
        let count = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
        Reply {
            state,
            closed_for: Duration::from_micros(self.cooldown.closed_for(now)),
            members: count(self.members.leased() as u64),
            settled_by_all: self.accounts[COST].settled,
            free: count(self.free(COST, terms, now)),
            ask_again_in: Duration::ZERO,
            is_published: published.is_some_and(|quota| quota.resets_in(now).is_some()),
            grants: vec![Vec::<Granted>::new(); exchange.accounts.len()],
            reopened: self.reopened,
            free_in_windows: self.free_in_windows(terms, now).map(count).collect(),
        }
    }
}

/// Whether a member has exchanged with a ledger, or was alone, before.
fn remembers(exchange: &Exchange) -> bool {
    let mut accounts = exchange.accounts.iter();
    exchange.members_known > 1
        || accounts.any(|account| account.settled > 0 || account.confirmed > 0)
}

/// Whether the ledger has forgotten some of what it has confirmed to this member.
fn knows_less(record: Option<&MemberRecord>, exchange: &Exchange, terms: &Terms) -> bool {
    let mut accounts = terms.units.iter().zip(&exchange.accounts);
    accounts.any(|(unit, account)| {
        let known = record.map_or(0, |record| record.accounts[*unit].settled);
        known < bounded(account.confirmed)
    })
}
