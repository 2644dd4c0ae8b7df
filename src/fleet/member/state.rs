//! All that a member knows and decides, told the time: no clock, no connection, no lock.

use std::time::Duration;

use super::LeaseSettings;
use super::account::LeaseAccount;
use super::calls::{CallStage, Calls, GrantedCall};
use crate::fleet::ledger::{
    Counter, Exchange, QuotaUnit, Reply, ReplyState, ScopeClosing, Unreachable, Window,
};
use crate::fleet::{CallEnding, CallOutcome, CloseReason, Grant, GrantId, PublishedCounter};
use crate::time::{Moment, later};

/// One member, of one scope.
#[derive(Debug)]
pub(super) struct MemberState {
    pub(super) settings: LeaseSettings,
    id: u64,
    sequence: u64,
    /// That of the youngest exchange whose reply has arrived.
    last_reply: u64,
    pub(super) standing: Standing,
    windows: Vec<Window>,
    pub(super) accounts: Vec<LeaseAccount>,
    calls: Calls,
    /// How long after it was sent a call counts, answered or not.
    slack: Duration,
    /// The exchange on its way: what had been settled when it was sent, and when that was.
    on_its_way: Option<OnItsWay>,
    last_exchange: Moment,
    /// The stock may be used until then.
    pub(super) usable_until: Moment,
    closed_until: Moment,
    closing: Option<(Moment, bool)>,
    served: u32,
    counter: Option<(Counter, Moment)>,
    published_limit: u32,
    /// What the ledger has told last.
    pub(super) known: LedgerView,
    /// The cost of the call that asked in vain, and waits.
    asked: Option<u32>,
    ask_again_at: Moment,
    is_leaving: bool,
}

/// What the last reply said.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LedgerView {
    /// The most members that were ever heard of.
    pub(super) most_members: u32,
    pub(super) members: u32,
    pub(super) settled_by_all: u64,
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
    next_try: Moment,
    wait: Duration,
    /// Whether the ledger was ever reached.
    pub(super) had_a_lease: bool,
    /// What it may send beside its stock within the first window.
    pub(super) first_part: u64,
    /// When it sent a call without the ledger last.
    pub(super) last_sent: Option<Moment>,
}

#[derive(Clone, Debug)]
struct OnItsWay {
    sequence: u64,
    sent: Moment,
    settled: Vec<u64>,
}

impl MemberState {
    /// An error reply does not go away by asking soon.
    const AFTER_ERROR: Duration = Duration::from_millis(500);
    const FIRST_WAIT: Duration = Duration::from_millis(50);
    const LONGEST_WAIT: Duration = Duration::from_millis(500);
    /// No two exchanges that nothing asks for come closer.
    const SHORTEST_PAUSE: Duration = Duration::from_millis(20);

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
            closed_until: Moment::START,
            closing: None,
            served: 0,
            counter: None,
            published_limit: 0,
            known: LedgerView::default(),
            asked: None,
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
        if from_stock == Grant::Later {
            self.asked = Some(cost);
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

    fn void_if_over(&mut self, now: Moment) {
        if now >= self.usable_until {
            self.accounts.iter_mut().for_each(LeaseAccount::void);
        }
    }

    pub(super) fn on_late_send(&mut self, grant: GrantId, now: Moment) {
        if let Some(call) = self.calls.get_mut(grant) {
            call.sent = now;
        }
    }

    pub(super) fn on_return(&mut self, grant: GrantId, now: Moment) {
        let Some(call) = self.calls.remove(grant) else {
            return;
        };
        let to_stock = call.by_ledger && now < self.usable_until && self.closed_until <= now;
        for account in &mut self.accounts {
            let need = account.need_of(call.cost);
            // What was overdue is settled, so that the ledger believes it was sent.
            if call.stage == CallStage::OnItsWay || account.unit() == QuotaUnit::InFlight {
                account.put_back(need, to_stock);
            }
        }
    }

    pub(super) fn on_outcome(
        &mut self,
        grant: Option<GrantId>,
        outcome: &CallOutcome,
        now: Moment,
    ) {
        let Some(grant) = grant else {
            return self.on_adopted(outcome, now);
        };
        let Some(call) = self.calls.get_mut(grant) else {
            return;
        };
        let settled_at = now.min(later(call.sent, self.slack));
        let before = *call;
        let is_counted_until_its_end = outcome.ending != CallEnding::Dropped;
        call.stage = CallStage::Body;
        let mut holds = false;
        for account in &mut self.accounts {
            let granted = account.need_of(before.cost);
            let cost = account.need_of(outcome.cost);
            match (account.unit(), before.stage) {
                (QuotaUnit::InFlight, _) if is_counted_until_its_end => holds = true,
                (_, CallStage::OnItsWay) => account.settle(granted, cost, settled_at),
                (QuotaUnit::InFlight, _) => account.settle(granted, granted, now),
                (_, _) => account.settle(0, cost.saturating_sub(granted), now),
            }
        }
        if !holds {
            self.calls.remove(grant);
        }
        self.served += u32::from(outcome.ending == CallEnding::Served);
        if let Some(counter) = outcome.counter {
            self.on_counter(counter, before.settled_by_all, outcome.cost, now);
        }
    }

    /// A call that another gate has sent: nothing was granted for it here.
    fn on_adopted(&mut self, outcome: &CallOutcome, now: Moment) {
        for account in &mut self.accounts {
            if account.unit() != QuotaUnit::InFlight {
                let cost = account.need_of(outcome.cost);
                account.settle(0, cost, now);
            }
        }
        if let Some(counter) = outcome.counter {
            self.on_counter(counter, self.known.settled_by_all, outcome.cost, now);
        }
    }

    fn on_counter(
        &mut self,
        counter: PublishedCounter,
        settled_by_all: u64,
        cost: u32,
        now: Moment,
    ) {
        let Some(resets_in) = counter.resets_in else {
            return;
        };
        let least = counter.remaining.saturating_add(cost);
        self.published_limit = counter
            .limit
            .unwrap_or_else(|| self.published_limit.max(least));
        let counter = Counter {
            limit: self.published_limit,
            remaining: counter.remaining,
            resets_in,
            settled_by_all,
            cost,
        };
        self.counter = Some((counter, now));
    }

    /// Notes that the body of a response has ended.
    pub(super) fn on_body_end(&mut self, grant: GrantId, now: Moment) {
        if self.calls.remove(grant).is_some() {
            for account in &mut self.accounts {
                if account.unit() == QuotaUnit::InFlight {
                    account.settle(1, 1, now);
                }
            }
        }
    }

    pub(super) fn on_close(&mut self, closed_for: Duration, reason: CloseReason, now: Moment) {
        let until = later(now, closed_for);
        let is_refusal = reason == CloseReason::Refusal;
        let (known, was_refusal) = self.closing.unwrap_or((until, is_refusal));
        self.closing = Some((known.max(until), was_refusal || is_refusal));
        self.close_until(until);
    }

    /// Notes that another member has closed the scope.
    pub(super) fn on_foreign_close(&mut self, closed_for: Duration, now: Moment) {
        self.close_until(later(now, closed_for));
    }

    fn close_until(&mut self, until: Moment) {
        self.closed_until = self.closed_until.max(until);
        // When it opens, the ledger deals out anew: one probe first, after a refusal.
        self.accounts
            .iter_mut()
            .for_each(|account| account.give_back(0));
    }

    /// Lets the last exchange say that the member ends.
    pub(super) fn leave(&mut self) {
        self.is_leaving = true;
        self.accounts
            .iter_mut()
            .for_each(|account| account.give_back(0));
    }

    /// When the next exchange is due, as far as is known.
    pub(super) fn next_exchange(&mut self, now: Moment) -> Moment {
        match self.standing {
            Standing::Left => return Moment::FAR,
            _ if self.is_leaving || self.sequence == 0 => return now,
            Standing::Alone(alone) => return alone.next_try.max(now),
            Standing::Joining | Standing::Leased => {}
        }
        if self.closing.is_some() {
            return now;
        }
        let mut next = later(self.last_exchange, self.settings.lease / 4);
        let is_open = self.closed_until <= now;
        let is_low = |account: &mut LeaseAccount| account.is_low() && account.soon(now) > 0;
        if is_open && (self.asked.is_some() || self.accounts.iter_mut().any(is_low)) {
            next = next.min(self.ask_again_at);
        }
        if self.accounts.iter().any(LeaseAccount::has_unconfirmed) {
            let pause = self.half_a_window().max(Self::SHORTEST_PAUSE);
            next = next.min(later(self.last_exchange, pause));
        }
        next.max(now)
    }

    /// Whether the task should not wait for the moment that it knew before.
    pub(super) fn is_exchange_due(&mut self, now: Moment) -> bool {
        self.on_its_way.is_none() && self.next_exchange(now) <= now
    }

    fn half_a_window(&self) -> Duration {
        let lengths = self.windows.iter().map(|window| window.length);
        let shortest = lengths.filter(|length| !length.is_zero()).min();
        shortest.map_or(self.settings.lease / 4, |length| length / 2)
    }

    /// What to tell the ledger now. `waiting` calls wait at the gate.
    pub(super) fn begin_exchange(&mut self, waiting: usize, now: Moment) -> Exchange {
        self.void_if_over(now);
        self.settle_overdue(now);
        self.sequence += 1;
        self.last_exchange = now;
        let first = self.asked.take().unwrap_or_else(|| u32::from(waiting > 0));
        let waiting = waiting.max(usize::from(first > 0)) as u64;
        let tells_all = self.accounts.iter().any(LeaseAccount::tells_all);
        let accounts = self.accounts.iter_mut().map(|account| {
            let first = match first {
                0 => 0,
                cost => account.need_of(cost),
            };
            if waiting == 0 {
                let soon = account.soon(now);
                account.give_back(soon.max(u64::from(soon > 0)));
            }
            account.tell(waiting * first, first, now)
        });
        let accounts: Vec<_> = accounts.collect();
        self.on_its_way = Some(OnItsWay {
            sequence: self.sequence,
            sent: now,
            settled: accounts.iter().map(|account| account.settled).collect(),
        });
        let closing = self.closing.take();
        Exchange {
            member: self.id,
            sequence: self.sequence,
            last_reply: self.last_reply,
            lease: self.settings.lease,
            windows: self.windows.clone(),
            accounts,
            tells_all,
            members_known: self.known.most_members,
            closing: closing.map(|(until, is_refusal)| ScopeClosing {
                remaining: until.since(now),
                is_refusal,
            }),
            served: std::mem::take(&mut self.served),
            counter: self.counter.take().and_then(|(counter, heard)| {
                let resets_in = counter.resets_in.checked_sub(now.since(heard))?;
                Some(Counter {
                    resets_in,
                    ..counter
                })
            }),
            leaves: self.is_leaving,
        }
    }

    /// Settles the calls that were not answered within their slack.
    fn settle_overdue(&mut self, now: Moment) {
        for call in self.calls.iter_mut() {
            let due = later(call.sent, self.slack);
            if call.stage == CallStage::OnItsWay && due <= now {
                call.stage = CallStage::Overdue;
                for account in &mut self.accounts {
                    let cost = account.need_of(call.cost);
                    if account.unit() != QuotaUnit::InFlight {
                        account.settle(cost, cost, due);
                    }
                }
            }
        }
    }

    /// Notes the reply to the last exchange.
    pub(super) fn on_reply(&mut self, reply: &Reply, now: Moment) {
        let Some(sent) = self.on_its_way.take() else {
            return;
        };
        self.last_reply = sent.sequence;
        if self.is_leaving {
            return self.standing = Standing::Left;
        }
        self.known = LedgerView {
            most_members: self.known.most_members.max(reply.members),
            members: reply.members,
            settled_by_all: reply.settled_by_all,
            free: reply.free,
            is_published: reply.is_published,
            at: now,
        };
        match reply.state {
            ReplyState::Done => self.on_done(&sent, reply, now),
            ReplyState::TellAll => {
                self.accounts
                    .iter_mut()
                    .for_each(LeaseAccount::tell_all_next);
                self.ask_again_at = now;
                self.asked = self.asked.or(Some(1));
                self.standing = Standing::Leased;
            }
            // Only a number of an earlier life of this member can be higher.
            ReplyState::Late => {
                self.sequence += 1_000;
                self.ask_again_at = now + Self::AFTER_ERROR;
            }
        }
        if !reply.closed_for.is_zero() {
            self.on_foreign_close(reply.closed_for, now);
        }
    }

    fn on_done(&mut self, sent: &OnItsWay, reply: &Reply, now: Moment) {
        self.standing = Standing::Leased;
        let lease = self.settings.lease;
        self.usable_until = later(sent.sent, lease - lease / 10);
        self.ask_again_at = now + reply.ask_again_in;
        let granted = reply.grants.iter().map(Vec::as_slice);
        let granted = granted.chain(std::iter::repeat(&[][..]));
        for ((account, settled), granted) in
            self.accounts.iter_mut().zip(&sent.settled).zip(granted)
        {
            account.on_granted(*settled, granted, now);
        }
    }

    /// Notes that the last exchange has failed.
    pub(super) fn on_unreachable(&mut self, why: &Unreachable, now: Moment) {
        self.on_its_way = None;
        if self.is_leaving {
            return self.standing = Standing::Left;
        }
        self.accounts
            .iter_mut()
            .for_each(LeaseAccount::tell_all_next);
        let mut alone = match self.standing {
            Standing::Alone(alone) => Alone {
                wait: (alone.wait * 2).min(Self::LONGEST_WAIT),
                ..alone
            },
            standing => Alone {
                since: now,
                next_try: now,
                wait: Self::FIRST_WAIT,
                had_a_lease: standing == Standing::Leased,
                first_part: self.part_of_what_was_free(now),
                last_sent: None,
            },
        };
        if matches!(why, Unreachable::ErrorReply(_)) {
            alone.wait = Self::AFTER_ERROR;
        }
        alone.next_try = now + alone.wait;
        self.standing = Standing::Alone(alone);
    }

    /// Its part of what was free, if that was heard a moment ago.
    fn part_of_what_was_free(&self, now: Moment) -> u64 {
        let is_fresh = now.since(self.known.at) <= self.half_a_window() + self.settings.timeout * 2;
        let part = self.known.free / self.known.members.max(1);
        if is_fresh { part.into() } else { 0 }
    }

    /// Whether nothing is held, so that a test can see that nothing leaks.
    #[cfg(all(test, not(model)))]
    pub(super) fn holds_nothing(&self) -> bool {
        self.calls.is_empty() && self.accounts.iter().all(|account| account.in_flight() == 0)
    }
}
