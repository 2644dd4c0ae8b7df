//! The place of one call at a gate. Whatever becomes of the call, the place is given back.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use super::cooldown::{Closing, Shut};
use super::single::Gate;
use super::words::{Ending, Pass, Standing, Until, Wake};
use crate::budget::{Budget, Paid};
use crate::clock::{Clock, Timer};
use crate::hint::Counter;

/// A call's turn: not asked for yet, waited for, or taken.
#[derive(Debug)]
pub(crate) struct Turn {
    gate: Arc<Gate>,
    /// The number of arrival; 0 before.
    number: u64,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Out,
    Waiting,
    /// Let through, and not sent yet.
    Admitted(Pass),
    Sent(Pass),
}

impl Turn {
    pub(crate) fn at(gate: Arc<Gate>) -> Self {
        Self {
            gate,
            number: 0,
            stage: Stage::Out,
        }
    }

    pub(crate) fn gate(&self) -> &Arc<Gate> {
        &self.gate
    }

    /// A new call arrives, and is sent at once if the gate is wide open.
    pub(crate) fn arrive(&mut self, now: Instant) -> bool {
        let mut state = self.gate.lock();
        let (ledger, age) = state.ledger(now);
        ledger.call(age);
        self.number = state.queue.arrive();
        if let Some(pass) = state.pass_at_once(now) {
            self.stage = Stage::Sent(pass);
        }
        matches!(self.stage, Stage::Sent(_))
    }

    /// Waits for its turn, as long as its patience lasts. Admission answers now or later: this is the seam behind
    /// which a fleet's ledger may one day be asked.
    pub(crate) fn poll(
        &mut self,
        patience: Until,
        clock: &Clock,
        timer: &mut Option<Timer>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Option<Shut>>> {
        loop {
            match self.ask(patience, clock.now(), cx) {
                Standing::Through(pass) => {
                    self.stage = Stage::Admitted(pass);
                    return Poll::Ready(Ok(()));
                }
                Standing::TooLate(shut) => {
                    self.stage = Stage::Out;
                    return Poll::Ready(Err(shut));
                }
                Standing::Waits(look) => {
                    let timer = timer.get_or_insert_with(|| Timer::until(look));
                    timer.set(look);
                    std::task::ready!(timer.poll(cx));
                }
            }
        }
    }

    fn ask(&mut self, patience: Until, now: Instant, cx: &mut Context<'_>) -> Standing {
        let waker = cx.waker().clone();
        let mut state = self.gate.lock();
        if self.number == 0 {
            self.number = state.queue.arrive();
        }
        self.stage = Stage::Waiting;
        let (standing, wake) = state.pass_in_turn(self.number, patience, now, waker);
        drop(state);
        wake.now();
        standing
    }

    /// Whether the gate has stayed open since the call was let through: it is sent now. If not, its
    /// place is given back and it has to ask again.
    pub(crate) fn still_holds(&mut self, now: Instant) -> bool {
        let Stage::Admitted(pass) = self.stage else {
            return false;
        };
        let holds = self.gate.lock().still_holds(pass, now);
        match holds {
            Some(pass) => self.stage = Stage::Sent(pass),
            None => self.give_back(),
        }
        holds.is_some()
    }

    /// Whether the gate wants to know what the answer says is left of a quota.
    pub(crate) fn wants_counter(&self) -> bool {
        matches!(self.stage, Stage::Sent(pass) if pass.wants_counter)
    }

    /// The call was answered, or failed; a closing shuts the gate and returns when it opens.
    pub(crate) fn answered(
        &mut self,
        ending: Ending,
        counter: Option<Counter>,
        closing: Option<(Closing, u64)>,
        now: Instant,
    ) -> Option<Instant> {
        let Stage::Sent(pass) = self.stage else {
            return None;
        };
        self.stage = Stage::Out;
        let mut state = self.gate.lock();
        let stale = state.is_stale(pass);
        let freed = state.answered(pass, ending, counter, now);
        let news = closing.filter(|(closing, _)| closing.refused || !stale);
        let closed = news.map(|(closing, roll)| state.close(pass.epoch, closing, roll));
        drop(state);
        freed.now();
        closed.map(|(opens, told)| {
            told.now();
            opens
        })
    }

    /// See [`State::suspected_until`](super::state::State::suspected_until). The call then asks again
    /// behind all others, so that a broken endpoint at the head of the queue does not keep the good
    /// ones waiting.
    pub(crate) fn suspends(&mut self) -> Option<Instant> {
        let mut state = self.gate.lock();
        let until = state.suspected_until()?;
        self.number = state.queue.arrive();
        Some(until)
    }

    /// Pays for a retry out of the scope's budget.
    pub(crate) fn pay(&self, budget: Budget, now: Instant) -> Option<Receipt> {
        let mut state = self.gate.lock();
        let (ledger, age) = state.ledger(now);
        let paid = ledger.pay(budget, age)?;
        drop(state);
        let gate = Arc::clone(&self.gate);
        Some(Receipt {
            gate,
            paid: Some(paid),
        })
    }

    /// Out of the queue, or back out of the gate.
    pub(crate) fn give_back(&mut self) {
        if self.stage == Stage::Out {
            return;
        }
        let stage = std::mem::replace(&mut self.stage, Stage::Out);
        let mut state = self.gate.lock();
        let wake = match stage {
            Stage::Out => Wake::default(),
            Stage::Waiting => state.gone(self.number),
            Stage::Admitted(pass) => state.undo(pass),
            Stage::Sent(pass) => state.dropped(pass),
        };
        drop(state);
        wake.now();
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.give_back();
    }
}

/// A retry that was paid for. Dropped before it is spent, its price goes back.
#[derive(Debug)]
pub(crate) struct Receipt {
    gate: Arc<Gate>,
    paid: Option<Paid>,
}

impl Receipt {
    /// The retry is sent.
    pub(crate) fn spend(mut self) {
        self.paid = None;
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        if let Some(paid) = self.paid.take() {
            self.gate.lock().refund(paid);
        }
    }
}
