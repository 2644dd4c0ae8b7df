//! The gate of one scope: a lock around its state.

use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, Ordering};
#[cfg(not(all(test, model)))]
use std::sync::{Mutex, MutexGuard};

#[cfg(all(test, model))]
use shuttle::sync::{Mutex, MutexGuard};

use super::state::State;
use super::words::Facts;
use crate::clock::Clock;
use crate::scope::Scope;

/// What is seen of a gate while nobody else sees it.
pub(super) type Locked<'a> = MutexGuard<'a, State>;

/// A std mutex: it is held for a few dozen instructions, never across an await, and no code of a
/// user runs under it. Wakers are called when it is free again.
#[derive(Debug)]
#[repr(C)] // what every call touches lies together, beside the count of the `Arc`
pub(crate) struct Gate {
    scope: Scope,
    state: Mutex<State>,
    /// Whether it wants to know which paths are served.
    asks_for_paths: AtomicBool,
}

impl Gate {
    pub(crate) fn new(scope: Scope, facts: Facts<'_>) -> Self {
        Self {
            state: Mutex::new(State::new(facts)),
            scope,
            asks_for_paths: AtomicBool::new(false),
        }
    }

    #[inline]
    pub(crate) fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Whether it wants to know which path a served call asked for.
    pub(crate) fn asks_for_paths(&self) -> bool {
        self.asks_for_paths.load(Ordering::Relaxed)
    }

    pub(super) fn ask_for_paths(&self, asks: bool) {
        self.asks_for_paths.store(asks, Ordering::Relaxed);
    }

    /// All that is known, with no book open.
    pub(crate) fn lock(&self) -> Locked<'_> {
        let mut state = self.lock_as_it_is();
        settle(&mut state);
        state
    }

    /// For the two who know about the [book](super::book). Nothing under the lock can panic halfway, so a poisoned
    /// one is as good as any.
    #[inline]
    pub(super) fn lock_as_it_is(&self) -> Locked<'_> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Closes the book.
///
/// By when all that is ticked off in it had been answered, nobody who comes can say: they may have looked at the clock
/// long ago. So it is asked here, under the lock, once for a whole book.
#[inline]
pub(super) fn settle(state: &mut State) {
    state.settle(|| Clock::default().now());
}

#[cfg(all(test, not(model)))]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::gate::{Ending, Heard, Turn};
    use crate::moment::Moment;

    #[test]
    fn whoever_takes_the_lock_sees_what_was_done_with_tickets() {
        let gate = Arc::new(Gate::new(Scope::layer(), Facts::default()));
        let now = Moment::now();
        let arrive = || {
            let mut turn = Turn::at(Arc::clone(&gate), 1);
            assert!(turn.arrive(false, now.instant()).1, "the gate is open");
            turn
        };
        for _ in 0..20 {
            let heard = Heard {
                ending: Ending::Accepted,
                counter: None,
                looked_at: Some(12),
                price: None,
                by_a_limit: false,
                believed_for: std::time::Duration::MAX,
                path: Default::default(),
            };
            arrive().answered(heard, now);
        }
        let turns: Vec<_> = (0..5).map(|_| arrive()).collect();
        assert!(gate.lock_as_it_is().in_flight() < 5, "they have tickets");
        assert_eq!(gate.lock().in_flight(), 5);
        drop(turns);
        assert_eq!(gate.lock().in_flight(), 0);
    }
}
