//! One member as its gates, its task and its fleet share it.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::MemberStatus;
use super::state::{MemberState, Standing};
use crate::fleet::ledger::{HearsClosings, LedgerClient};
use crate::fleet::{CallOutcome, CloseReason, GateHandle, Grant, GrantId, Member, ScopeName};
use crate::scope::Scope;
use crate::time::{Clock, Moment};

/// What the gates of a scope, its task and the fleet share.
pub(super) struct SharedMember<L> {
    pub(super) client: Arc<L>,
    pub(super) name: ScopeName,
    pub(super) scope: Scope,
    pub(super) state: Mutex<MemberState>,
    pub(super) gates: Mutex<Vec<GateHandle>>,
    pub(super) changed: Notify,
    pub(super) left: Notify,
    pub(super) is_running: AtomicBool,
    /// How many gates have this member.
    pub(super) users: AtomicUsize,
    pub(super) timeout: Duration,
}

/// The member of one gate.
pub(super) struct LeasingMember<L: LedgerClient>(pub(super) Arc<SharedMember<L>>);

impl<L: LedgerClient> SharedMember<L> {
    pub(super) fn state(&self) -> MutexGuard<'_, MemberState> {
        lock(&self.state)
    }

    /// Adds a gate, unless the last one is gone: then the member leaves.
    pub(super) fn try_use(&self) -> bool {
        let one_more = |users| (users > 0).then_some(users + 1);
        let users = &self.users;
        users
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more)
            .is_ok()
    }

    /// Tells the state something, and the task if an exchange is due for that.
    pub(super) fn tell<T>(&self, tell: impl FnOnce(&mut MemberState, Moment) -> T) -> T {
        let now = Clock::default().now();
        let mut state = self.state();
        let told = tell(&mut state, now);
        let is_due = state.is_exchange_due(now);
        let wakes_gates = std::mem::take(&mut state.wakes_gates);
        drop(state);
        if wakes_gates {
            self.wake_gates();
        }
        if is_due {
            self.changed.notify_one();
        }
        told
    }

    pub(super) fn status(&self, now: Moment) -> MemberStatus {
        let state = self.state();
        MemberStatus {
            scope: self.scope.clone(),
            members: state.known.members,
            alone_for: match state.standing {
                Standing::Alone(alone) => Some(now.since(alone.since)),
                Standing::Joining | Standing::Leased | Standing::Left => None,
            },
            free: state.known.free,
        }
    }
}

impl<L: LedgerClient> HearsClosings for SharedMember<L> {
    fn on_closing(&self, closed_for: Duration) {
        self.tell(|state, now| state.on_foreign_close(closed_for, now));
    }
}

impl<L: LedgerClient> Member for LeasingMember<L> {
    fn admit(&self, cost: u32) -> Grant {
        let (grant, has_left) = self.0.tell(|state, now| {
            state.note_clocks(Clock::default().uptime_and_wall());
            let grant = state.admit(cost, now);
            (grant, state.standing == Standing::Left)
        });
        // Its runtime may have ended.
        if !has_left && !self.0.is_running.load(Ordering::Acquire) {
            self.0.run();
        }
        grant
    }

    fn on_late_send(&self, grant: GrantId) {
        self.0.tell(|state, now| state.on_late_send(grant, now));
    }

    fn on_return(&self, grant: GrantId) {
        self.0.tell(|state, now| state.on_return(grant, now));
    }

    fn on_outcome(&self, grant: Option<GrantId>, outcome: &CallOutcome) {
        self.0.tell(|state, now| {
            if outcome.counter.is_some() {
                state.note_clocks(Clock::default().uptime_and_wall());
            }
            state.on_outcome(grant, outcome, now);
        });
    }

    fn on_body_end(&self, grant: GrantId) {
        self.0.tell(|state, now| state.on_body_end(grant, now));
    }

    fn on_reopen(&self) {
        self.0.tell(|state, now| {
            state.note_clocks(Clock::default().uptime_and_wall());
            state.on_reopen(now);
        });
        // The gates of other layers hold what their own calls have heard.
        self.0.each_gate(GateHandle::reopen);
    }

    fn on_close(&self, closed_for: Duration, reason: CloseReason) {
        self.0.tell(|state, now| {
            state.note_clocks(Clock::default().uptime_and_wall());
            state.on_close(closed_for, reason, now);
        });
    }
}

impl<L: LedgerClient> Drop for LeasingMember<L> {
    fn drop(&mut self) {
        if self.0.users.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.begin_to_leave();
        }
    }
}

/// Nothing under the locks here can panic halfway.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
