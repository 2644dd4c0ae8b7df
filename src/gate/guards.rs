//! What a call may hold of a gate beside its permit. Dropped, each gives back what it stands for.

use std::sync::Arc;

use super::core::ProvisionalId;
use super::gate::Gate;
use crate::retry::PaidRetry;
use crate::time::Moment;

/// The slot of an answered call among the concurrent ones: free when this is dropped.
#[derive(Debug)]
pub(crate) struct ConcurrencyPermit {
    pub(super) gate: Arc<Gate>,
}

impl Drop for ConcurrencyPermit {
    fn drop(&mut self) {
        let wake = self.gate.lock().release_concurrency();
        wake.wake();
    }
}

/// A closing by the head of a response, until its body is read. Dropped before, it stands.
#[derive(Debug)]
pub(crate) struct ProvisionalClosing {
    pub(super) gate: Arc<Gate>,
    pub(super) was_probe: bool,
    pub(super) id: Option<ProvisionalId>,
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
            let wake = self.gate.lock().confirm(id);
            wake.wake();
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
