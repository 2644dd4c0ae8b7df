//! The way past a gate that is wide open: a look ahead, and tickets for those who come meanwhile.

use std::time::Duration;

use super::State;
use crate::gate::book::{Book, Done};
use crate::gate::words::{Ahead, Pass};
use crate::moment::{Length, Moment};
use crate::sys::Instant;

/// A call that comes so soon after another is one of many, of a thousand in a second: then it is worth a look ahead.
const UPON: Length = Length::of(Duration::from_millis(1));

/// What is sent with a ticket counts as sent when the book was opened: so it is not open for long.
const OPEN: Duration = Duration::from_millis(10);

impl State {
    /// Passes with a ticket, if there is one: the path of nearly every call where there are many.
    #[inline]
    pub(crate) fn tear(&mut self, now: Instant) -> Option<(u64, Pass)> {
        let pass = self.book.tear(now)?;
        Some((self.queue.arrive(), pass))
    }

    /// Whether a call that is served is ticked off.
    #[inline]
    pub(crate) fn tick_off(&mut self, pass: Pass) -> bool {
        self.book.tick_off(pass)
    }

    /// Closes the book, and enters what was done with it. All that is ticked off has been answered by `now`, which is
    /// asked for late enough.
    #[inline]
    pub(crate) fn settle(&mut self, now: impl FnOnce() -> Moment) {
        if let Some(done) = self.book.close() {
            let now = if done.served > 0 {
                now()
            } else {
                done.pass.sent
            };
            self.catch_up(done, now);
        }
    }

    #[inline(never)]
    fn catch_up(&mut self, done: Done, now: Moment) {
        let Done { sent, served, pass } = done;
        self.ledger.more_calls(sent);
        self.in_flight = (self.in_flight + sent).saturating_sub(served);
        self.ramp.let_more(sent, pass.sent);
        self.ramp.more_accepted(served);
        self.allowance.catch_up(done, now);
        if served > 0 {
            self.youngest = self.youngest.max(pass.sent);
            self.cooldown.accepted(pass.epoch);
        }
    }

    /// Passes if the gate is wide open and nobody waits.
    #[inline]
    pub(crate) fn pass_at_once(&mut self, price: u32, now: Moment) -> Option<Pass> {
        if !self.queue.is_empty() {
            return None;
        }
        let calm = self.is_calm(now) && self.allowance.has_place(price, now);
        if !calm && self.opens(price, now) > now {
            return None;
        }
        let before = self.ramp.last_let();
        let pass = self.let_through(price, now);
        self.allowance.is_sent(price, now);
        if calm && before.is_some_and(|before| now < before + UPON) {
            self.open_a_book(pass, now);
        }
        Some(pass)
    }

    /// Makes out tickets for those who cost one, and would pass just like this one.
    fn open_a_book(&mut self, pass: Pass, now: Moment) {
        let Some(ahead) = self.allowance.ahead(now) else {
            return;
        };
        let ahead = ahead.until(self.ledger.over()).until(self.ramp.over());
        let Ahead {
            calls,
            until,
            unread,
        } = ahead.until(now + OPEN);
        if calls > 0 && until > now {
            let pass = Pass {
                unread,
                price: 1,
                ..pass
            };
            self.book = Book::new(calls, until, pass);
        }
    }
}

#[cfg(all(test, not(model)))]
mod tests;
