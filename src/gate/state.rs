//! All that one gate knows, under one lock. Every decision is told the time.

use std::task::Waker;
use std::time::Duration;

use super::allowance::Allowance;
use super::book::{Book, Done};
use super::cooldown::{Closing, Cooldown, Shut, Wait};
use super::outage::Outage;
use super::queue::Queue;
use super::ramp::Ramp;
use super::words::{Ahead, Asks, Ending, Facts, Heard, Leaves, Pass, Standing, Wake};
use crate::budget::{Ledger, Paid};
use crate::moment::{Length, Moment};
use crate::sys::Instant;

/// A first waiter that could pass and does not ask for this long is passed over: it may sit in a
/// future that nobody polls, and the others must not wait for it.
const LOITERS: Duration = Duration::from_secs(1);

/// If nobody knows when the next one may pass, who has a timer looks every now and then: the first, which is
/// told, may not come.
const UNKNOWN: Duration = Duration::from_secs(4);

/// A call that comes so soon after another is one of many, of ten thousand in a second: then it is worth a look
/// ahead.
const UPON: Length = Length::of(Duration::from_micros(100));

/// In the order of how often it is touched: the less memory every call touches, the less two threads wait for each
/// other's.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct State {
    book: Book,
    in_flight: u32,
    /// The first epoch of this ramp: calls from before belong to another.
    ramp_epoch: u16,
    outage: Outage,
    /// When the youngest of the accepted calls was sent.
    youngest: Moment,
    /// Since when the first in the queue could have passed.
    due: Option<Moment>,
    pub(crate) cooldown: Cooldown,
    ledger: Ledger,
    ramp: Ramp,
    pub(crate) allowance: Allowance,
    pub(crate) queue: Queue,
    /// The price of the first in the queue, once it has asked.
    first_needs: u32,
    /// How many are passed over next time, if nobody comes before.
    loiterers: usize,
}

/// A served answer that overtook a call sent this much later speaks of a window that may be over.
const STALE: Duration = Duration::from_millis(500);

impl State {
    pub(crate) fn new(facts: Facts<'_>) -> Self {
        Self {
            book: Book::default(),
            in_flight: 0,
            ramp_epoch: 0,
            outage: Outage::default(),
            youngest: Moment::START,
            due: None,
            cooldown: Cooldown::default(),
            ledger: Ledger::default(),
            ramp: facts.cold_start.map_or_else(Ramp::open, Ramp::cold),
            allowance: Allowance::of(facts.quotas),
            queue: Queue::default(),
            first_needs: 0,
            loiterers: 1,
        }
    }

    /// Passes with a ticket, if there is one: the path of nearly every call where there are many.
    #[inline]
    pub(super) fn tear(&mut self, now: Instant) -> Option<(u64, Pass)> {
        let pass = self.book.tear(now)?;
        Some((self.queue.arrive(), pass))
    }

    /// Whether a call of the price of one, which was let through at this moment and is served, is ticked off.
    #[inline]
    pub(super) fn tick_off(&mut self, sent: Moment) -> bool {
        self.book.tick_off(sent)
    }

    /// Closes the book, and enters what was done with it.
    #[inline]
    pub(super) fn settle(&mut self, now: Option<Moment>) {
        if let Some(done) = self.book.close() {
            self.catch_up(done, now);
        }
    }

    #[inline(never)]
    fn catch_up(&mut self, done: Done, now: Option<Moment>) {
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
        if calm && price == 1 && before.is_some_and(|before| now < before + UPON) {
            self.open_a_book(pass, now);
        }
        Some(pass)
    }

    /// Makes out tickets for those who would pass just like this one.
    fn open_a_book(&mut self, pass: Pass, now: Moment) {
        let Some(ahead) = self.allowance.ahead(now) else {
            return;
        };
        let over = self.ledger.over().min(self.ramp.over());
        let Ahead {
            calls,
            until,
            unread,
        } = ahead.at_most(u32::MAX, over);
        if calls > 0 && until > now {
            self.book = Book::new(calls, until, Pass { unread, ..pass });
        }
    }

    /// Whether nothing holds anybody back but what is spent.
    #[inline]
    fn is_calm(&self, now: Moment) -> bool {
        self.cooldown.shut(now).is_none() && self.ramp.is_open() && self.outage.is_calm()
    }

    /// Passes, waits or gives up.
    pub(crate) fn pass_in_turn(
        &mut self,
        number: u64,
        asks: Asks,
        now: Moment,
        waker: Waker,
    ) -> (Standing, Wake) {
        let Asks {
            price, patience, ..
        } = asks;
        if let Err(most) = self.allowance.affords(price) {
            return (Standing::Leaves(Leaves::TooDear(most)), self.leave(number));
        }
        let latest = if self.outage.is_sure(now) {
            patience.latest.min(patience.in_an_outage)
        } else {
            patience.latest
        };
        // Not before the first could: it may need more places.
        let first = self.queue.is_first(number);
        let needed = if first {
            price
        } else {
            price.max(self.first_needs)
        };
        let opens = self.opens(needed, now);
        let open = opens <= now && now <= latest;
        let told = if open && !self.queue.is_first(number) {
            self.pass_over_loiterers(now)
        } else {
            Vec::new()
        };
        if open && self.queue.is_first(number) {
            self.loiterers = 1;
            let pass = self.let_through(price, now);
            return (Standing::Through(pass), self.leave(number).and(told));
        }
        let shut = self.shut_until(price, now);
        if now >= latest || shut.as_ref().is_some_and(|shut| shut.until > latest) {
            return (
                Standing::Leaves(Leaves::TooLate(shut)),
                self.leave(number).and(told),
            );
        }
        if self.queue.len() >= asks.most_waiting {
            return (
                Standing::Leaves(Leaves::Crowded(shut)),
                Wake::default().and(told),
            );
        }
        let drop = self.queue.wait(number, latest, waker);
        let ending = self.queue.ending_before(now);
        let wake = Wake {
            drop,
            others: ending,
            ..Wake::default()
        };
        let known = if opens < Moment::FAR {
            opens
        } else {
            now + UNKNOWN
        };
        let look = if self.queue.is_first(number) {
            // It has asked: whoever could pass in its place has to wait until it could, too.
            (self.first_needs, self.due) = (price, None);
            known
        } else {
            known.max(now) + LOITERS
        };
        (self.waits(number, look, latest), wake.and(told))
    }

    /// Who has a timer looks after those who have none.
    fn waits(&mut self, number: u64, look: Moment, latest: Moment) -> Standing {
        if !self.queue.watches_the_clock(number, latest) {
            return Standing::Sleeps;
        }
        let soonest = self.queue.soonest().unwrap_or(look);
        Standing::Waits(look.min(latest).min(soonest + Self::LATE))
    }

    /// So much later than its patience ends, a call without a timer is told at the latest.
    const LATE: Duration = Duration::from_millis(10);

    /// Until when nobody passes for certain, and why.
    pub(crate) fn shut_until(&mut self, price: u32, now: Moment) -> Option<Shut> {
        if let Some(shut) = self.cooldown.shut(now) {
            return Some(shut.clone());
        }
        let allowance = self.allowance.shut_until(price, now);
        let outage = self.outage.next(now);
        let outage = (outage > now).then(|| Shut {
            until: outage,
            decided_by: if self.outage.is_sure(now) {
                "an outage".into()
            } else {
                "the pace after an outage".into()
            },
        });
        allowance
            .into_iter()
            .chain(outage)
            .max_by_key(|shut| shut.until)
    }

    /// If the first in the queue could have passed for long and did not ask, it is not coming: the others
    /// go on without it, and without more and more of those behind it that do not come either.
    ///
    /// Returns who has to be told: the first, and those before it. Now and then only: were the first woken by
    /// everybody who asks, two calls of one task would wake each other for ever.
    fn pass_over_loiterers(&mut self, now: Moment) -> Vec<Waker> {
        let mut told = Vec::new();
        if let Some(due) = self.due {
            if now.since(due) < LOITERS {
                return told;
            }
            told = self.queue.pass_over(self.loiterers);
            self.loiterers *= 2;
        }
        self.due = Some(now);
        told.extend(self.queue.first());
        told
    }

    fn leave(&mut self, number: u64) -> Wake {
        self.first_needs = 0;
        let drop = self.queue.leave(number);
        let mut wake = self.wake_first();
        wake.others = self.queue.few_left();
        Wake { drop, ..wake }
    }

    /// A waiting call is dropped.
    pub(crate) fn gone(&mut self, number: u64) -> Wake {
        self.leave(number)
    }

    /// When the next call may pass, as far as can be known now.
    #[inline]
    fn opens(&mut self, price: u32, now: Moment) -> Moment {
        if let Some(shut) = self.cooldown.shut(now) {
            return shut.until;
        }
        self.allowance
            .next(price, now)
            .max(self.ramp.next(now))
            .max(self.outage.next(now))
    }

    #[inline]
    pub(crate) fn let_through(&mut self, price: u32, now: Moment) -> Pass {
        self.in_flight += 1;
        self.due = None;
        self.ramp.let_one(now);
        self.outage.let_one(now);
        let (unread, answered_then) = self.allowance.take(price, now);
        Pass {
            epoch: self.cooldown.epoch(),
            unread,
            price,
            sent: now,
            answered_then,
        }
    }

    /// A call that was let through is sent only now, if the gate has stayed open.
    pub(crate) fn still_holds(&mut self, pass: Pass, now: Moment) -> Option<Pass> {
        // Every closing begins another epoch.
        if self.cooldown.epoch() != pass.epoch {
            return None;
        }
        if pass.sent != now {
            self.allowance.sent_later(pass, now);
        }
        Some(Pass { sent: now, ..pass })
    }

    /// A call that was let through is not sent after all.
    pub(crate) fn undo(&mut self, pass: Pass) -> Wake {
        self.allowance.undo(pass);
        self.outage.gone(pass.sent);
        self.left(pass, Ending::Unknown);
        self.wake_first()
    }

    /// A call was dropped on its way: the server may have counted it, and its places stay taken.
    pub(crate) fn dropped(&mut self, pass: Pass) -> Wake {
        self.allowance.dropped(pass);
        self.outage.gone(pass.sent);
        self.left(pass, Ending::Unknown);
        self.wake_first()
    }

    /// The head of an answer is here, or the failure.
    pub(crate) fn answered(&mut self, pass: Pass, heard: Heard, now: Moment) -> Wake {
        let counter = heard.counter.filter(|_| !self.is_stale(pass));
        self.allowance
            .answered(pass, Heard { counter, ..heard }, now);
        match heard.ending {
            Ending::Failed => self.outage.failed(pass.sent, now),
            Ending::Accepted | Ending::Refused => self.outage.answered(now),
            Ending::Unknown => {}
        }
        self.left(pass, heard.ending);
        // A gate that is shut does not open because of an answer.
        if self.cooldown.shut(now).is_some() {
            return Wake::default();
        }
        self.wake_first()
    }

    /// It was served, and nobody has looked at what the answer says. Returns who is next.
    #[inline]
    pub(crate) fn served(&mut self, pass: Pass, now: Moment) -> Option<Waker> {
        self.allowance.served(pass, now);
        self.outage.answered(now);
        self.left(pass, Ending::Accepted);
        if self.queue.is_empty() || self.cooldown.shut(now).is_some() {
            return None;
        }
        self.queue.first()
    }

    /// The place of a call among the calls at once is free.
    pub(crate) fn release(&mut self) -> Wake {
        self.allowance.release();
        self.wake_first()
    }

    /// Whether calls that were sent much later have been served already: then what the answer says is
    /// left, was left before.
    pub(crate) fn is_stale(&self, pass: Pass) -> bool {
        pass.sent + STALE < self.youngest
    }

    #[inline]
    fn left(&mut self, pass: Pass, ending: Ending) {
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
    }

    /// Shuts the gate; those whose patience ends before it opens are told at once.
    pub(crate) fn close(&mut self, sent_under: u16, closing: Closing, roll: u64) -> (Moment, Wake) {
        let (refused, heard) = (closing.refused, closing.heard);
        let named = matches!(closing.wait, Wait::Named(_));
        let before = self.cooldown.epoch();
        let opens = self.cooldown.close(sent_under, closing, roll);
        self.due = None;
        let another = before != self.cooldown.epoch();
        if refused && another && !self.allowance.is_published() {
            let wait = opens.since(heard);
            self.ramp = Ramp::one_probe(self.ramp.held_until(heard, wait, named));
            self.ramp_epoch = self.cooldown.epoch();
        }
        let wake = Wake {
            others: self.queue.ending_before(opens),
            ..Wake::default()
        };
        (opens, wake)
    }

    /// Until when a retry that nobody named a wait for has to wait at least, because the whole scope
    /// seems to be out.
    pub(crate) fn suspected_until(&self) -> Option<Moment> {
        self.outage.suspected_until()
    }

    pub(crate) fn reopen(&mut self) -> Wake {
        self.cooldown.reopen();
        // What was learned from a wait that was wrong is wrong, too.
        self.ramp = Ramp::one_probe(None);
        self.ramp_epoch = self.cooldown.epoch();
        // All of them thought that it would open much later.
        Wake {
            others: self.queue.wakers(),
            ..Wake::default()
        }
    }

    pub(crate) fn wake_first(&self) -> Wake {
        Wake {
            first: self.queue.first(),
            ..Wake::default()
        }
    }

    /// The retry budget of the scope.
    pub(crate) fn ledger(&mut self) -> &mut Ledger {
        &mut self.ledger
    }

    pub(crate) fn refund(&mut self, paid: Paid) {
        self.ledger.refund(paid);
    }

    pub(crate) fn in_flight(&self) -> u32 {
        self.in_flight
    }

    /// Whether it can be forgotten: nobody is here, and nothing is remembered that still counts.
    pub(crate) fn is_idle(&mut self, now: Moment) -> bool {
        self.queue.is_empty()
            && self.in_flight == 0
            && self.cooldown.is_idle(now)
            && self.allowance.is_whole(now)
            && self.outage.next(now) <= now
    }
}
