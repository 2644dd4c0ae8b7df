//! All that one gate knows, under one lock. Every decision is told the time.

use std::task::Waker;
use std::time::{Duration, Instant};

use super::cooldown::{Closing, Cooldown, Shut};
use super::queue::Queue;
use super::ramp::Ramp;
use crate::budget::{Ledger, Paid};

/// Wakers to be called when the lock is free again. Usually none or one.
pub(crate) type Wake = Vec<Waker>;

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) queue: Queue,
    pub(crate) cooldown: Cooldown,
    ramp: Option<Ramp>,
    in_flight: u32,
    ledger: Ledger,
    born: Instant,
}

/// Where a call stands that asked to pass.
#[derive(Debug)]
pub(crate) enum Standing {
    /// It is through, under this epoch.
    Through(u32),
    /// It waits. The first in the queue looks again at this moment; the others are woken.
    Waits(Option<Instant>),
    /// Its patience does not reach that far.
    TooLate(Option<Shut>),
}

impl State {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            queue: Queue::default(),
            cooldown: Cooldown::default(),
            ramp: None,
            in_flight: 0,
            ledger: Ledger::default(),
            born: now,
        }
    }

    /// Passes if the gate is wide open and nobody waits: the path of nearly every call.
    pub(crate) fn pass_at_once(&mut self, now: Instant) -> Option<u32> {
        let open = self.queue.is_empty() && self.opens(now) <= now;
        open.then(|| self.let_through(now))
    }

    /// Passes, waits or gives up.
    pub(crate) fn pass_in_turn(
        &mut self,
        number: u64,
        latest: Instant,
        now: Instant,
        waker: &Waker,
    ) -> (Standing, Wake) {
        let first = self.queue.is_first(number);
        let opens = self.opens(now);
        if first && opens <= now && now <= latest {
            self.queue.leave(number);
            let epoch = self.let_through(now);
            return (Standing::Through(epoch), self.wake_first());
        }
        let shut = self.cooldown.shut(now);
        if now >= latest || shut.is_some_and(|shut| shut.until > latest) {
            let shut = shut.cloned();
            self.queue.leave(number);
            return (Standing::TooLate(shut), self.wake_first());
        }
        self.queue.wait(number, latest, waker);
        if !first {
            return (Standing::Waits(None), Wake::new());
        }
        let others = self.queue.ending_before(now);
        let look = self.queue.soonest().map_or(opens, |end| opens.min(end));
        (Standing::Waits(Some(look)), others)
    }

    fn opens(&self, now: Instant) -> Instant {
        match (self.cooldown.shut(now), &self.ramp) {
            (Some(shut), _) => shut.until,
            (None, Some(ramp)) => ramp.next(now),
            (None, None) => now,
        }
    }

    fn let_through(&mut self, now: Instant) -> u32 {
        self.in_flight += 1;
        if let Some(ramp) = &mut self.ramp {
            ramp.let_one(now);
        }
        self.cooldown.epoch()
    }

    /// A call that was let through is done, or was dropped.
    pub(crate) fn left(&mut self, sent_under: u32, accepted: bool) -> Wake {
        self.in_flight = self.in_flight.saturating_sub(1);
        if accepted {
            self.cooldown.accepted(sent_under);
        }
        if sent_under == self.cooldown.epoch() {
            if let Some(ramp) = &mut self.ramp {
                ramp.left(accepted);
            }
        }
        if self.ramp.as_ref().is_some_and(Ramp::is_over) && self.queue.is_empty() {
            self.ramp = None;
        }
        self.wake_first()
    }

    /// Shuts the gate; those whose patience ends before it opens are told at once.
    pub(crate) fn close(
        &mut self,
        sent_under: u32,
        closing: Closing,
        roll: u64,
    ) -> (Instant, Wake) {
        let opens = self.cooldown.close(sent_under, closing, roll);
        self.ramp = Some(Ramp::one_probe());
        (opens, self.queue.ending_before(opens))
    }

    pub(crate) fn reopen(&mut self) -> Wake {
        self.cooldown.reopen();
        self.wake_first()
    }

    pub(crate) fn wake_first(&self) -> Wake {
        self.queue.first().into_iter().collect()
    }

    /// The retry budget of the scope, and the age by which it counts.
    pub(crate) fn ledger(&mut self, now: Instant) -> (&mut Ledger, Duration) {
        let age = now.saturating_duration_since(self.born);
        (&mut self.ledger, age)
    }

    pub(crate) fn refund(&mut self, paid: Paid) {
        self.ledger.refund(paid);
    }

    pub(crate) fn in_flight(&self) -> u32 {
        self.in_flight
    }

    pub(crate) fn is_idle(&self, now: Instant) -> bool {
        self.queue.is_empty() && self.in_flight == 0 && self.cooldown.is_idle(now)
    }
}
