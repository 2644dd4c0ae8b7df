//! One cycle of the calls of a gate, and what each call brings of it.

use std::time::Duration;

use crate::time::Moment;

/// The calls since a cycle began.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cycle {
    /// The number of its first call.
    pub(super) first: u32,
    pub(super) start: Moment,
    pub(super) is_running: bool,
    /// Whether it began because the one before was over, and not after a closing.
    pub(super) follows: bool,
    /// Whether no more calls are sent in it, because one was refused.
    pub(super) is_spent: bool,
    /// The number of the last call that asked for more after a counter had said that nothing is left.
    pub(super) asked: Option<u32>,
    /// How many calls were sent when a counter said so.
    pub(super) counted_out: Option<u32>,
    /// Whether it was over, but for the bound on calls at once.
    pub(super) held_by_at_once: bool,
    /// The learned limit when it began.
    pub(super) limit: u32,
    pub(super) sent: u32,
    pub(super) answered: u32,
    /// Those within the limit that were refused.
    pub(super) refused: u32,
    pub(super) extras: Extras,
    pub(super) most_in_flight: u32,
    /// It ends after this time, so that the next one tries a shorter length.
    pub(super) ends_early: Option<Duration>,
    /// The shorter length that it tries.
    pub(super) trial: Option<Duration>,
}

/// The calls beyond the learned limit, which ask whether there is more.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Extras {
    /// How many more may be sent.
    pub(super) allowed: u32,
    pub(super) sent: u32,
    pub(super) served: u32,
    pub(super) refused: u32,
}

/// What a call remembers of the moment when it was admitted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ticket {
    /// The number of the call; wraps around.
    pub(crate) sequence: u32,
    /// How many others were in flight.
    pub(crate) in_flight: u16,
    /// Whether it goes beyond the learned limit.
    pub(crate) is_extra: bool,
    /// Whether a counter has said that it will be served.
    pub(crate) is_promised: bool,
}

impl Ticket {
    /// How many were in flight with this call.
    pub(super) fn at_once(self) -> u32 {
        u32::from(self.in_flight) + 1
    }
}

/// How long a refusal closes the gate.
#[derive(Clone, Copy, Debug)]
pub(crate) enum RefusalWait {
    /// As the server says.
    Named(Duration),
    /// For a floor of our own, which says nothing about the server.
    Floor(Duration),
}

impl Cycle {
    /// Begins with the call of this number.
    pub(super) fn beginning(first: u32, start: Moment) -> Self {
        Self {
            first,
            start,
            is_running: true,
            ..Self::default()
        }
    }

    /// One of which only this is known.
    pub(super) fn of_served(start: Moment, served: u32) -> Self {
        Self {
            start,
            is_running: served > 0,
            sent: served,
            answered: served,
            ..Self::default()
        }
    }

    /// Whether a call was sent in it, or later.
    #[inline]
    pub(super) fn has(&self, ticket: Ticket) -> bool {
        ticket.sequence.wrapping_sub(self.first) < u32::MAX / 2
    }

    /// How many calls were served; those in flight count.
    pub(super) fn served(&self) -> u32 {
        self.sent.saturating_sub(self.refused + self.extras.refused)
    }

    /// How long it lasts, where the learned length is this.
    pub(super) fn length(&self, learned: Duration) -> Duration {
        self.ends_early.or(self.trial).unwrap_or(learned)
    }

    pub(super) fn on_admit(&mut self, ticket: Ticket) {
        self.sent += 1;
        self.most_in_flight = self.most_in_flight.max(ticket.at_once());
        if ticket.is_extra {
            self.extras.sent += 1;
            self.extras.allowed = self.extras.allowed.saturating_sub(1);
        }
    }

    /// Takes back a call that was never sent.
    pub(super) fn on_abort(&mut self, ticket: Ticket) {
        self.sent = self.sent.saturating_sub(1);
        self.asked = self.asked.filter(|asked| *asked != ticket.sequence);
        if ticket.is_extra {
            self.extras.sent = self.extras.sent.saturating_sub(1);
            self.extras.allowed += 1;
        }
    }

    pub(super) fn on_refusal(&mut self, ticket: Ticket) {
        if ticket.is_extra {
            self.extras.refused += 1;
            self.extras.allowed = 0;
        } else {
            self.refused += 1;
        }
    }

    /// Lets two more follow each call beyond the limit that was served, up to twice the limit.
    pub(super) fn on_extra_served(&mut self) {
        self.extras.served += 1;
        let most = (self.limit + 4).saturating_sub(self.extras.sent);
        self.extras.allowed = (self.extras.allowed + 2).min(most);
    }
}
