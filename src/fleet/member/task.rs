//! The task of a member: it exchanges with the ledger when that is due, and wakes the gates.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::log;
use super::shared::{SharedMember, lock};
use super::state::Standing;
use crate::fleet::GateHandle;
use crate::fleet::ledger::{Exchange, LedgerClient, Reply, Unreachable};
use crate::time::{Clock, Moment};

/// What the task does next.
enum TaskStep {
    Exchange(Box<Exchange>),
    WaitUntil(Moment),
    End,
}

impl<L: LedgerClient> SharedMember<L> {
    /// Starts the task, if there is a runtime and it does not run yet.
    pub(super) fn run(self: &Arc<Self>) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        if !self.is_running.swap(true, Ordering::AcqRel) {
            let running = Running(Arc::clone(self));
            runtime.spawn(async move { running.0.exchange_when_due().await });
        }
    }

    async fn exchange_when_due(&self) {
        loop {
            match self.next_step() {
                TaskStep::Exchange(exchange) => {
                    self.exchange(&exchange).await;
                }
                TaskStep::End => return self.left.notify_waiters(),
                TaskStep::WaitUntil(moment) => {
                    let changed = self.changed.notified();
                    let _ = tokio::time::timeout_at(moment.instant().into(), changed).await;
                }
            }
        }
    }

    fn next_step(&self) -> TaskStep {
        let waiting = self.waiting();
        let now = Clock::default().now();
        let mut state = self.state();
        if state.standing == Standing::Left {
            return TaskStep::End;
        }
        state.note_clocks(Clock::default().uptime_and_wall());
        let next = state.next_exchange(now);
        if next > now {
            return TaskStep::WaitUntil(next);
        }
        TaskStep::Exchange(Box::new(state.begin_exchange(waiting, now)))
    }

    async fn exchange(&self, exchange: &Exchange) {
        let exchanging = self.client.exchange(self.name, exchange);
        let result = match tokio::time::timeout(self.timeout, exchanging).await {
            Ok(result) => result,
            Err(_) => Err(Unreachable::NoConnection("no reply in time".to_owned())),
        };
        self.on_result(&result);
        self.wake_gates();
    }

    fn on_result(&self, result: &Result<Reply, Unreachable>) {
        let now = Clock::default().now();
        let mut state = self.state();
        state.note_clocks(Clock::default().uptime_and_wall());
        let before = (state.leads(), state.standing);
        match result {
            Ok(reply) => state.on_reply(reply, now),
            Err(why) => state.on_unreachable(why, now),
        }
        let after = (state.leads(), state.standing);
        let opens_gates = std::mem::take(&mut state.opens_gates);
        drop(state);
        if opens_gates {
            self.each_gate(GateHandle::reopen);
        }
        if before.0 != after.0 {
            self.each_gate(|gate| gate.set_leading(after.0));
        }
        match (before.1, after.1, result) {
            (Standing::Alone(_), Standing::Alone(_), _) => {}
            (_, Standing::Alone(_), Err(why)) => log::on_ledger_away(&self.scope, why),
            (_, Standing::Alone(_), Ok(_)) => {
                let why = Unreachable::ErrorReply("it does not take this member in".to_owned());
                log::on_ledger_away(&self.scope, &why);
            }
            (Standing::Alone(_), _, _) => log::on_ledger_back(&self.scope),
            _ => {}
        }
    }

    /// Lets the task give back what is held.
    pub(super) fn begin_to_leave(&self) {
        self.state().leave();
        self.changed.notify_one();
    }

    /// Gives back what is held, and waits until the ledger knows or cannot be reached.
    pub(super) async fn leave(&self) {
        let left = self.left.notified();
        self.begin_to_leave();
        let has_left = self.state().standing == Standing::Left;
        if !has_left && self.is_running.load(Ordering::Acquire) {
            // The exchange that is on its way, and the last one.
            let _ = tokio::time::timeout(self.timeout * 2, left).await;
        }
    }

    fn waiting(&self) -> usize {
        let mut waiting = 0;
        self.each_gate(|gate| waiting += gate.waiting());
        waiting
    }

    /// Lets the gates ask again. One at which no call waits has to forget, too, what it was told.
    pub(super) fn wake_gates(&self) {
        self.each_gate(GateHandle::wake);
    }

    pub(super) fn each_gate(&self, each: impl FnMut(&GateHandle)) {
        let gates = {
            let mut gates = lock(&self.gates);
            gates.retain(GateHandle::is_alive);
            gates.clone()
        };
        gates.iter().for_each(each);
    }
}

/// Notes that the task has ended, even if its runtime has dropped it.
struct Running<L: LedgerClient>(Arc<SharedMember<L>>);

impl<L: LedgerClient> Drop for Running<L> {
    fn drop(&mut self) {
        self.0.is_running.store(false, Ordering::Release);
    }
}
