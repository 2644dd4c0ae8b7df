//! Until when the scope is closed, as this member and others have heard, and what of it the ledger is told.

use std::time::Duration;

use super::account::LeaseAccount;
use super::own_closing::OwnClosing;
use super::state::{MemberState, OnItsWay, Standing};
use crate::fleet::CloseReason;
use crate::fleet::ledger::{Reply, ReplyState, ScopeClosing};
use crate::time::{Moment, later};

impl MemberState {
    pub(super) fn on_close(&mut self, closed_for: Duration, reason: CloseReason, now: Moment) {
        let heard = self.with_suspensions(now);
        let is_refusal = reason == CloseReason::Refusal;
        self.tell_closing(OwnClosing::new(later(heard, closed_for), heard, is_refusal));
        self.close_until(later(now, closed_for));
    }

    /// Opens the scope, since the user says so, and lets the next exchange tell it.
    pub(super) fn on_reopen(&mut self, now: Moment) {
        self.closed_until = Moment::START;
        self.pushed_until = None;
        self.closing = None;
        self.counter = None;
        self.reopens = Some(self.with_suspensions(now));
        self.wakes_gates = true;
        if let Some(sent) = &mut self.on_its_way {
            // It need not be told again if it is lost.
            sent.closing = None;
        }
    }

    /// How long ago the ledger is told that the user has opened the scope.
    ///
    /// A closing that was heard before may have taken as long to the ledger as an exchange may take.
    pub(super) fn told_as_opened_ago(&self, opened: Moment, now: Moment) -> Duration {
        let ago = self.with_suspensions(now).since(opened);
        ago.saturating_sub(self.settings.timeout)
    }

    /// Notes that another member has closed the scope, by a message that may come before or after a reply.
    ///
    /// Until the ledger was told that the user has opened the scope, what it has published is older than that.
    pub(super) fn on_foreign_close(&mut self, closed_for: Duration, now: Moment) {
        if self.reopens.is_some() {
            return;
        }
        let until = later(now, closed_for);
        if self.on_its_way.is_some() {
            self.pushed_until = self.pushed_until.max(Some(until));
        }
        self.close_until(until);
    }

    /// Lets the next exchange tell of a closing.
    fn tell_closing(&mut self, closing: OwnClosing) {
        self.closing = Some(match self.closing {
            Some(known) => known.and(closing),
            None => closing,
        });
    }

    /// The closing that the ledger is told now.
    ///
    /// One that began and ended while the ledger was away, or the machine was suspended, says nothing about now.
    pub(super) fn closing_to_tell(&mut self, now: Moment) -> Option<(OwnClosing, ScopeClosing)> {
        let is_alone = matches!(self.standing, Standing::Alone(_));
        let closing = self.closing.take()?;
        let told = closing.at(self.with_suspensions(now));
        let is_recent = !is_alone && told.age < self.settings.lease;
        (is_recent || !told.remaining.is_zero()).then_some((closing, told))
    }

    /// Lets a closing be told again that an exchange has told, and that the ledger may not have noted.
    pub(super) fn tell_closing_again(&mut self, lost: &OnItsWay, now: Moment) {
        self.tell_while_it_lasts(lost.closing.map(|(closing, _)| closing), now);
    }

    fn tell_while_it_lasts(&mut self, closing: Option<OwnClosing>, now: Moment) {
        let now = self.with_suspensions(now);
        if let Some(closing) = closing.filter(|closing| closing.until() > now) {
            self.tell_closing(closing);
        }
    }

    /// Notes what a reply says about closings, and about users who have opened the scope.
    pub(super) fn on_closing_told(&mut self, sent: &OnItsWay, reply: &Reply, now: Moment) {
        let is_noted = reply.state != ReplyState::Late;
        let is_done = reply.state == ReplyState::Done;
        let was_known = self.known.members > 0;
        let is_opened = was_known && reply.reopened > self.known.reopened && sent.reopens.is_none();
        // Or the ledger has not noted a closing, since it is older than an opening.
        let told = sent.closing.map(|(_, told)| told.remaining);
        let is_too_old =
            is_done && reply.reopened > 0 && told.is_some_and(|told| reply.closed_for < told);
        self.opens_gates |= is_opened || is_too_old;
        if !is_done {
            // One that was late was not noted, and one that has lost its keys only now has not noted it either.
            self.tell_closing_again(sent, now);
        } else if is_too_old {
            let younger = sent.closing.and_then(|(closing, _)| closing.younger());
            self.tell_while_it_lasts(younger, now);
        }

        // A ledger that has forgotten something knows less of what was pushed than this member.
        let is_sure = is_done && reply.reopened >= self.known.reopened;
        let pushed = self.pushed_until.take();
        let was_opened_here = is_noted && sent.reopens.is_some();
        if is_opened || is_too_old || was_opened_here || sent.doubts_closing && is_sure {
            // Only what was heard since is left of what this member knows.
            let known = self.with_suspensions(now);
            let own = self.closing.map(|own| later(now, own.until().since(known)));
            self.closed_until = own.max(pushed).unwrap_or(Moment::START);
            // What was pushed may be older than the opening, too. The ledger knew of it before the next exchange.
            self.doubts_closing = pushed.is_some_and(|until| until > now);
        }
        // What its user has opened meanwhile stays open until the ledger knows of that.
        if !reply.closed_for.is_zero() && self.reopens.is_none() {
            self.closed_until = self.closed_until.max(later(now, reply.closed_for));
        }
    }

    fn close_until(&mut self, until: Moment) {
        self.closed_until = self.closed_until.max(until);
        self.give_all_back();
    }

    /// Gives back the stock of a scope that is closed: when it opens, the ledger deals out anew, and one probe first
    /// after a refusal.
    pub(super) fn give_all_back(&mut self) {
        let accounts = self.accounts.iter_mut();
        accounts.for_each(|account: &mut LeaseAccount| account.give_back(0));
    }

    /// The moment by a clock that goes on while the machine is suspended.
    pub(super) fn with_suspensions(&self, now: Moment) -> Moment {
        now + self.suspended
    }
}
