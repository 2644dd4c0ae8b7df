//! A book of tickets: passes that are made out ahead, for calls that come one upon the other.

use super::words::Pass;
use crate::moment::Moment;
use crate::sys::Instant;

/// Where calls come within a moment of each other, each is let through as the one before it was: nothing has
/// happened in between, and nothing that depends on the time has changed. So the gate looks once for all of them,
/// and makes out as many tickets as would pass one by one, good until the time changes something. Whoever comes
/// then tears one off; and if its answer is here while the book is open, it is ticked off. Since nobody notes when a
/// ticket was torn off, all count as sent at the last moment at which they were good.
///
/// Whatever else happens at the gate closes the book first, and enters what was done with it: so nothing can be
/// told from a gate that never opened one.
#[derive(Debug, Default)]
pub(super) struct Book {
    /// When the tickets are no longer good; `None` while it is closed.
    until: Option<Instant>,
    left: u32,
    served: u32,
    tickets: u32,
    opened: Moment,
    /// What each of them is good for.
    pass: Pass,
}

/// What was done with a book.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Done {
    /// So many calls were sent,
    pub(super) sent: u32,
    /// and so many served; of calls, too, whose tickets are of another book and were good until the same moment.
    pub(super) served: u32,
    pub(super) opened: Moment,
    pub(super) pass: Pass,
}

impl Book {
    /// Whoever opens it tears off the first ticket.
    pub(super) fn open(tickets: u32, now: Moment, until: Moment, pass: Pass) -> (Self, Pass) {
        let pass = Pass {
            sent: until.just_before(),
            ticket: true,
            ..pass
        };
        let book = Self {
            until: Some(until.instant()),
            left: tickets - 1,
            served: 0,
            tickets,
            opened: now,
            pass,
        };
        (book, pass)
    }

    /// When the call that tears off a ticket comes, or a little earlier.
    pub(super) fn opened(&self) -> Moment {
        self.opened
    }

    /// A ticket, if there is one and it is good.
    #[inline]
    pub(super) fn tear(&mut self, now: Instant) -> Option<Pass> {
        if self.left == 0 || self.until.is_none_or(|until| now >= until) {
            return None;
        }
        self.left -= 1;
        let answered_then = self.pass.answered_then.wrapping_add(self.served);
        Some(Pass {
            answered_then,
            ..self.pass
        })
    }

    /// A call with such a pass was served. Whether its ticket is one of these, or just like them: then its places are
    /// where theirs are, and all that its answer shows is shown by the others, too.
    #[inline]
    pub(super) fn tick_off(&mut self, pass: Pass) -> bool {
        let Pass {
            price, epoch, sent, ..
        } = self.pass;
        let alike = (pass.price, pass.epoch, pass.sent) == (price, epoch, sent);
        let mine = self.until.is_some() && alike;
        self.served += u32::from(mine);
        mine
    }

    #[inline]
    pub(super) fn close(&mut self) -> Option<Done> {
        self.until.take()?;
        Some(Done {
            sent: self.tickets - std::mem::take(&mut self.left),
            served: self.served,
            opened: self.opened,
            pass: self.pass,
        })
    }
}
