//! All that one gate knows, under one lock. Every decision is told the time.

use std::task::Waker;
use std::time::{Duration, Instant};

use super::cooldown::{Closing, Cooldown, Shut};
use super::outage::Outage;
use super::published::Published;
use super::queue::Queue;
use super::quota::Quota;
use super::ramp::Ramp;
use super::window::Window;
use crate::budget::{Ledger, Paid};
use crate::hint::Counter;

/// Wakers to be called when the lock is free again. Usually none or one.
pub(crate) type Wake = Vec<Waker>;

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) queue: Queue,
    pub(crate) cooldown: Cooldown,
    /// The declared quotas.
    windows: Vec<Window>,
    published: Published,
    ramp: Option<Ramp>,
    outage: Outage,
    in_flight: u32,
    ledger: Ledger,
    born: Instant,
}

/// What a call that was let through has to show later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pass {
    /// The number of closings when it was let through.
    pub(crate) epoch: u32,
    /// How many of the calls before it had been answered when it was sent.
    answered_then: u32,
    /// In nanoseconds of the gate's age: a call carries this, and an `Instant` is twice as large.
    sent: u64,
}

/// What is known about a scope before its first call.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Facts<'a> {
    pub(crate) quotas: &'a [Quota],
    /// So many in flight to begin with.
    pub(crate) cold_start: Option<u32>,
}

/// How a call ended, as far as the gate is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Served, or refused for what it asked: the server works.
    Accepted,
    /// Refused by a limit, or by a server that names a wait.
    Refused,
    /// A 5xx without a wait, or no answer at all.
    Failed,
    /// Dropped.
    Unknown,
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
    pub(crate) fn new(facts: Facts<'_>, now: Instant) -> Self {
        Self {
            queue: Queue::default(),
            cooldown: Cooldown::default(),
            windows: facts
                .quotas
                .iter()
                .flat_map(|quota| Window::of(quota, now))
                .collect(),
            published: Published::default(),
            ramp: facts.cold_start.map(|calls| Ramp::cold(calls, None)),
            outage: Outage::default(),
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
        if let Some(shut) = self.cooldown.shut(now) {
            return shut.until;
        }
        let ramp = self.ramp.as_mut().map(|ramp| ramp.next(now));
        let places = self.windows.iter_mut().map(|window| window.next_place(now));
        let others = [self.published.next(now), self.outage.next(now)];
        places.chain(ramp).chain(others).fold(now, Instant::max)
    }

    fn let_through(&mut self, now: Instant) -> Pass {
        self.in_flight += 1;
        if let Some(ramp) = &mut self.ramp {
            ramp.let_one(now);
        }
        self.outage.let_one(now);
        self.windows.iter_mut().for_each(|window| window.take(now));
        Pass {
            epoch: self.cooldown.epoch(),
            sent: self.age(now),
            answered_then: self.published.send(),
        }
    }

    /// A call that was let through is sent only now, if the gate has stayed open.
    pub(crate) fn still_holds(&mut self, pass: Pass, now: Instant) -> Option<Pass> {
        let open = self.cooldown.epoch() == pass.epoch && self.cooldown.shut(now).is_none();
        if !open {
            return None;
        }
        let (admitted, sent) = (self.moment(pass.sent), self.age(now));
        if pass.sent != sent {
            for window in &mut self.windows {
                window.undo(admitted, now);
                window.take(now);
            }
        }
        Some(Pass { sent, ..pass })
    }

    /// A call that was let through is not sent after all.
    pub(crate) fn undo(&mut self, pass: Pass) -> Wake {
        let admitted = self.moment(pass.sent);
        for window in &mut self.windows {
            window.undo(admitted, admitted);
        }
        self.published.undo();
        self.left(pass, Ending::Unknown)
    }

    /// A call was dropped on its way: the server may have counted it, and its places stay taken.
    pub(crate) fn dropped(&mut self, pass: Pass) -> Wake {
        self.published.over();
        self.left(pass, Ending::Unknown)
    }

    /// The head of an answer is here, with or without a counter, or the failure.
    pub(crate) fn answered(
        &mut self,
        pass: Pass,
        ending: Ending,
        counter: Option<Counter>,
        now: Instant,
    ) -> Wake {
        let sent = self.moment(pass.sent);
        for window in &mut self.windows {
            window.answered(sent, now);
        }
        if let Some(counter) = counter {
            self.published.hear(counter, pass.answered_then, now);
        }
        self.published.over();
        match ending {
            Ending::Failed => self.outage.failed(sent, now),
            Ending::Accepted | Ending::Refused => self.outage.answered(now),
            Ending::Unknown => {}
        }
        self.left(pass, ending)
    }

    fn left(&mut self, pass: Pass, ending: Ending) -> Wake {
        let accepted = ending == Ending::Accepted;
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
        let (refused, heard) = (closing.refused, closing.heard);
        let another = sent_under == self.cooldown.epoch();
        let opens = self.cooldown.close(sent_under, closing, roll);
        if refused && another && !self.published.is_known() {
            let wait = opens.saturating_duration_since(heard);
            let held = self
                .ramp
                .as_ref()
                .and_then(|ramp| ramp.held_until(heard, wait));
            self.ramp = Some(Ramp::one_probe(held));
        }
        (opens, self.queue.ending_before(opens))
    }

    /// Until when a retry that nobody named a wait for has to wait at least, because the whole scope
    /// seems to be out.
    pub(crate) fn suspected_until(&self) -> Option<Instant> {
        self.outage.suspected_until()
    }

    pub(crate) fn reopen(&mut self) -> Wake {
        self.cooldown.reopen();
        self.wake_first()
    }

    fn age(&self, now: Instant) -> u64 {
        let age = now.saturating_duration_since(self.born);
        u64::try_from(age.as_nanos()).unwrap_or(u64::MAX)
    }

    fn moment(&self, age: u64) -> Instant {
        self.born + Duration::from_nanos(age)
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
