//! The way past a gate that is wide open: a look ahead, and tickets for those who come meanwhile.

use super::State;
use crate::gate::book::{Book, Done};
use crate::gate::words::{Ahead, Pass};
use crate::moment::{Length, Moment};
use crate::sys::Instant;

/// A look ahead is worth while if as many more calls may be expected to come, as far from each other as this one comes
/// after the last.
const WORTH: u32 = 4;

/// Of calls that are further from each other there are never so many.
const UPON: Length = Length::of(Pass::UNSURE.checked_div(WORTH).unwrap());

impl State {
    /// Passes with a ticket, if there is one: the path of nearly every call where there are many.
    #[inline]
    pub(crate) fn tear(&mut self, now: Instant) -> Option<(u64, Moment, Pass)> {
        let pass = self.book.tear(now)?;
        Some((self.queue.arrive(), self.book.opened(), pass))
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
            self.catch_up(done, now);
        }
    }

    #[inline(never)]
    fn catch_up(&mut self, done: Done, now: impl FnOnce() -> Moment) {
        let Done {
            sent,
            served,
            opened,
            pass,
        } = done;
        // The first of them was one that asked.
        self.ledger.more_calls(sent - 1);
        self.in_flight += sent;
        // When the last of them came, if they came at even distances.
        let apart = pass.sent.since(opened) / sent;
        self.ramp.let_more(sent, pass.sent.earlier(apart / 2));
        self.allowance.let_more(sent, pass.sent);
        if served > 0 {
            self.in_flight = self.in_flight.saturating_sub(served);
            self.ramp.more_accepted(served);
            let now = now();
            self.allowance.more_served(served, pass.sent, now);
            let by_then = now.min(pass.sent);
            self.note_idle(by_then);
            self.last_served = self.last_served.max(by_then);
            self.youngest = self.youngest.max(opened);
            self.cooldown.accepted(pass.epoch);
        }
    }

    /// Passes if the gate is wide open and nobody waits.
    #[inline]
    pub(crate) fn pass_at_once(&mut self, price: u32, now: Moment) -> Option<Pass> {
        if price == 1 {
            if let Some(pass) = self.open_a_book(now) {
                return Some(pass);
            }
        }
        self.pass_alone(price, now)
    }

    #[inline]
    fn pass_alone(&mut self, price: u32, now: Moment) -> Option<Pass> {
        if !self.queue.is_empty() {
            return None;
        }
        let calm = self.is_calm(now) && self.allowance.has_place(price, now);
        if !calm && self.opens(price, now) > now {
            return None;
        }
        let pass = self.let_through(price, now);
        self.allowance.is_sent(price, now);
        Some(pass)
    }

    /// Makes out tickets for this call, which costs one, and for those that will come upon it.
    #[inline]
    fn open_a_book(&mut self, now: Moment) -> Option<Pass> {
        let before = self.ramp.last_let()?;
        if now >= before + UPON || !self.queue.is_empty() || !self.is_calm(now) {
            return None;
        }
        if !self.allowance.has_place(1, now) {
            return None;
        }
        let Ahead {
            calls,
            until,
            unread,
        } = self.ahead(now)?;
        if calls == 0 || now + now.since(before) * WORTH >= until {
            return None;
        }
        let pass = Pass {
            epoch: self.cooldown.epoch(),
            unread,
            price: 1,
            sent: now,
            ticket: true,
            answered_then: self.allowance.answered_by_now(),
        };
        let (book, pass) = Book::open(calls, now, until, pass);
        self.book = book;
        Some(pass)
    }

    /// The calls that would pass just like this one.
    fn ahead(&self, now: Moment) -> Option<Ahead> {
        let ahead = self.allowance.ahead(now)?;
        let ahead = ahead.until(self.ledger.over()).until(self.ramp.over());
        Some(ahead.until(now + Pass::UNSURE))
    }
}

#[cfg(all(test, not(model)))]
mod tests;
