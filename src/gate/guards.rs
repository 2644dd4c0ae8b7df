//! What a call may hold of a gate beside its permit. Dropped, each gives back what it stands for.

use std::sync::Arc;

use super::core::ProvisionalId;
use super::gate::Gate;
use super::member::{tell_body_end, tell_close};
use crate::fleet::GrantId;
use crate::retry::PaidRetry;
use crate::time::{Clock, Moment};

/// The slot of an answered call among the concurrent ones: free when this is dropped.
#[derive(Debug)]
pub(crate) struct ConcurrencyPermit {
    pub(super) gate: Arc<Gate>,
    pub(super) grant: Option<GrantId>,
}

impl Drop for ConcurrencyPermit {
    fn drop(&mut self) {
        let wake = self.gate.lock().release_concurrency();
        wake.wake();
        tell_body_end(&self.gate, self.grant);
    }
}

/// A closing by the head of a response, until its body is read. Dropped before, it stands.
#[derive(Debug)]
pub(crate) struct ProvisionalClosing {
    pub(super) gate: Arc<Gate>,
    pub(super) was_probe: bool,
    pub(super) id: Option<ProvisionalId>,
    /// Whether it was a refusal.
    pub(super) refused: bool,
}

impl ProvisionalClosing {
    /// Takes the closing back: the body has shown that it concerns no other call.
    pub(crate) fn take_back(mut self, now: Moment) {
        if let Some(id) = self.id.take() {
            let (_, wake) = self.gate.lock().resolve(id, None, now);
            wake.wake();
        }
    }

    /// Hands the closing over to its gate.
    pub(super) fn id(mut self) -> Option<ProvisionalId> {
        self.id.take()
    }
}

impl Drop for ProvisionalClosing {
    fn drop(&mut self) {
        if let Some(id) = self.id.take() {
            let mut gate = self.gate.lock();
            let wake = gate.confirm(id);
            let opens = gate.core.last_settled();
            drop(gate);
            wake.wake();
            if let Some(opens) = opens.filter(|_| self.gate.member().is_some()) {
                tell_close(
                    &self.gate,
                    opens.since(Clock::default().now()),
                    self.refused,
                );
            }
        }
    }
}

/// A retry that was paid for out of the budget. Dropped before it is spent, it is refunded.
#[derive(Debug)]
pub(crate) struct RetryReceipt {
    pub(super) gate: Arc<Gate>,
    pub(super) paid: Option<PaidRetry>,
}

impl RetryReceipt {
    /// Keeps what was paid: the retry is sent.
    pub(crate) fn spend(mut self) {
        self.paid = None;
    }
}

impl Drop for RetryReceipt {
    fn drop(&mut self) {
        if let Some(paid) = self.paid.take() {
            self.gate.lock().core.refund(paid);
        }
    }
}
