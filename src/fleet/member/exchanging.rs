//! When a member exchanges with the ledger, what it tells, and what it makes of the reply.

use std::time::Duration;

use super::account::LeaseAccount;
use super::calls::CallStage;
use super::state::{Alone, LedgerView, MemberState, OnItsWay, Standing};
use crate::fleet::ledger::{
    Counter, Exchange, QuotaUnit, Reply, ReplyState, ScopeClosing, Unreachable,
};
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

    pub(super) fn half_a_window(&self) -> Duration {
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
            members_known: self.members_known(),
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

    /// The most members that it remembers. Before the ledger was ever reached, the guess counts: others were alone, too.
    fn members_known(&self) -> u32 {
        match (self.known.most_members, self.sequence) {
            (0, 2..) => self.settings.processes,
            (known, _) => known,
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
}
