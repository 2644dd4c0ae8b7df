//! The permit of one call at a gate. However the call ends, what it holds is released.

mod closing;
mod grant;

use std::borrow::Cow;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use super::core::{
    AcquireRequest, Admission, Admitted, BreakerState, Completion, Need, Outcome, Reason, Rejected,
    Ticket,
};
use super::gate::{Gate, Guarded};
use super::guards::{ConcurrencyPermit, RetryReceipt};
use super::member::tell_body_end;
use super::timer_waker::TimerWaker;
use super::waiters::arrivals_before;
use crate::fleet::GrantId;
use crate::retry::{Budget, Priority};
use crate::time::{Clock, Instant, Moment, Timer};

/// The right of one call to be sent: not asked for yet, waited for, granted or used.
#[derive(Debug)]
pub(crate) struct Permit {
    gate: Arc<Gate>,
    /// The number of arrival; 0 before.
    pub(super) number: u64,
    cost: u32,
    // The record of its admission, in pieces: a hundred thousand waiting calls hold one.
    ticket: Ticket,
    sent: Moment,
    generation: u16,
    waits_for: Option<Reason>,
    stage: Stage,
    /// What the member of a fleet has granted.
    pub(super) grant: Option<GrantId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    New,
    Out,
    Waiting,
    /// Admitted, and not sent yet.
    Admitted,
    Sent,
    /// Answered, and one of the concurrent calls until the body of the response has ended.
    Holding,
}

impl Permit {
    #[inline]
    pub(crate) fn new(gate: Arc<Gate>, cost: u32) -> Self {
        Self {
            gate,
            number: 0,
            cost,
            ticket: Ticket::default(),
            sent: Moment::START,
            generation: 0,
            waits_for: None,
            stage: Stage::New,
            grant: None,
        }
    }

    /// The record of its admission, if it is at this stage.
    fn admitted_at(&self, stage: Stage) -> Option<Admitted> {
        (self.stage == stage).then(|| self.admitted())
    }

    fn admitted(&self) -> Admitted {
        Admitted {
            generation: self.generation,
            cost: self.cost,
            ticket: self.ticket,
            sent: self.sent,
        }
    }

    fn store(&mut self, admitted: Admitted, stage: Stage) {
        self.generation = admitted.generation;
        self.ticket = admitted.ticket;
        self.sent = admitted.sent;
        self.stage = stage;
    }

    pub(crate) fn cost(&self) -> u32 {
        self.cost
    }

    pub(crate) fn gate(&self) -> &Arc<Gate> {
        &self.gate
    }

    /// Arrives, and is used at once if nothing keeps the call.
    #[inline]
    pub(crate) fn try_acquire_now(
        &mut self,
        priority: Priority,
        must_wait: bool,
        now: Instant,
    ) -> (Moment, bool) {
        let cost = self.cost;
        let now = Moment::of(now);
        let mut gate = self.gate.lock();
        gate.core.on_call(now);
        self.number = gate.waiters.arrive(priority);
        if must_wait || cost > 1 && gate.core.check_cost(cost).is_err() {
            return (now, false);
        }
        let admitted = gate.try_admit(Need::of(cost, priority), now);
        drop(gate);
        if let Some(admitted) = admitted {
            self.store(admitted, Stage::Sent);
        }
        (now, admitted.is_some())
    }

    /// Registers a call admitted by another gate whose response named this one.
    pub(crate) fn adopt(mut self, there: &Self, now: Moment) -> Self {
        let admitted = self.gate.lock().adopt(self.cost, there.sent, now);
        self.store(admitted, Stage::Sent);
        self
    }

    /// Takes back that the call is sent: another gate has closed, or the caller's own side has kept it.
    pub(crate) fn abort(&mut self) {
        if self.stage == Stage::Sent {
            self.stage = Stage::Admitted;
        }
        self.release();
    }

    /// Takes back that the call was admitted at once. It waits from then on.
    pub(super) fn retract(&mut self) {
        let wake = self.gate.lock().abort(self.admitted());
        self.stage = Stage::New;
        wake.wake();
    }

    /// Whether the gate is told the path of this call even if nothing was refused lately.
    /// Those are the first 8 calls and every 32nd: a path costs some 250 instructions to hash.
    #[inline]
    pub(crate) fn is_sampled(&self) -> bool {
        let arrivals = arrivals_before(self.number);
        arrivals <= 8 || arrivals % 32 == 0
    }

    pub(crate) fn is_admitted(&self) -> bool {
        self.stage == Stage::Admitted
    }

    /// Waits until the call is admitted, or rejected.
    pub(crate) fn poll_acquire(
        &mut self,
        request: AcquireRequest,
        clock: &Clock,
        timer: &mut Option<Timer>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Rejected>> {
        loop {
            match self.acquire(request, clock.now(), cx) {
                Admission::Granted(_) => return Poll::Ready(Ok(())),
                Admission::Rejected(why) => return Poll::Ready(Err(why)),
                Admission::WaitUntil(..) if timer.is_none() && !Timer::is_available() => {
                    return Poll::Ready(Err(Rejected::NoTimer));
                }
                Admission::WaitUntil(look, _) => {
                    let timer = timer.get_or_insert_with(|| Timer::until(look));
                    timer.set(look);
                    let waker = TimerWaker::waker(&self.gate, self.number);
                    ready!(timer.poll(&mut Context::from_waker(&waker)));
                }
                Admission::Parked(_) => {
                    *timer = None;
                    return Poll::Pending;
                }
                Admission::AskMember => {
                    self.ask_member(clock.now());
                }
            }
        }
    }

    /// Asks once.
    /// What the member of a fleet has granted goes back if the call is not admitted.
    pub(super) fn acquire(
        &mut self,
        mut request: AcquireRequest,
        now: Moment,
        cx: &mut Context<'_>,
    ) -> Admission {
        let waker = cx.waker().clone();
        let mut gate = self.gate.lock();
        if self.number == 0 {
            self.number = gate.waiters.arrive(request.priority);
        }
        // A call that has been here before is not sent away because others have come since.
        if self.stage != Stage::New {
            request.max_waiting = usize::MAX;
        }
        let (number, others) = gate.yield_turn(self.number, request.path, now);
        let must_ask = self.grant.is_none() && self.gate.member().is_some();
        let (admission, wake) = gate.acquire(number, request, must_ask, now, waker);
        drop(gate);
        self.number = number;
        match admission {
            Admission::Granted(admitted) => self.store(admitted, Stage::Admitted),
            Admission::WaitUntil(_, reason) | Admission::Parked(reason) => {
                self.stage = Stage::Waiting;
                self.note_wait_reason(reason);
            }
            Admission::AskMember => {}
            Admission::Rejected(_) => self.stage = Stage::Out,
        }
        wake.wake();
        others.wake();
        if self.stage != Stage::Admitted {
            self.return_grant();
        }
        admission
    }

    /// Keeps a limit in mind, rather than the queue or the slow start that comes after it.
    fn note_wait_reason(&mut self, reason: Reason) {
        let known = self.waits_for.is_some_and(Reason::is_certain);
        if reason.is_certain() || !known {
            self.waits_for = Some(reason);
        }
    }

    /// What the call has waited for at this gate, and the same in words. Forgets it.
    pub(crate) fn take_wait_reason(&mut self) -> Option<(Reason, Cow<'static, str>)> {
        let reason = self.waits_for.take()?;
        Some((reason, self.gate.lock().core.describe(reason)))
    }

    /// Whether the admission is still valid: the call is sent now.
    /// If not, it is released and the call has to ask again.
    pub(crate) fn commit(&mut self, now: Moment) -> bool {
        let Some(admitted) = self.admitted_at(Stage::Admitted) else {
            return false;
        };
        let committed = self.gate.lock().core.commit(admitted, now);
        match committed {
            Some(committed) => {
                self.store(committed, Stage::Sent);
                if committed.sent != admitted.sent {
                    self.tell_late_send();
                }
            }
            None => self.release(),
        }
        committed.is_some()
    }

    /// Notes that the call was served, and what its response says is left.
    /// Returns whether that was all: a call may hold a slot until its body has ended, and after a refusal the gate
    /// asks for the path, too; and little may be left of a declared quota, which is told.
    #[inline]
    pub(crate) fn complete_plainly(&mut self, completion: Completion, now: Moment) -> bool {
        if self.stage != Stage::Sent {
            return false;
        }
        let admitted = self.admitted();
        let mut gate = self.gate.lock();
        let core = &gate.core;
        if core.limits_concurrency() || core.watches_paths() || core.has_low_news() {
            return false;
        }
        let first = gate.complete(admitted, completion, now);
        drop(gate);
        self.gate.set_counts(completion.counter.is_some());
        self.stage = Stage::Out;
        first.into_iter().for_each(Waker::wake);
        if self.grant.is_some() {
            self.tell_outcome(completion);
        }
        true
    }

    /// Notes how the call ended.
    pub(crate) fn complete(&mut self, completion: Completion, now: Moment) {
        let Some(admitted) = self.admitted_at(Stage::Sent) else {
            return;
        };
        let mut gate = self.gate.lock();
        self.stage = stage_after(&gate);
        let first = gate.complete(admitted, completion, now);
        self.gate.set_watches_paths(gate.core.watches_paths());
        self.gate.note_low_news(&gate.core);
        drop(gate);
        first.into_iter().for_each(Waker::wake);
        self.tell_outcome(completion);
    }

    /// Hands over the slot among the concurrent calls, which goes with the body of the response.
    pub(crate) fn take_concurrency_permit(&mut self) -> Option<ConcurrencyPermit> {
        if self.stage != Stage::Holding {
            return None;
        }
        self.stage = Stage::Out;
        let gate = Arc::clone(&self.gate);
        let grant = self.grant.take();
        Some(ConcurrencyPermit { gate, grant })
    }

    /// Says what a retry has to wait for if the whole scope seems to be out.
    /// The call then asks again behind all others, so that a broken endpoint at the head of the queue does not keep
    /// the good ones waiting.
    pub(crate) fn suspend_retry(&mut self, now: Moment) -> Option<BreakerState> {
        let mut gate = self.gate.lock();
        let state = gate.core.breaker_state(now)?;
        if self.number != 0 {
            self.number = gate.waiters.arrive_behind(self.number, true);
        }
        Some(state)
    }

    /// Until when the circuit breaker may still turn out not to open.
    pub(crate) fn suspected_until(&self, now: Moment) -> Option<Moment> {
        match self.gate.lock().core.breaker_state(now)? {
            BreakerState::SuspectedUntil(moment) => Some(moment),
            BreakerState::Open(_) => None,
        }
    }

    /// Pays for a retry out of the budget of the scope.
    pub(crate) fn pay_for_retry(&self, budget: Budget, now: Moment) -> Option<RetryReceipt> {
        let paid = self.gate.lock().core.pay_for_retry(budget, now)?;
        let gate = Arc::clone(&self.gate);
        Some(RetryReceipt {
            gate,
            paid: Some(paid),
        })
    }

    /// Leaves the queue, or gives back what the call holds.
    pub(crate) fn release(&mut self) {
        let admitted = self.admitted();
        let wake = match self.stage {
            Stage::New | Stage::Out => return,
            Stage::Waiting => self.gate.lock().leave(self.number),
            Stage::Admitted => self.gate.lock().abort(admitted),
            // The server may have counted it.
            Stage::Sent => self.gate.lock().cancel(admitted),
            Stage::Holding => self.gate.lock().release_concurrency(),
        };
        let stage = std::mem::replace(&mut self.stage, Stage::Out);
        wake.wake();
        match stage {
            Stage::Sent => self.tell_outcome(Completion::plain(Outcome::Cancelled)),
            Stage::Holding => tell_body_end(&self.gate, self.grant.take()),
            _ => self.return_grant(),
        }
    }
}

/// Where concurrent calls are limited, a call is one of them until its body has ended.
fn stage_after(gate: &Guarded) -> Stage {
    if gate.core.limits_concurrency() {
        Stage::Holding
    } else {
        Stage::Out
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
