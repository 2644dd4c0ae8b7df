//! Slow start: how many calls are in flight after a closing.

use super::cycle::Ticket;

/// Calls at once after a closing: one, and one more with each that is served.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ramp {
    /// How many there may be.
    most: u32,
    /// Calls in flight that were sent since.
    in_flight: u32,
    /// The number of the first call since.
    from: u32,
}

impl Ramp {
    /// Begins with this many.
    pub(super) fn of(most: u32) -> Self {
        Self {
            most,
            in_flight: 0,
            from: 0,
        }
    }

    /// Bounds nothing from now on.
    pub(super) fn end(&mut self) {
        self.most = u32::MAX;
    }

    /// Notes that a call is admitted.
    #[inline]
    pub(super) fn on_admit(&mut self) {
        self.in_flight += 1;
    }

    /// Whether as many are in flight as may be.
    #[inline]
    pub(super) fn is_full(&self) -> bool {
        self.in_flight >= self.most
    }

    /// Begins anew with one call, which will have this number.
    pub(super) fn restart(&mut self, sequence: u32) {
        *self = Self {
            most: 1,
            in_flight: 0,
            from: sequence,
        };
    }

    /// Whether a call was sent since the closing.
    #[inline]
    fn has(&self, ticket: Ticket) -> bool {
        ticket.sequence.wrapping_sub(self.from) < u32::MAX / 2
    }

    /// Notes that a call has ended, one way or the other.
    #[inline]
    pub(super) fn on_end(&mut self, ticket: Ticket) {
        if self.has(ticket) {
            self.in_flight = self.in_flight.saturating_sub(1);
        }
    }

    /// Lets one more go; without a bound where nothing needs it.
    #[inline]
    pub(super) fn on_success(&mut self, ticket: Ticket, others_wait: bool) {
        if self.most < u32::MAX && self.has(ticket) {
            let is_used = others_wait || self.most <= self.in_flight + 1;
            self.most = if is_used { self.most + 1 } else { u32::MAX };
        }
    }
}
