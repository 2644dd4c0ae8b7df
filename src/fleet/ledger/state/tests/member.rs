//! One process in virtual time: it obeys the rules of a lease.

use std::time::Duration;

use super::super::terms::{CALLS, COST, IN_FLIGHT};
use crate::fleet::ledger::{
    Exchange, MemberAccount, QuotaUnit, Reply, ReplyState, ScopeClosing, Settled, Window,
};

pub(super) const MILLI: u64 = 1_000;
pub(super) const SECOND: u64 = 1_000_000;
pub(super) const LEASE: u64 = 2 * SECOND;
/// A call that is not answered counts as settled after this time.
const SLACK: u64 = SECOND / 2;

/// What a call may cost.
#[derive(Clone, Copy, Debug)]
pub(super) struct SentCall {
    pub(super) sent_at: u64,
    /// When the server counts it: at any time until it is settled.
    counted_at: u64,
    pub(super) cost: u32,
}

/// Some of what was granted.
#[derive(Clone, Copy, Debug)]
struct Stock {
    from: u64,
    count: u64,
    /// Its lease has ended. What is booked is kept until its time, and then dropped.
    is_void: bool,
}

/// What one process has of one unit.
#[derive(Clone, Debug, Default)]
pub(super) struct SimulatedAccount {
    unit: usize,
    stock: Vec<Stock>,
    /// Each settled call: when, how much, and the sum so far.
    log: Vec<(u64, u32, u64)>,
    settled: u64,
    confirmed: u64,
}

/// One process.
#[derive(Clone, Debug)]
pub(super) struct SimulatedMember {
    id: u64,
    sequence: u64,
    last_reply: u64,
    lease_until: u64,
    pub(super) closed_until: u64,
    remembers: u32,
    served: u32,
    pub(super) closing: Option<ScopeClosing>,
    pub(super) reopens: bool,
    pub(super) accounts: Vec<SimulatedAccount>,
    pub(super) in_flight: Vec<SentCall>,
    /// Calls that are settled, as the server counted them.
    pub(super) counted: Vec<(u64, u32)>,
    /// An exchange that is still on its way, and when it was sent.
    pub(super) delayed: Option<(u64, Exchange)>,
}

/// What a member asks for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Needs {
    pub(super) first: u32,
    pub(super) need: u32,
    pub(super) extra: u32,
}

impl SimulatedMember {
    pub(super) fn new(id: u64, windows: &[Window]) -> Self {
        let has = |unit| windows.iter().any(|window| window.unit == unit);
        let mut units = vec![COST];
        units.extend(has(QuotaUnit::Calls).then_some(CALLS));
        units.extend(has(QuotaUnit::InFlight).then_some(IN_FLIGHT));
        let account = |unit| SimulatedAccount {
            unit,
            ..SimulatedAccount::default()
        };
        Self {
            id,
            sequence: 0,
            last_reply: 0,
            lease_until: 0,
            closed_until: 0,
            remembers: 1,
            served: 0,
            closing: None,
            reopens: false,
            accounts: units.into_iter().map(account).collect(),
            in_flight: Vec::new(),
            counted: Vec::new(),
            delayed: None,
        }
    }

    fn cost_in(unit: usize, cost: u32) -> u32 {
        if unit == COST { cost } else { 1 }
    }

    /// What it says that it holds.
    pub(super) fn held(&self, account: usize) -> u64 {
        let account = &self.accounts[account];
        let stock: u64 = account.stock.iter().map(|stock| stock.count).sum();
        let calls = self.in_flight.iter();
        stock
            + calls
                .map(|call| u64::from(Self::cost_in(account.unit, call.cost)))
                .sum::<u64>()
    }

    pub(super) fn settled(&self, account: usize) -> u64 {
        self.accounts[account].settled
    }

    pub(super) fn in_window(&self, account: usize, length: u64, now: u64) -> u64 {
        let log = self.accounts[account].log.iter();
        let recent = log.filter(|(at, _, _)| at + length > now);
        recent.map(|(_, count, _)| u64::from(*count)).sum()
    }

    /// What may be used now.
    pub(super) fn usable(&self, account: usize, now: u64) -> u64 {
        let stock = self.accounts[account].stock.iter();
        let ready = stock.filter(|stock| stock.from <= now && !stock.is_void);
        ready.map(|stock| stock.count).sum()
    }

    fn settle(&mut self, call: SentCall, at: u64) {
        self.counted.push((call.counted_at.min(at), call.cost));
        for account in &mut self.accounts {
            let cost = Self::cost_in(account.unit, call.cost);
            account.settled += u64::from(cost);
            account.log.push((at, cost, account.settled));
        }
    }

    /// Ends its own lease a tenth before the ledger does, and settles calls whose slack is over.
    pub(super) fn advance(&mut self, now: u64) {
        let calls = std::mem::take(&mut self.in_flight);
        for call in calls {
            match call.sent_at + SLACK {
                over_at if over_at <= now => self.settle(call, over_at),
                _ => self.in_flight.push(call),
            }
        }
        let is_over = now >= self.lease_until;
        for account in &mut self.accounts {
            for stock in &mut account.stock {
                stock.is_void |= is_over;
            }
            account
                .stock
                .retain(|stock| stock.count > 0 && !(stock.is_void && stock.from <= now));
        }
    }

    pub(super) fn give_back(&mut self, now: u64) {
        for account in &mut self.accounts {
            account.stock.retain(|stock| stock.from > now);
        }
    }

    fn take(&mut self, account: usize, mut count: u64, now: u64) {
        for stock in self.accounts[account].stock.iter_mut() {
            if stock.from <= now && !stock.is_void {
                let taken = stock.count.min(count);
                (stock.count, count) = (stock.count - taken, count - taken);
            }
        }
    }

    fn told(
        &self,
        account: usize,
        tells_all: bool,
        longest: u64,
        needs: &Needs,
        now: u64,
    ) -> MemberAccount {
        let told = &self.accounts[account];
        let recent = |at: u64| at + longest + SECOND > now;
        let entries = told.log.iter().filter(|(at, _, sum)| {
            if tells_all {
                recent(*at)
            } else {
                *sum > told.confirmed
            }
        });
        MemberAccount {
            held: self.held(account),
            settled: told.settled,
            confirmed: told.confirmed,
            log: entries
                .map(|(at, count, _)| Settled {
                    age: Duration::from_micros(now - at),
                    count: *count,
                })
                .collect(),
            in_window: self.in_window(account, longest, now),
            first: needs.first.min(needs.need),
            need: needs.need,
            extra: needs.extra,
        }
    }

    /// What it says now, with the next sequence.
    pub(super) fn say(
        &mut self,
        windows: &[Window],
        needs: Needs,
        tells_all: bool,
        now: u64,
    ) -> Exchange {
        self.sequence += 1;
        let lengths = windows
            .iter()
            .map(|window| window.length.as_micros() as u64);
        let longest = lengths.max().unwrap_or(0);
        let calls = Needs {
            first: needs.first.min(1),
            ..needs
        };
        let needs_of = |unit| if unit == COST { needs } else { calls };
        let accounts = self.accounts.iter().enumerate().map(|(index, account)| {
            self.told(index, tells_all, longest, &needs_of(account.unit), now)
        });
        Exchange {
            member: self.id,
            sequence: self.sequence,
            last_reply: self.last_reply,
            lease: Duration::from_micros(LEASE),
            windows: windows.to_vec(),
            accounts: accounts.collect(),
            tells_all,
            members_known: self.remembers,
            closing: self.closing,
            reopens: std::mem::take(&mut self.reopens),
            served: self.served,
            ..Exchange::default()
        }
    }

    /// The reply to an exchange that was sent just now.
    pub(super) fn hear(&mut self, exchange: &Exchange, reply: &Reply, now: u64) {
        self.last_reply = exchange.sequence;
        self.remembers = self.remembers.max(reply.members);
        let closed_for = reply.closed_for.as_micros() as u64;
        self.closed_until = self.closed_until.max(now + closed_for);
        if reply.state != ReplyState::Done {
            return;
        }
        (self.closing, self.served) = (None, 0);
        self.lease_until = now + LEASE * 9 / 10;
        for (index, account) in self.accounts.iter_mut().enumerate() {
            account.confirmed = exchange.accounts[index].settled;
            for granted in &reply.grants[index] {
                account.stock.push(Stock {
                    from: now + granted.from.as_micros() as u64,
                    count: u64::from(granted.count),
                    is_void: false,
                });
            }
        }
    }

    /// Sends as many calls as it may, at most `calls`, and returns how many that were.
    ///
    /// The server counts each somewhere on its way.
    pub(super) fn send(&mut self, calls: u32, cost: u32, way: u64, now: u64) -> u32 {
        let may_send = |member: &Self| {
            let mut accounts = member.accounts.iter().enumerate();
            now >= member.closed_until
                && accounts.all(|(index, account)| {
                    let cost = SimulatedMember::cost_in(account.unit, cost);
                    member.usable(index, now) >= u64::from(cost)
                })
        };
        let mut sent = 0;
        while sent < calls && may_send(self) {
            for index in 0..self.accounts.len() {
                let cost = SimulatedMember::cost_in(self.accounts[index].unit, cost);
                self.take(index, u64::from(cost), now);
            }
            // A member that may come back late has a call counted no later than its lease.
            let counted_at = (now + way.min(SLACK)).min(self.lease_until.max(now));
            self.in_flight.push(SentCall {
                sent_at: now,
                counted_at,
                cost,
            });
            sent += 1;
        }
        sent
    }

    /// The oldest `calls` in flight are answered and were served.
    pub(super) fn answer(&mut self, calls: usize, now: u64) -> usize {
        let calls = calls.min(self.in_flight.len());
        let answered: Vec<_> = self.in_flight.drain(..calls).collect();
        for call in answered {
            self.settle(call, now);
            self.served += 1;
        }
        calls
    }

    /// The call that was answered last was refused.
    pub(super) fn on_refusal(&mut self, closing: ScopeClosing, now: u64) {
        self.served -= 1;
        self.closed_until = self
            .closed_until
            .max(now + closing.remaining.as_micros() as u64);
        self.closing = Some(closing);
    }
}
