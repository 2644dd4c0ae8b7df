//! What a call holds of a gate beside its turn: dropped, each gives back what it stands for.

use std::sync::Arc;

use super::cooldown::ProvisionalId;
use super::gate::Gate;
use crate::retry::PaidRetry;
use crate::time::Moment;

/// The place of an answered call among the calls at once: free when this is dropped.
#[derive(Debug)]
pub(crate) struct ConcurrencyPermit {
    pub(super) gate: Arc<Gate>,
}

impl Drop for ConcurrencyPermit {
    fn drop(&mut self) {
        let wake = self.gate.lock().release_concurrency();
        wake.now();
    }
}

/// A closing that the head of a response asked for, until its body decides. Dropped before, it stands.
#[derive(Debug)]
pub(crate) struct ProvisionalClosing {
    pub(super) gate: Arc<Gate>,
    pub(super) was_probe: bool,
    pub(super) id: Option<ProvisionalId>,
}

impl ProvisionalClosing {
    /// The body has shown that it concerns no other call.
    pub(crate) fn take_back(mut self, now: Moment) {
        if let Some(id) = self.id.take() {
            let (_, wake) = self.gate.lock().resolve(id, None, now);
            wake.now();
        }
    }

    /// Its gate decides.
    pub(super) fn id(mut self) -> Option<ProvisionalId> {
        self.id.take()
    }
}

impl Drop for ProvisionalClosing {
    fn drop(&mut self) {
        if let Some(id) = self.id.take() {
            let wake = self.gate.lock().confirm(id);
            wake.now();
        }
    }
}

/// A retry that was paid for. Dropped before it is spent, its price goes back.
#[derive(Debug)]
pub(crate) struct RetryReceipt {
    pub(super) gate: Arc<Gate>,
    pub(super) paid: Option<PaidRetry>,
}

impl RetryReceipt {
    /// The retry is sent.
    pub(crate) fn spend(mut self) {
        self.paid = None;
    }
}

impl Drop for RetryReceipt {
    fn drop(&mut self) {
        if let Some(paid) = self.paid.take() {
            self.gate.lock().refund(paid);
        }
    }
}
