//! All that one gate knows, under one lock. Every decision is told the time.

use std::task::Waker;
use std::time::{Duration, Instant};

use super::cooldown::{Closing, Cooldown, Shut};
use super::queue::Queue;
use super::quota::Quota;
use super::ramp::Ramp;
use super::window::Window;
use crate::budget::{Ledger, Paid};

/// Wakers to be called when the lock is free again. Usually none or one.
pub(crate) type Wake = Vec<Waker>;

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) queue: Queue,
    pub(crate) cooldown: Cooldown,
    /// The declared quotas.
    windows: Vec<Window>,
    ramp: Option<Ramp>,
    in_flight: u32,
    ledger: Ledger,
    born: Instant,
}

/// What a call that was let through has to show later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pass {
    /// The number of closings when it was let through.
    pub(crate) epoch: u32,
    pub(crate) sent: Instant,
}

/// Where a call stands that asked to pass.
#[derive(Debug)]
pub(crate) enum Standing {
    /// It is through.
    Through(Pass),
    /// It waits. The first in the queue looks again at this moment; the others are woken.
    Waits(Option<Instant>),
    /// Its patience does not reach that far.
    TooLate(Option<Shut>),
}

impl State {
    pub(crate) fn new(quotas: &[Quota], now: Instant) -> Self {
        Self {
            queue: Queue::default(),
            cooldown: Cooldown::default(),
            windows: quotas
                .iter()
                .flat_map(|quota| Window::of(quota, now))
                .collect(),
            ramp: None,
            in_flight: 0,
            ledger: Ledger::default(),
            born: now,
        }
    }

    /// Passes if the gate is wide open and nobody waits: the path of nearly every call.
    pub(crate) fn pass_at_once(&mut self, now: Instant) -> Option<Pass> {
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
            let pass = self.let_through(now);
            return (Standing::Through(pass), self.wake_first());
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

    /// When the next call may pass, as far as can be known now.
    fn opens(&mut self, now: Instant) -> Instant {
        let opens = match (self.cooldown.shut(now), &self.ramp) {
            (Some(shut), _) => shut.until,
            (None, Some(ramp)) => ramp.next(now),
            (None, None) => now,
        };
        let places = self.windows.iter_mut().map(|window| window.next_place(now));
        places.fold(opens, Instant::max)
    }

    fn let_through(&mut self, now: Instant) -> Pass {
        self.in_flight += 1;
        if let Some(ramp) = &mut self.ramp {
            ramp.let_one(now);
        }
        self.windows.iter_mut().for_each(|window| window.take(now));
        Pass {
            epoch: self.cooldown.epoch(),
            sent: now,
        }
    }

    /// A call that was let through is sent only now, if the gate has stayed open.
    pub(crate) fn still_holds(&mut self, pass: Pass, now: Instant) -> Option<Pass> {
        let open = self.cooldown.epoch() == pass.epoch && self.cooldown.shut(now).is_none();
        if !open {
            return None;
        }
        if pass.sent != now {
            for window in &mut self.windows {
                window.undo(pass.sent, now);
                window.take(now);
            }
        }
        Some(Pass { sent: now, ..pass })
    }

    /// A call that was let through is not sent after all.
    pub(crate) fn undo(&mut self, pass: Pass) -> Wake {
        for window in &mut self.windows {
            window.undo(pass.sent, pass.sent);
        }
        self.left(pass, false)
    }

    /// The head of an answer is here.
    pub(crate) fn answered(&mut self, pass: Pass, accepted: bool, now: Instant) -> Wake {
        for window in &mut self.windows {
            window.answered(pass.sent, now);
        }
        self.left(pass, accepted)
    }

    /// A call that was let through is done, or was dropped on its way: then the server may have
    /// counted it, and its places stay taken.
    pub(crate) fn left(&mut self, pass: Pass, accepted: bool) -> Wake {
        self.in_flight = self.in_flight.saturating_sub(1);
        if accepted {
            self.cooldown.accepted(pass.epoch);
        }
        if pass.epoch == self.cooldown.epoch() {
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
