//! When a member exchanges with the ledger, what it tells, and what it makes of the reply.

use std::time::Duration;

use super::account::LeaseAccount;
use super::calls::CallStage;
use super::state::{Alone, LedgerView, MemberState, OnItsWay, Standing};
use crate::fleet::ledger::{Counter, Exchange, QuotaUnit, Reply, ReplyState, Unreachable};
use crate::time::{Moment, later};

impl MemberState {
    /// An error reply does not go away by asking soon.
    const AFTER_ERROR: Duration = Duration::from_millis(500);
    const FIRST_WAIT: Duration = Duration::from_millis(50);
    const LONGEST_WAIT: Duration = Duration::from_millis(500);
    /// No two exchanges that nothing asks for come closer.
    const SHORTEST_PAUSE: Duration = Duration::from_millis(20);
    /// When the next exchange is due, as far as is known.
    pub(super) fn next_exchange(&mut self, now: Moment) -> Moment {
        match self.standing {
            Standing::Left => return Moment::FAR,
            _ if self.is_leaving || self.sequence == 0 => return now,
            Standing::Alone(alone) => return alone.next_try.max(now),
            Standing::Joining | Standing::Leased => {}
        }
        if self.closing.is_some() || self.reopens.is_some() || self.doubts_closing {
            return now;
        }
        let mut next = later(self.last_exchange, self.settings.lease / 4);
        let is_open = self.closed_until <= now;
        let is_low = |account: &mut LeaseAccount| account.is_low() && account.soon(now) > 0;
        if self.accounts.iter().any(LeaseAccount::tells_all) {
            next = next.min(self.ask_again_at);
        }
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

    pub(super) fn half_a_window(&self) -> Duration {
        let lengths = self.windows.iter().map(|window| window.length);
        let shortest = lengths.filter(|length| !length.is_zero()).min();
        shortest.map_or(self.settings.lease / 4, |length| length / 2)
    }

    /// What to tell the ledger now. `waiting` calls wait at the gate.
    pub(super) fn begin_exchange(&mut self, waiting: usize, now: Moment) -> Exchange {
        if let Some(lost) = self.on_its_way.take() {
            // The task was dropped with its runtime, and another one has begun.
            self.on_lost(&lost, now);
        }
        self.void_if_over(now);
        self.settle_overdue(now);
        self.sequence += 1;
        self.last_exchange = now;
        let asked = self.asked.take();
        let first = asked.or_else(|| (waiting > 0).then_some(self.waiting_cost));
        let waiting = waiting.max(usize::from(asked.is_some())) as u64;
        let tells_all = self.accounts.iter().any(LeaseAccount::tells_all);
        if asked.is_some_and(|cost| self.lacks(cost, now)) {
            // It asks for all that the call needs: others may be short of the part that is here.
            let accounts = self.accounts.iter_mut();
            accounts.for_each(LeaseAccount::give_back_available);
        }
        let accounts = self.accounts.iter_mut().map(|account| {
            let first = first.map_or(0, |cost| account.need_of(cost));
            if self.is_leaving {
                account.give_back(0);
            } else if waiting == 0 {
                let soon = account.soon(now);
                account.give_back(soon.max(u64::from(soon > 0)));
            }
            account.tell(waiting * first, first, now)
        });
        let accounts: Vec<_> = accounts.collect();
        let closing = self.closing_to_tell(now);
        let reopens = self.reopens.take();
        let reopened_ago = reopens.map(|opened| self.told_as_opened_ago(opened, now));
        self.on_its_way = Some(OnItsWay {
            sequence: self.sequence,
            sent: self.with_suspensions(now),
            settled: accounts.iter().map(|account| account.settled).collect(),
            tells_all,
            leaves: self.is_leaving,
            closing,
            reopens,
            doubts_closing: std::mem::take(&mut self.doubts_closing),
            asked,
        });
        self.pushed_until = None;
        Exchange {
            member: self.id,
            sequence: self.sequence,
            last_reply: self.last_reply,
            lease: self.settings.lease,
            windows: self.windows.clone(),
            accounts,
            tells_all,
            members_known: self.members_known(),
            closing: closing.map(|(_, told)| told),
            reopens: reopens.is_some(),
            reopened_ago: reopened_ago.unwrap_or_default(),
            served: std::mem::take(&mut self.served),
            counter: self.counter_to_tell(now),
            leaves: self.is_leaving,
        }
    }

    /// Whether a call of this cost needs more than was granted, now or from a moment to come.
    fn lacks(&mut self, cost: u32, now: Moment) -> bool {
        let mut accounts = self.accounts.iter_mut();
        accounts.any(|account| {
            account.available(now);
            account.stock() < account.need_of(cost)
        })
    }

    /// The most members that it remembers. Before the ledger was ever reached, the guess counts: others were alone, too.
    fn members_known(&self) -> u32 {
        match (self.known.most_members, self.sequence) {
            (0, 2..) => self.settings.processes,
            (known, _) => known,
        }
    }

    /// What the youngest answer said is left, unless that is over.
    fn counter_to_tell(&mut self, now: Moment) -> Option<Counter> {
        let (counter, heard) = self.counter.take()?;
        let age = self.with_suspensions(now).since(heard);
        let resets_in = counter.resets_in.checked_sub(age)?;
        Some(Counter {
            resets_in,
            age,
            ..counter
        })
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
        if sent.leaves {
            return self.on_leaving_told(&sent, reply);
        }
        self.on_closing_told(&sent, reply, now);
        self.known = LedgerView {
            most_members: self.known.most_members.max(reply.members),
            members: reply.members,
            settled_by_all: reply.settled_by_all,
            reopened: reply.reopened,
            free: reply.free,
            is_published: reply.is_published,
            at: now,
        };
        self.note_free(reply);
        match reply.state {
            ReplyState::Done => self.on_done(&sent, reply, now),
            ReplyState::TellAll if !sent.tells_all => {
                self.accounts
                    .iter_mut()
                    .for_each(LeaseAccount::tell_all_next);
                self.ask_again_at = now;
                self.asked = self.asked.or(sent.asked);
                self.standing = Standing::Leased;
            }
            // It was told all, and asks again: it cannot remember.
            ReplyState::TellAll => self.go_alone(&sent, Some(Self::AFTER_ERROR), now),
            // Only a number of an earlier life of this member can be higher. Or the ledger has no room for it.
            ReplyState::Late => {
                self.sequence += 1_000;
                self.go_alone(&sent, Some(Self::AFTER_ERROR), now);
            }
        }
        if self.closed_until > now {
            self.give_all_back();
        }
    }

    fn on_done(&mut self, sent: &OnItsWay, reply: &Reply, now: Moment) {
        self.standing = Standing::Leased;
        let lease = self.settings.lease;
        self.renew(later(sent.sent, lease - lease / 10));
        self.ask_again_at = now + reply.ask_again_in;
        let granted = reply.grants.iter().map(Vec::as_slice);
        let granted = granted.chain(std::iter::repeat(&[][..]));
        for ((account, settled), granted) in
            self.accounts.iter_mut().zip(&sent.settled).zip(granted)
        {
            account.on_granted(*settled, granted, now);
        }
    }

    /// Notes the reply to the exchange that said that the member ends.
    fn on_leaving_told(&mut self, sent: &OnItsWay, reply: &Reply) {
        // From now on it keeps no log for the ledger. Or the next exchange tells all of it.
        self.accounts
            .iter_mut()
            .for_each(LeaseAccount::tell_all_next);
        if reply.state != ReplyState::TellAll || sent.tells_all {
            self.standing = Standing::Left;
        }
    }

    /// Notes that the last exchange has failed.
    pub(super) fn on_unreachable(&mut self, why: &Unreachable, now: Moment) {
        let Some(sent) = self.on_its_way.take() else {
            return;
        };
        if sent.leaves {
            self.on_lost(&sent, now);
            return self.standing = Standing::Left;
        }
        let is_error = matches!(why, Unreachable::ErrorReply(_));
        self.go_alone(&sent, is_error.then_some(Self::AFTER_ERROR), now);
    }

    /// Tells again what an exchange has said to which there is no reply.
    fn on_lost(&mut self, sent: &OnItsWay, now: Moment) {
        self.accounts
            .iter_mut()
            .for_each(LeaseAccount::tell_all_next);
        self.asked = self.asked.or(sent.asked);
        self.reopens = self.reopens.max(sent.reopens);
        self.doubts_closing |= sent.doubts_closing;
        self.tell_closing_again(sent, now);
    }

    /// Goes on without the ledger, and tries again after `wait`, or after a pause that grows.
    fn go_alone(&mut self, sent: &OnItsWay, wait: Option<Duration>, now: Moment) {
        self.on_lost(sent, now);
        let mut alone = match self.standing {
            Standing::Alone(alone) => Alone {
                wait: (alone.wait * 2).min(Self::LONGEST_WAIT),
                ..alone
            },
            standing => {
                self.divide_what_was_free(now);
                Alone {
                    since: now,
                    next_try: now,
                    wait: Self::FIRST_WAIT,
                    had_a_lease: standing == Standing::Leased,
                    last_sent: None,
                }
            }
        };
        alone.wait = wait.unwrap_or(alone.wait);
        alone.next_try = now + alone.wait;
        self.standing = Standing::Alone(alone);
    }

    /// Notes how much of each window is free.
    fn note_free(&mut self, reply: &Reply) {
        for account in &mut self.accounts {
            let unit = account.unit();
            let windows = self.windows.iter().enumerate();
            let indices = windows.filter(|(_, window)| window.unit == unit);
            for ((index, _), window) in indices.zip(account.windows()) {
                let free = reply.free_in_windows.get(index);
                window.free = free.copied().unwrap_or(reply.free);
            }
        }
    }

    /// Takes its part of what was free in each window, if that was heard a moment ago.
    fn divide_what_was_free(&mut self, now: Moment) {
        let is_fresh = now.since(self.known.at) <= self.half_a_window() + self.settings.timeout * 2;
        let members = self.known.members.max(1);
        for window in self.accounts.iter_mut().flat_map(LeaseAccount::windows) {
            let part = window.free / members;
            window.first_part = if is_fresh { part.into() } else { 0 };
        }
    }
}
