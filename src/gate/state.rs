//! All that one gate knows, under one lock. Every decision is told the time.

use std::task::Waker;
use std::time::{Duration, Instant};

use super::cooldown::{Closing, Cooldown, Shut};
use super::outage::Outage;
use super::published::Published;
use super::queue::Queue;
use super::ramp::Ramp;
use super::window::Window;
use super::words::{Ending, Facts, Pass, Standing, Until, Wake};
use crate::budget::{Ledger, Paid};
use crate::hint::Counter;

/// A first waiter that could pass and does not ask for this long is passed over: it may sit in a
/// future that nobody polls, and the others must not wait for it.
const LOITERS: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) queue: Queue,
    pub(crate) cooldown: Cooldown,
    /// The declared quotas.
    windows: Vec<Window>,
    published: Published,
    ramp: Ramp,
    /// The first epoch of this ramp: calls from before belong to another.
    ramp_epoch: u16,
    outage: Outage,
    in_flight: u32,
    ledger: Ledger,
    born: Instant,
    /// Since when the first in the queue could have passed.
    due: Option<Instant>,
    /// When the youngest of the accepted calls was sent, in nanoseconds of the gate's age.
    youngest: u64,
}

/// A served answer that overtook a call sent this much later speaks of a window that may be over.
const STALE: Duration = Duration::from_millis(500);

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
            ramp: facts.cold_start.map_or_else(Ramp::open, Ramp::cold),
            ramp_epoch: 0,
            outage: Outage::default(),
            in_flight: 0,
            ledger: Ledger::default(),
            born: now,
            due: None,
            youngest: 0,
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
        patience: Until,
        now: Instant,
        waker: Waker,
    ) -> (Standing, Wake) {
        let latest = if self.outage.is_sure(now) {
            patience.latest.min(patience.in_an_outage)
        } else {
            patience.latest
        };
        let opens = self.opens(now);
        let open = opens <= now && now <= latest;
        let news = open && self.due.is_none();
        if open && (self.queue.is_first(number) || self.first_loiters(now)) {
            let pass = self.let_through(now);
            return (Standing::Through(pass), self.leave(number));
        }
        let shut = self.shut_until(now);
        if now >= latest || shut.as_ref().is_some_and(|shut| shut.until > latest) {
            return (Standing::TooLate(shut), self.leave(number));
        }
        let drop = self.queue.wait(number, latest, waker);
        if self.queue.is_first(number) {
            let wake = Wake {
                drop,
                ..Wake::default()
            };
            return (Standing::Waits(opens.min(latest)), wake);
        }
        // Once: were the first woken by everybody who asks, two calls of one task would wake each
        // other for ever.
        let first = if news {
            self.wake_first()
        } else {
            Wake::default()
        };
        let wake = Wake { drop, ..first };
        (
            Standing::Waits((opens.max(now) + LOITERS).min(latest)),
            wake,
        )
    }

    /// Until when nobody passes for certain, and why.
    fn shut_until(&mut self, now: Instant) -> Option<Shut> {
        if let Some(shut) = self.cooldown.shut(now) {
            return Some(shut.clone());
        }
        let places = self.windows.iter_mut().map(|window| window.next_place(now));
        let declared = places.max().map(|until| (until, "the declared quota"));
        let published = (self.published.next(now), "the published quota");
        let outage = (self.outage.next(now), "an outage");
        let (until, decided_by) = declared.into_iter().chain([published, outage]).max()?;
        let decided_by = decided_by.into();
        (until > now).then_some(Shut { until, decided_by })
    }

    /// Whether the first in the queue could have passed for so long that it is not coming.
    fn first_loiters(&mut self, now: Instant) -> bool {
        let due = *self.due.get_or_insert(now);
        now.saturating_duration_since(due) >= LOITERS
    }

    fn leave(&mut self, number: u64) -> Wake {
        let drop = self.queue.leave(number);
        Wake {
            drop,
            ..self.wake_first()
        }
    }

    /// A waiting call is dropped.
    pub(crate) fn gone(&mut self, number: u64) -> Wake {
        self.leave(number)
    }

    /// When the next call may pass, as far as can be known now.
    fn opens(&mut self, now: Instant) -> Instant {
        if let Some(shut) = self.cooldown.shut(now) {
            return shut.until;
        }
        let places = self.windows.iter_mut().map(|window| window.next_place(now));
        let opens = places.fold(now, Instant::max);
        let others = [
            self.ramp.next(now),
            self.published.next(now),
            self.outage.next(now),
        ];
        others.into_iter().fold(opens, Instant::max)
    }

    fn let_through(&mut self, now: Instant) -> Pass {
        self.in_flight += 1;
        self.due = None;
        self.ramp.let_one(now);
        self.outage.let_one(now);
        self.windows.iter_mut().for_each(|window| window.take(now));
        Pass {
            epoch: self.cooldown.epoch(),
            wants_counter: self.published.wants_counter(),
            sent: self.age(now),
            answered_then: self.published.send(),
        }
    }

    /// A call that was let through is sent only now, if the gate has stayed open.
    pub(crate) fn still_holds(&mut self, pass: Pass, now: Instant) -> Option<Pass> {
        // Every closing begins another epoch.
        if self.cooldown.epoch() != pass.epoch {
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
        self.outage.gone(admitted);
        self.left(pass, Ending::Unknown)
    }

    /// A call was dropped on its way: the server may have counted it, and its places stay taken.
    pub(crate) fn dropped(&mut self, pass: Pass) -> Wake {
        self.published.over();
        let sent = self.moment(pass.sent);
        self.outage.gone(sent);
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
        if let Some(counter) = counter.filter(|_| !self.is_stale(pass)) {
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

    /// Whether calls that were sent much later have been served already: then what the answer says is
    /// left, was left before.
    pub(crate) fn is_stale(&self, pass: Pass) -> bool {
        self.moment(pass.sent) + STALE < self.moment(self.youngest)
    }

    fn left(&mut self, pass: Pass, ending: Ending) -> Wake {
        let accepted = ending == Ending::Accepted;
        if accepted {
            self.youngest = self.youngest.max(pass.sent);
        }
        self.in_flight = self.in_flight.saturating_sub(1);
        if accepted {
            self.cooldown.accepted(pass.epoch);
        }
        // Epochs wrap around; no call is on its way for half of them.
        if pass.epoch.wrapping_sub(self.ramp_epoch) < u16::MAX / 2 {
            self.ramp.left(accepted, !self.queue.is_empty());
        } else if accepted {
            self.ramp.accepted_late();
        }
        self.wake_first()
    }

    /// Shuts the gate; those whose patience ends before it opens are told at once.
    pub(crate) fn close(
        &mut self,
        sent_under: u16,
        closing: Closing,
        roll: u64,
    ) -> (Instant, Wake) {
        let (refused, heard) = (closing.refused, closing.heard);
        let before = self.cooldown.epoch();
        let opens = self.cooldown.close(sent_under, closing, roll);
        self.due = None;
        let another = before != self.cooldown.epoch();
        if refused && another && !self.published.is_known() {
            let wait = opens.saturating_duration_since(heard);
            self.ramp = Ramp::one_probe(self.ramp.held_until(heard, wait));
            self.ramp_epoch = self.cooldown.epoch();
        }
        let wake = Wake {
            call: self.queue.ending_before(opens),
            drop: None,
        };
        (opens, wake)
    }

    /// Until when a retry that nobody named a wait for has to wait at least, because the whole scope
    /// seems to be out.
    pub(crate) fn suspected_until(&self) -> Option<Instant> {
        self.outage.suspected_until()
    }

    pub(crate) fn reopen(&mut self) -> Wake {
        self.cooldown.reopen();
        // What was learned from a wait that was wrong is wrong, too.
        self.ramp = Ramp::one_probe(None);
        self.ramp_epoch = self.cooldown.epoch();
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
        Wake {
            call: self.queue.first().into_iter().collect(),
            drop: None,
        }
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

    /// Whether it can be forgotten: nobody is here, and nothing is remembered that still counts.
    pub(crate) fn is_idle(&mut self, now: Instant) -> bool {
        self.queue.is_empty()
            && self.in_flight == 0
            && self.cooldown.is_idle(now)
            && self.windows.iter_mut().all(|window| window.taken(now) == 0)
            && self.published.next(now) <= now
            && self.outage.next(now) <= now
    }
}
