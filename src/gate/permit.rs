//! The place of one call at a gate. Whatever becomes of the call, the place is given back.

use std::borrow::Cow;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::admission::{AcquireRequest, Admission, Admitted, Completion, Rejected, WakeList};
use super::blocked::Reason;
use super::breaker::BreakerState;
use super::cooldown::{Closing, OpensAt};
use super::gate::{Gate, Locked};
use super::guards::{ConcurrencyPermit, ProvisionalClosing, RetryReceipt};
use super::timer_waker::TimerWaker;
use crate::retry::Budget;
use crate::time::{Clock, Instant, Moment, Timer};

/// A call's turn: not asked for yet, waited for, or taken.
#[derive(Debug)]
pub(crate) struct Permit {
    gate: Arc<Gate>,
    /// The number of arrival; 0 before.
    pub(super) number: u64,
    price: u32,
    // The pass, once it was let through: in pieces, since a hundred thousand waiting calls hold one.
    answered_then: u32,
    sent: Moment,
    generation: u16,
    way: Way,
    stage: Stage,
}

/// How the call gets through: in one byte, beside the stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    AcquireRequest,
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

impl Permit {
    #[inline]
    pub(crate) fn new(gate: Arc<Gate>, price: u32) -> Self {
        Self {
            gate,
            number: 0,
            price,
            answered_then: 0,
            sent: Moment::START,
            generation: 0,
            way: Way::AcquireRequest,
            stage: Stage::New,
        }
    }

    /// What the call has to show, if it is at this stage.
    fn admitted_at(&self, stage: Stage) -> Option<Admitted> {
        (self.stage == stage).then(|| self.admitted())
    }

    fn admitted(&self) -> Admitted {
        Admitted {
            generation: self.generation,
            price: self.price,
            answered_then: self.answered_then,
            sent: self.sent,
        }
    }

    fn store(&mut self, admitted: Admitted, stage: Stage) {
        self.generation = admitted.generation;
        self.answered_then = admitted.answered_then;
        self.sent = admitted.sent;
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
    pub(crate) fn try_acquire_now(
        &mut self,
        else_to_wait_for: bool,
        now: Instant,
    ) -> (Moment, bool) {
        let price = self.price;
        let now = Moment::of(now);
        let mut state = self.gate.lock();
        state.ledger().call(now);
        self.number = state.waiters.arrive();
        if else_to_wait_for {
            return (now, false);
        }
        if price > 1 && state.limits.check_cost(price).is_err() {
            return (now, false);
        }
        let admitted = state.try_admit_now(price, now);
        drop(state);
        if let Some(admitted) = admitted {
            self.store(admitted, Stage::Sent);
        }
        (now, admitted.is_some())
    }

    /// A call that another gate let through turns out to belong here, too.
    pub(crate) fn adopt(mut self, there: &Self, now: Moment) -> Self {
        let admitted = self.gate.lock().adopt(self.price, there.admitted(), now);
        self.store(admitted, Stage::Sent);
        self
    }

    /// It was to be sent just now, and is not: another gate has shut.
    pub(crate) fn abort(&mut self) {
        if self.stage == Stage::Sent {
            self.stage = Stage::Admitted;
        }
        self.release();
    }

    pub(crate) fn is_admitted(&self) -> bool {
        self.stage == Stage::Admitted
    }

    /// Waits for its turn, as long as its patience lasts. Admission answers now or later: this is the seam behind
    /// which a fleet's ledger may one day be asked.
    pub(crate) fn poll_acquire(
        &mut self,
        asks: AcquireRequest,
        clock: &Clock,
        timer: &mut Option<Timer>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Rejected>> {
        loop {
            match self.try_acquire(asks, clock.now(), cx) {
                Admission::Granted(_) => return Poll::Ready(Ok(())),
                Admission::Rejected(why) => return Poll::Ready(Err(why)),
                Admission::WaitUntil(..) if timer.is_none() && !Timer::is_available() => {
                    return Poll::Ready(Err(Rejected::NoTimer));
                }
                Admission::WaitUntil(look, _) => {
                    let timer = timer.get_or_insert_with(|| Timer::until(look));
                    timer.set(look);
                    let alarm = TimerWaker::waker(&self.gate, self.number);
                    std::task::ready!(timer.poll(&mut Context::from_waker(&alarm)));
                }
                Admission::Parked(_) => {
                    *timer = None;
                    return Poll::Pending;
                }
            }
        }
    }

    /// Asks once, and says where it stands.
    pub(super) fn try_acquire(
        &mut self,
        mut asks: AcquireRequest,
        now: Moment,
        cx: &mut Context<'_>,
    ) -> Admission {
        let waker = cx.waker().clone();
        let mut state = self.gate.lock();
        if self.number == 0 {
            self.number = state.waiters.arrive();
        }
        // Who has been here before is not sent away because others have come since.
        if self.stage != Stage::New {
            asks.max_waiting = usize::MAX;
        }
        let (behind, others) = state.step_back(self.number, asks.path, now);
        self.number = behind;
        let (standing, wake) = state.admit_in_turn(self.number, asks, now, waker);
        drop(state);
        match standing {
            Admission::Granted(admitted) => self.store(admitted, Stage::Admitted),
            Admission::WaitUntil(_, reason) | Admission::Parked(reason) => {
                self.stage = Stage::Waiting;
                self.note_wait_reason(reason);
            }
            Admission::Rejected(_) => self.stage = Stage::Out,
        }
        wake.now();
        others.now();
        standing
    }

    /// A limit is told, and not the queue or the slow start that comes after it.
    fn note_wait_reason(&mut self, reason: Reason) {
        let known = matches!(self.way, Way::IsKeptBy(known) if known.is_certain());
        if reason.is_certain() || !known {
            self.way = Way::IsKeptBy(reason);
        }
    }

    /// What the call has waited for at this gate, in words. Forgets it.
    pub(crate) fn take_wait_reason(&mut self) -> Option<(Reason, Cow<'static, str>)> {
        let Way::IsKeptBy(reason) = self.way else {
            return None;
        };
        self.way = Way::AcquireRequest;
        let words = self.gate.lock().describe(reason);
        Some((reason, words))
    }

    /// Whether the gate has stayed open since the call was let through: it is sent now. If not, its
    /// place is given back and it has to ask again.
    pub(crate) fn commit(&mut self, now: Moment) -> bool {
        let Some(admitted) = self.admitted_at(Stage::Admitted) else {
            return false;
        };
        let holds = self.gate.lock().commit(admitted, now);
        match holds {
            Some(admitted) => self.store(admitted, Stage::Sent),
            None => self.release(),
        }
        holds.is_some()
    }

    /// Others say that nobody may call before then: the call gives its pass back, and the gate shuts.
    pub(crate) fn revoke(&mut self, closing: Closing) {
        let told = self.admitted_at(Stage::Admitted).map(|admitted| {
            let mut state = self.gate.lock();
            state.close(admitted.generation, closing, 0).1
        });
        self.release();
        told.into_iter().for_each(WakeList::now);
    }

    /// The call was served, and its answer says nothing about limits. Returns whether that was all there is to tell: where
    /// calls at once are limited it holds its place until the body has ended, and after a refusal its path is told, too.
    #[inline]
    pub(crate) fn complete_fast(&mut self, now: impl FnOnce() -> Moment) -> bool {
        if self.stage != Stage::Sent {
            return false;
        }
        let admitted = self.admitted();
        let mut state = self.gate.lock();
        if state.limits.limits_concurrency() || !state.refused_paths.is_empty() {
            return false;
        }
        let next = state.complete_ok(admitted, now());
        drop(state);
        self.stage = Stage::Out;
        if let Some(next) = next {
            next.wake();
        }
        true
    }

    /// The call was answered, or failed, and nobody has to wait for that.
    pub(crate) fn complete(&mut self, completion: Completion, now: Moment) {
        if let Some((state, freed)) = self.complete_locked(completion, now) {
            drop(state);
            freed.now();
        }
    }

    /// The same, and the answer shuts the gate, unless its head did so already. Returns when it opens.
    pub(crate) fn complete_and_close(
        &mut self,
        completion: Completion,
        closing: Closing,
        provisional: Option<(ProvisionalClosing, Moment)>,
        bits: u64,
        now: Moment,
    ) -> Option<OpensAt> {
        let admitted = self.admitted_at(Stage::Sent)?;
        let provisional = provisional.and_then(|(head, now)| {
            if Arc::ptr_eq(&head.gate, &self.gate) {
                let probe = head.was_probe;
                return Some((head.id()?, probe, now));
            }
            head.take_back(now);
            None
        });
        let stale = self.gate.lock().is_stale(admitted);
        let (mut state, freed) = self.complete_locked(completion, now)?;
        let news = closing.refused || !stale;
        let was_probe =
            provisional.map_or_else(|| state.was_probe(admitted), |(_, probe, _)| probe);
        let behind = (closing.refused && was_probe).then(|| state.waiters.arrive());
        let (opening, told) = match provisional {
            Some((id, _, now)) => state.resolve(id, news.then_some(closing), now),
            None if news => {
                let (opening, told) = state.close(admitted.generation, closing, bits);
                (Some(opening), told)
            }
            None => (None, WakeList::default()),
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
    pub(crate) fn close_provisionally(
        &self,
        closing: Closing,
        bits: u64,
    ) -> Option<ProvisionalClosing> {
        let admitted = self.admitted_at(Stage::Sent)?;
        let mut state = self.gate.lock();
        if !closing.refused && state.is_stale(admitted) {
            return None;
        }
        let was_probe = state.was_probe(admitted);
        let id = state.close_provisionally(admitted.generation, closing, bits);
        self.gate.ask_for_paths(!state.refused_paths.is_empty());
        drop(state);
        Some(ProvisionalClosing {
            gate: Arc::clone(&self.gate),
            was_probe,
            id: Some(id),
        })
    }

    fn complete_locked(
        &mut self,
        completion: Completion,
        now: Moment,
    ) -> Option<(Locked<'_>, WakeList)> {
        let admitted = self.admitted_at(Stage::Sent)?;
        let mut state = self.gate.lock();
        let holds = state.limits.limits_concurrency();
        self.stage = if holds { Stage::Holding } else { Stage::Out };
        let freed = state.complete(admitted, completion, now);
        self.gate.ask_for_paths(!state.refused_paths.is_empty());
        Some((state, freed))
    }

    /// The place among the calls at once goes with the body of the answer.
    pub(crate) fn take_concurrency_permit(&mut self) -> Option<ConcurrencyPermit> {
        if self.stage != Stage::Holding {
            return None;
        }
        self.stage = Stage::Out;
        let gate = Arc::clone(&self.gate);
        Some(ConcurrencyPermit { gate })
    }

    /// Whether a retry has to wait because the whole scope seems to be out. The call then asks again behind all others,
    /// so that a broken endpoint at the head of the queue does not keep the good ones waiting.
    pub(crate) fn suspend_retry(&mut self, now: Moment) -> Option<BreakerState> {
        let mut state = self.gate.lock();
        let suspicion = state.breaker_state(now)?;
        self.number = state.waiters.arrive();
        Some(suspicion)
    }

    /// Until when the scope may still turn out to be well.
    pub(crate) fn suspected_until(&self, now: Moment) -> Option<Moment> {
        match self.gate.lock().breaker_state(now)? {
            BreakerState::Deadlines(moment) => Some(moment),
            BreakerState::Open(_) => None,
        }
    }

    /// Pays for a retry out of the scope's budget.
    pub(crate) fn pay_for_retry(&self, budget: Budget, now: Moment) -> Option<RetryReceipt> {
        let paid = self.gate.lock().ledger().pay(budget, now)?;
        let gate = Arc::clone(&self.gate);
        Some(RetryReceipt {
            gate,
            paid: Some(paid),
        })
    }

    /// Out of the queue, or back out of the gate.
    pub(crate) fn release(&mut self) {
        let admitted = self.admitted();
        let wake = match self.stage {
            Stage::New | Stage::Out => return,
            Stage::Waiting => self.gate.lock().cancel_wait(self.number),
            Stage::Admitted => self.gate.lock().abort(admitted),
            Stage::Sent => self.gate.lock().cancel(admitted),
            Stage::Holding => self.gate.lock().release_concurrency(),
        };
        self.stage = Stage::Out;
        wake.now();
    }
}

impl Drop for Permit {
    #[inline]
    fn drop(&mut self) {
        if self.stage != Stage::Out {
            self.release();
        }
    }
}
