//! Wakes more than one call when the timer of a waiting call rings.

use std::sync::Arc;
use std::task::{Wake, Waker};

use super::gate::Gate;
use crate::time::Clock;

/// The waker of the timer of one waiting call.
///
/// It wakes that call, the first in the queue, and those whose patience has ended, even if the call that holds the
/// timer is never polled again: its task may be busy elsewhere, or hold it in a future that is not polled.
pub(super) struct TimerWaker {
    gate: Arc<Gate>,
    number: u64,
}

impl TimerWaker {
    /// Makes the waker of the call with this number.
    pub(super) fn waker(gate: &Arc<Gate>, number: u64) -> Waker {
        let gate = Arc::clone(gate);
        Waker::from(Arc::new(Self { gate, number }))
    }
}

impl Wake for TimerWaker {
    fn wake(self: Arc<Self>) {
        let now = Clock::default().now();
        let told = self.gate.lock().on_timer(self.number, now);
        told.wake();
    }
}
