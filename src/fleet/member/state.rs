//! All that a member knows and decides, told the time: no clock, no connection, no lock.

use std::time::{Duration, SystemTime};

use super::LeaseSettings;
use super::account::LeaseAccount;
use super::calls::{CallStage, Calls, GrantedCall};
use super::own_closing::OwnClosing;
use crate::fleet::ledger::{Counter, QuotaUnit, ScopeClosing, Window};
use crate::fleet::{Grant, GrantId};
use crate::time::{Instant, Moment};

/// One member, of one scope.
#[derive(Debug)]
pub(super) struct MemberState {
    pub(super) settings: LeaseSettings,
    pub(super) id: u64,
    pub(super) sequence: u64,
    /// That of the youngest exchange whose reply has arrived.
    pub(super) last_reply: u64,
    pub(super) standing: Standing,
    pub(super) windows: Vec<Window>,
    pub(super) accounts: Vec<LeaseAccount>,
    pub(super) calls: Calls,
    /// How long after it was sent a call counts, answered or not.
    pub(super) slack: Duration,
    /// The exchange on its way: what had been settled when it was sent, and when that was.
    pub(super) on_its_way: Option<OnItsWay>,
    pub(super) last_exchange: Moment,
    /// The stock may be used until then, counted with the time that the machine was suspended.
    usable_until: Moment,
    /// For how long the machine was suspended in all, and what its clocks showed last.
    pub(super) suspended: Duration,
    pub(super) clocks: Option<(Instant, SystemTime)>,
    pub(super) closed_until: Moment,
    /// The latest closing that was pushed while an exchange was on its way.
    pub(super) pushed_until: Option<Moment>,
    /// Whether a closing that was pushed may be older than an opening: the next reply says so.
    pub(super) doubts_closing: bool,
    pub(super) closing: Option<OwnClosing>,
    /// When the user has opened the scope, if the ledger was not told. Counts the time that the machine was suspended.
    pub(super) reopens: Option<Moment>,
    pub(super) served: u32,
    /// What the youngest answer said, and when, counted with the time that the machine was suspended.
    pub(super) counter: Option<(Counter, Moment)>,
    pub(super) published_limit: u32,
    /// What the ledger has told last.
    pub(super) known: LedgerView,
    /// The cost of the call that asked in vain, and waits.
    pub(super) asked: Option<u32>,
    /// What the last call that had to wait costs, as a guess for those that wait.
    pub(super) waiting_cost: u32,
    /// Whether a call waits that the end of another one may let go.
    pub(super) waits_for_an_end: bool,
    /// Whether the gates have to ask again.
    pub(super) wakes_gates: bool,
    /// Whether the user of another process has opened the scope.
    pub(super) opens_gates: bool,
    /// Whether the lease has ended since the last grant.
    is_void: bool,
    pub(super) ask_again_at: Moment,
    pub(super) is_leaving: bool,
}

/// What the last reply said.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LedgerView {
    /// The most members that were ever heard of.
    pub(super) most_members: u32,
    pub(super) members: u32,
    pub(super) settled_by_all: u64,
    /// How often users had opened the scope.
    pub(super) reopened: u64,
    pub(super) free: u32,
    pub(super) is_published: bool,
    pub(super) at: Moment,
}

/// Where a member stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It has not exchanged yet. Calls wait for that, once.
    Joining,
    /// It has a lease, and deals out what was granted.
    Leased,
    /// The ledger is away: it spends its stock, and then its share.
    Alone(Alone),
    /// It has given back what it held, and exchanges no more.
    Left,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Alone {
    pub(super) since: Moment,
    pub(super) next_try: Moment,
    pub(super) wait: Duration,
    /// Whether the ledger was ever reached.
    pub(super) had_a_lease: bool,
    /// When it sent a call without the ledger last.
    pub(super) last_sent: Option<Moment>,
}

#[derive(Clone, Debug)]
pub(super) struct OnItsWay {
    pub(super) sequence: u64,
    /// Counted with the time that the machine had been suspended.
    pub(super) sent: Moment,
    pub(super) settled: Vec<u64>,
    pub(super) tells_all: bool,
    pub(super) leaves: bool,
    /// What has to be told again if it is lost.
    pub(super) closing: Option<(OwnClosing, ScopeClosing)>,
    pub(super) reopens: Option<Moment>,
    pub(super) doubts_closing: bool,
    pub(super) asked: Option<u32>,
}

impl MemberState {
    pub(super) fn new(settings: LeaseSettings, id: u64, windows: &[Window], now: Moment) -> Self {
        let slack = windows.iter().map(|window| window.slack).max();
        Self {
            settings,
            id,
            sequence: 0,
            last_reply: 0,
            standing: Standing::Joining,
            windows: windows.to_vec(),
            accounts: LeaseAccount::of(windows),
            calls: Calls::default(),
            slack: slack.unwrap_or(Duration::MAX),
            on_its_way: None,
            last_exchange: now,
            usable_until: now,
            suspended: Duration::ZERO,
            clocks: None,
            closed_until: Moment::START,
            pushed_until: None,
            doubts_closing: false,
            closing: None,
            reopens: None,
            served: 0,
            counter: None,
            published_limit: 0,
            known: LedgerView::default(),
            asked: None,
            waiting_cost: 1,
            waits_for_an_end: false,
            wakes_gates: false,
            opens_gates: false,
            is_void: false,
            ask_again_at: Moment::START,
            is_leaving: false,
        }
    }

    /// Whether it knows the limits for all processes.
    pub(super) fn leads(&self) -> bool {
        let is_limited = || {
            let mut units = self.windows.iter().map(|window| window.unit);
            units.any(|unit| unit != QuotaUnit::InFlight)
        };
        self.standing == Standing::Leased && (self.known.is_published || is_limited())
    }

    /// Whether a call of this cost may be sent.
    pub(super) fn admit(&mut self, cost: u32, now: Moment) -> Grant {
        if self.closed_until > now {
            return Grant::At(self.closed_until.since(now));
        }
        for account in &mut self.accounts {
            let need = account.need_of(cost);
            account.on_demand(need, now);
        }
        self.void_if_over(now);
        let from_stock = self.take_from_stock(cost, now);
        let alone = matches!(self.standing, Standing::Alone(_) | Standing::Left);
        if let (Grant::Later, true) = (from_stock, alone) {
            return self.admit_alone(cost, now);
        }
        if !matches!(from_stock, Grant::Now(_)) {
            self.waiting_cost = cost;
        }
        if from_stock == Grant::Later {
            self.asked = Some(cost);
            self.waits_for_an_end = true;
        }
        from_stock
    }

    /// Deals out what was granted.
    fn take_from_stock(&mut self, cost: u32, now: Moment) -> Grant {
        let mut from = Some(now);
        for account in &mut self.accounts {
            let need = account.need_of(cost);
            if account.available(now) < need {
                from = from.and_then(|from| Some(from.max(account.available_from(need)?)));
            }
        }
        match from {
            Some(from) if from <= now => {
                for account in &mut self.accounts {
                    account.take(account.need_of(cost));
                }
                Grant::Now(self.add_call(cost, true, now))
            }
            Some(from) => Grant::At(from.since(now)),
            None => Grant::Later,
        }
    }

    pub(super) fn add_call(&mut self, cost: u32, by_ledger: bool, now: Moment) -> GrantId {
        self.calls.add(GrantedCall {
            cost,
            sent: now,
            settled_by_all: self.known.settled_by_all,
            by_ledger,
            stage: CallStage::OnItsWay,
        })
    }

    pub(super) fn void_if_over(&mut self, now: Moment) {
        if !self.may_use_stock(now) && !self.is_void {
            self.is_void = true;
            self.accounts.iter_mut().for_each(LeaseAccount::void);
            // The ledger counts as sent what is on its way: a call that is not sent after all gives nothing back.
            self.calls
                .iter_mut()
                .for_each(|call| call.by_ledger = false);
        }
    }

    /// Whether the lease has not ended.
    pub(super) fn may_use_stock(&self, now: Moment) -> bool {
        self.with_suspensions(now) < self.usable_until
    }

    /// Lets the stock be used until this moment.
    pub(super) fn renew(&mut self, until: Moment) {
        self.usable_until = until;
        self.is_void = false;
    }

    /// Lets the last exchange say that the member ends.
    pub(super) fn leave(&mut self) {
        self.is_leaving = true;
        self.give_all_back();
    }

    /// Whether nothing is held, so that a test can see that nothing leaks.
    #[cfg(all(test, not(model)))]
    pub(super) fn holds_nothing(&self) -> bool {
        self.calls.is_empty() && self.accounts.iter().all(|account| account.in_flight() == 0)
    }
}
