//! The gate of one scope: a lock around its state.

use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, Ordering};
#[cfg(not(all(test, model)))]
use std::sync::{Mutex, MutexGuard};

#[cfg(all(test, model))]
use shuttle::sync::{Mutex, MutexGuard};

use super::state::State;
use super::words::Facts;
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

    /// Nothing under the lock can panic halfway, so a poisoned one is as good as any.
    #[inline]
    pub(crate) fn lock(&self) -> Locked<'_> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
