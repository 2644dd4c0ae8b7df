//! The place of one call at a gate. Whatever becomes of the call, the place is given back.

use std::borrow::Cow;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::alarm::Alarm;
use super::blocked::Reason;
use super::cooldown::{Closing, Opening};
use super::guards::{HeadClosing, Hold, Receipt};
use super::outage::Suspicion;
use super::single::{Gate, Locked};
use super::words::{Asks, Heard, Leaves, Pass, Standing, Wake};
use crate::budget::Budget;
use crate::clock::{Clock, Timer};
use crate::moment::Moment;
use crate::sys::Instant;

/// A call's turn: not asked for yet, waited for, or taken.
#[derive(Debug)]
pub(crate) struct Turn {
    gate: Arc<Gate>,
    /// The number of arrival; 0 before.
    pub(super) number: u64,
    price: u32,
    // The pass, once it was let through: in pieces, since a hundred thousand waiting calls hold one.
    answered_then: u32,
    sent: Moment,
    epoch: u16,
    way: Way,
    stage: Stage,
}

/// How the call gets through: in one byte, beside the stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Asks,
    /// It had to wait, and what for.
    IsKeptBy(Reason),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    New,
    Out,
    Waiting,
    /// Let through, and not sent yet.
    Admitted,
    Sent,
    /// Answered, and one of the calls at once until the body of its answer has ended.
    Holding,
}

impl Turn {
    #[inline]
    pub(crate) fn at(gate: Arc<Gate>, price: u32) -> Self {
        Self {
            gate,
            number: 0,
            price,
            answered_then: 0,
            sent: Moment::START,
            epoch: 0,
            way: Way::Asks,
            stage: Stage::New,
        }
    }

    /// What the call has to show, if it is at this stage.
    fn pass_at(&self, stage: Stage) -> Option<Pass> {
        (self.stage == stage).then(|| self.pass())
    }

    fn pass(&self) -> Pass {
        Pass {
            epoch: self.epoch,
            price: self.price,
            answered_then: self.answered_then,
            sent: self.sent,
        }
    }

    fn keep(&mut self, pass: Pass, stage: Stage) {
        self.epoch = pass.epoch;
        self.answered_then = pass.answered_then;
        self.sent = pass.sent;
        self.stage = stage;
    }

    pub(crate) fn price(&self) -> u32 {
        self.price
    }

    pub(crate) fn gate(&self) -> &Arc<Gate> {
        &self.gate
    }

    /// A new call arrives, and is sent at once if the gate is wide open and nothing `else_to_wait_for`.
    #[inline]
    pub(crate) fn arrive(&mut self, else_to_wait_for: bool, now: Instant) -> (Moment, bool) {
        let price = self.price;
        let now = Moment::of(now);
        let mut state = self.gate.lock();
        state.ledger().call(now);
        self.number = state.queue.arrive();
        if else_to_wait_for {
            return (now, false);
        }
        if price > 1 && state.allowance.affords(price).is_err() {
            return (now, false);
        }
        let pass = state.pass_at_once(price, now);
        drop(state);
        if let Some(pass) = pass {
            self.keep(pass, Stage::Sent);
        }
        (now, pass.is_some())
    }

    /// A call that another gate let through turns out to belong here, too.
    pub(crate) fn was_sent(mut self, there: &Self, now: Moment) -> Self {
        let pass = self.gate.lock().was_sent(self.price, there.pass(), now);
        self.keep(pass, Stage::Sent);
        self
    }

    /// It was to be sent just now, and is not: another gate has shut.
    pub(crate) fn not_sent(&mut self) {
        if self.stage == Stage::Sent {
            self.stage = Stage::Admitted;
        }
        self.give_back();
    }

    pub(crate) fn is_admitted(&self) -> bool {
        self.stage == Stage::Admitted
    }

    /// Waits for its turn, as long as its patience lasts. Admission answers now or later: this is the seam behind
    /// which a fleet's ledger may one day be asked.
    pub(crate) fn poll(
        &mut self,
        asks: Asks,
        clock: &Clock,
        timer: &mut Option<Timer>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Leaves>> {
        loop {
            match self.ask(asks, clock.now(), cx) {
                Standing::Through(_) => return Poll::Ready(Ok(())),
                Standing::Leaves(why) => return Poll::Ready(Err(why)),
                Standing::Waits(..) if timer.is_none() && !Timer::is_available() => {
                    return Poll::Ready(Err(Leaves::NoTimer));
                }
                Standing::Waits(look, _) => {
                    let timer = timer.get_or_insert_with(|| Timer::until(look));
                    timer.set(look);
                    let alarm = Alarm::waker(&self.gate, self.number);
                    std::task::ready!(timer.poll(&mut Context::from_waker(&alarm)));
                }
                Standing::Sleeps(_) => {
                    *timer = None;
                    return Poll::Pending;
                }
            }
        }
    }

    /// Asks once, and says where it stands.
    pub(super) fn ask(&mut self, mut asks: Asks, now: Moment, cx: &mut Context<'_>) -> Standing {
        let waker = cx.waker().clone();
        let mut state = self.gate.lock();
        if self.number == 0 {
            self.number = state.queue.arrive();
        }
        // Who has been here before is not sent away because others have come since.
        if self.stage != Stage::New {
            asks.most_waiting = usize::MAX;
        }
        let (behind, others) = state.step_back(self.number, asks.path, now);
        self.number = behind;
        let (standing, wake) = state.pass_in_turn(self.number, asks, now, waker);
        drop(state);
        match standing {
            Standing::Through(pass) => self.keep(pass, Stage::Admitted),
            Standing::Waits(_, reason) | Standing::Sleeps(reason) => {
                self.stage = Stage::Waiting;
                self.is_kept_by(reason);
            }
            Standing::Leaves(_) => self.stage = Stage::Out,
        }
        wake.now();
        others.now();
        standing
    }

    /// A limit is told, and not the queue or the slow start that comes after it.
    fn is_kept_by(&mut self, reason: Reason) {
        let known = matches!(self.way, Way::IsKeptBy(known) if known.is_certain());
        if reason.is_certain() || !known {
            self.way = Way::IsKeptBy(reason);
        }
    }

    /// What the call has waited for at this gate, in words. Forgets it.
    pub(crate) fn waited_for(&mut self) -> Option<(Reason, Cow<'static, str>)> {
        let Way::IsKeptBy(reason) = self.way else {
            return None;
        };
        self.way = Way::Asks;
        let words = self.gate.lock().words_for(reason);
        Some((reason, words))
    }

    /// Whether the gate has stayed open since the call was let through: it is sent now. If not, its
    /// place is given back and it has to ask again.
    pub(crate) fn still_holds(&mut self, now: Moment) -> bool {
        let Some(pass) = self.pass_at(Stage::Admitted) else {
            return false;
        };
        let holds = self.gate.lock().still_holds(pass, now);
        match holds {
            Some(pass) => self.keep(pass, Stage::Sent),
            None => self.give_back(),
        }
        holds.is_some()
    }

    /// Others say that nobody may call before then: the call gives its pass back, and the gate shuts.
    pub(crate) fn recalled(&mut self, closing: Closing) {
        let told = self.pass_at(Stage::Admitted).map(|pass| {
            let mut state = self.gate.lock();
            state.close(pass.epoch, closing, 0).1
        });
        self.give_back();
        told.into_iter().for_each(Wake::now);
    }

    /// The call was served, and its answer says nothing about limits. Returns whether that was all there is to tell: where
    /// calls at once are limited it holds its place until the body has ended, and after a refusal its path is told, too.
    #[inline]
    pub(crate) fn serves(&mut self, now: impl FnOnce() -> Moment) -> bool {
        if self.stage != Stage::Sent {
            return false;
        }
        let pass = self.pass();
        let mut state = self.gate.lock();
        if state.allowance.limits_at_once() || !state.refused_paths.is_empty() {
            return false;
        }
        let next = state.served(pass, now());
        drop(state);
        self.stage = Stage::Out;
        if let Some(next) = next {
            next.wake();
        }
        true
    }

    /// The call was answered, or failed, and nobody has to wait for that.
    pub(crate) fn answered(&mut self, heard: Heard, now: Moment) {
        if let Some((state, freed)) = self.hear(heard, now) {
            drop(state);
            freed.now();
        }
    }

    /// The same, and the answer shuts the gate, unless its head did so already. Returns when it opens.
    pub(crate) fn shut(
        &mut self,
        heard: Heard,
        closing: Closing,
        by_head: Option<(HeadClosing, Moment)>,
        roll: u64,
        now: Moment,
    ) -> Option<Opening> {
        let pass = self.pass_at(Stage::Sent)?;
        let by_head = by_head.and_then(|(head, now)| {
            if Arc::ptr_eq(&head.gate, &self.gate) {
                let probe = head.was_probe;
                return Some((head.id()?, probe, now));
            }
            head.take_back(now);
            None
        });
        let stale = self.gate.lock().is_stale(pass);
        let (mut state, freed) = self.hear(heard, now)?;
        let news = closing.refused || !stale;
        let was_probe = by_head.map_or_else(|| state.was_probe(pass), |(_, probe, _)| probe);
        let behind = (closing.refused && was_probe).then(|| state.queue.arrive());
        let (opening, told) = match by_head {
            Some((id, _, now)) => state.decide(id, news.then_some(closing), now),
            None if news => {
                let (opening, told) = state.close(pass.epoch, closing, roll);
                (Some(opening), told)
            }
            None => (None, Wake::default()),
        };
        let asks_for_paths = !state.refused_paths.is_empty();
        drop(state);
        self.gate.ask_for_paths(asks_for_paths);
        freed.now();
        told.now();
        // A refused probe goes behind the others: an endpoint that is always refused must not starve its host.
        self.number = behind.unwrap_or(self.number);
        opening
    }

    /// The head of an answer closes the gate, and its body is still to be read.
    pub(crate) fn close_by_head(&self, closing: Closing, roll: u64) -> Option<HeadClosing> {
        let pass = self.pass_at(Stage::Sent)?;
        let mut state = self.gate.lock();
        if !closing.refused && state.is_stale(pass) {
            return None;
        }
        let was_probe = state.was_probe(pass);
        let id = state.close_by_head(pass.epoch, closing, roll);
        self.gate.ask_for_paths(!state.refused_paths.is_empty());
        drop(state);
        Some(HeadClosing {
            gate: Arc::clone(&self.gate),
            was_probe,
            id: Some(id),
        })
    }

    fn hear(&mut self, heard: Heard, now: Moment) -> Option<(Locked<'_>, Wake)> {
        let pass = self.pass_at(Stage::Sent)?;
        let mut state = self.gate.lock();
        let holds = state.allowance.limits_at_once();
        self.stage = if holds { Stage::Holding } else { Stage::Out };
        let freed = state.answered(pass, heard, now);
        self.gate.ask_for_paths(!state.refused_paths.is_empty());
        Some((state, freed))
    }

    /// The place among the calls at once goes with the body of the answer.
    pub(crate) fn hand_over(&mut self) -> Option<Hold> {
        if self.stage != Stage::Holding {
            return None;
        }
        self.stage = Stage::Out;
        let gate = Arc::clone(&self.gate);
        Some(Hold { gate })
    }

    /// Whether a retry has to wait because the whole scope seems to be out. The call then asks again behind all others,
    /// so that a broken endpoint at the head of the queue does not keep the good ones waiting.
    pub(crate) fn suspends(&mut self, now: Moment) -> Option<Suspicion> {
        let mut state = self.gate.lock();
        let suspicion = state.suspicion(now)?;
        self.number = state.queue.arrive();
        Some(suspicion)
    }

    /// Until when the scope may still turn out to be well.
    pub(crate) fn suspected_until(&self, now: Moment) -> Option<Moment> {
        match self.gate.lock().suspicion(now)? {
            Suspicion::Until(moment) => Some(moment),
            Suspicion::Open(_) => None,
        }
    }

    /// Pays for a retry out of the scope's budget.
    pub(crate) fn pay(&self, budget: Budget, now: Moment) -> Option<Receipt> {
        let paid = self.gate.lock().ledger().pay(budget, now)?;
        let gate = Arc::clone(&self.gate);
        Some(Receipt {
            gate,
            paid: Some(paid),
        })
    }

    /// Out of the queue, or back out of the gate.
    pub(crate) fn give_back(&mut self) {
        let pass = self.pass();
        let wake = match self.stage {
            Stage::New | Stage::Out => return,
            Stage::Waiting => self.gate.lock().gone(self.number),
            Stage::Admitted => self.gate.lock().undo(pass),
            Stage::Sent => self.gate.lock().dropped(pass),
            Stage::Holding => self.gate.lock().release(),
        };
        self.stage = Stage::Out;
        wake.now();
    }
}

impl Drop for Turn {
    #[inline]
    fn drop(&mut self) {
        if self.stage != Stage::Out {
            self.give_back();
        }
    }
}
