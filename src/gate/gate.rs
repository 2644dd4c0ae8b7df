//! The gate of one scope: a lock around its core and its waiters, and whom each step wakes.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
#[cfg(not(all(test, model)))]
use std::sync::{Mutex, MutexGuard};
use std::sync::{OnceLock, PoisonError};
use std::task::Waker;

#[cfg(all(test, model))]
use shuttle::sync::{Mutex, MutexGuard};

use super::core::{
    Admitted, Closed, ClosedUntil, Closing, Completion, Core, GateConfig, LowWindow, Need, OpensAt,
    Outcome, PathHash, ProvisionalId,
};
use super::waiters::Waiters;
use crate::fleet::Member;
use crate::scope::Scope;
use crate::time::Moment;

/// What is seen of a gate under its lock.
pub(super) type Locked<'a> = MutexGuard<'a, Guarded>;

/// One rate limiter and circuit breaker, shared by all calls of a scope.
///
/// A std mutex: it is held for a few dozen instructions, never across an await, and no code of a
/// user runs under it. Wakers are called when it is free again.
#[repr(C)] // what every call touches lies together, beside the count of the `Arc`
pub(crate) struct Gate {
    scope: Scope,
    guarded: Mutex<Guarded>,
    /// Whether the path of a served call has to be told.
    watches_paths: AtomicBool,
    /// Whether the last response that was looked at had a counter.
    counts: AtomicBool,
    /// A hash of the quotas that were declared, and the layer that declared them.
    declared: u64,
    layer: usize,
    /// Whether the quotas of another layer were compared with these.
    was_compared: AtomicBool,
    /// Whether it was said that the unit of `Retry-After` is in doubt here.
    was_unit_doubted: AtomicBool,
    /// Whether little was left of its published quota when that was last said.
    is_low: AtomicBool,
    /// Whether little is left of a declared quota, and that was perhaps not said yet.
    has_low_news: AtomicBool,
    /// Its member of a fleet, which is asked without the lock.
    pub(super) member: OnceLock<Box<dyn Member>>,
    /// How often the member has woken the gate.
    pub(super) wakes: AtomicU32,
}

/// What the lock of a gate protects.
/// Each step asks the core first, and then says which waiting calls to wake.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Guarded {
    pub(super) waiters: Waiters<Waker>,
    pub(super) core: Core,
}

/// Wakers to call, and one to drop, when the lock is free again: both may run code of a user.
#[must_use = "waiting calls have to be woken"]
#[derive(Debug, Default)]
pub(super) struct WakeList {
    pub(super) first: Option<Waker>,
    pub(super) others: Vec<Waker>,
    pub(super) drop: Option<Waker>,
}

impl WakeList {
    pub(super) fn and(mut self, others: Vec<Waker>) -> Self {
        self.others.extend(others);
        self
    }

    /// Wakes them. Must not be called under the lock.
    #[inline]
    pub(super) fn wake(self) {
        if let Some(first) = self.first {
            first.wake();
        }
        self.others.into_iter().for_each(Waker::wake);
        drop(self.drop);
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate")
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

impl Gate {
    pub(crate) fn new(scope: Scope, config: GateConfig<'_>) -> Self {
        Self {
            guarded: Mutex::new(Guarded {
                waiters: Waiters::default(),
                core: Core::new(config),
            }),
            scope,
            declared: config.hash_of_quotas(),
            layer: config.layer,
            was_compared: AtomicBool::new(false),
            was_unit_doubted: AtomicBool::new(false),
            is_low: AtomicBool::new(false),
            has_low_news: AtomicBool::new(false),
            member: OnceLock::new(),
            wakes: AtomicU32::new(0),
            watches_paths: AtomicBool::new(false),
            counts: AtomicBool::new(false),
        }
    }

    /// A gate that no call passes: it stands for one where there is none.
    pub(crate) fn unused() -> Self {
        Self::new(Scope::single(), GateConfig::default())
    }

    #[inline]
    pub(crate) fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Whether the path of a served call has to be told.
    pub(crate) fn watches_paths(&self) -> bool {
        self.watches_paths.load(Ordering::Relaxed)
    }

    /// Whether another layer made the gate, and the quotas of the two were not compared yet.
    #[inline]
    pub(crate) fn is_of_another_layer(&self, layer: usize) -> bool {
        self.layer != layer && !self.was_compared.load(Ordering::Relaxed)
    }

    /// Whether a layer declares other quotas for this scope than the one that made the gate. Compares once.
    pub(crate) fn declares_otherwise(&self, config: GateConfig<'_>) -> bool {
        let is_first = !self.was_compared.swap(true, Ordering::Relaxed);
        is_first && self.declared != config.hash_of_quotas()
    }

    /// Notes that the unit of `Retry-After` is in doubt. Returns whether that is news.
    pub(crate) fn doubt_unit(&self) -> bool {
        !self.was_unit_doubted.swap(true, Ordering::Relaxed)
    }

    /// Whether little was left of the published quota when that was last said.
    #[inline]
    pub(crate) fn is_low(&self) -> bool {
        self.is_low.load(Ordering::Relaxed)
    }

    /// Notes whether little is left of the published quota. Returns whether it is, and that is news.
    pub(crate) fn note_low(&self, is_low: bool) -> bool {
        !self.is_low.swap(is_low, Ordering::Relaxed) && is_low
    }

    /// Notes what the core knows of declared quotas of which little is left.
    pub(super) fn note_low_news(&self, core: &Core) {
        if core.has_low_news() {
            self.has_low_news.store(true, Ordering::Relaxed);
        }
    }

    /// Says what is left of a declared quota of which little is left, once until there is enough again.
    /// Looks under the lock only if a call that has ended noted that there is news.
    pub(crate) fn take_low_news(&self, now: Moment) -> Option<LowWindow> {
        if !self.has_low_news.load(Ordering::Relaxed) {
            return None;
        }
        let news = self.lock().core.take_low_news(now);
        if news.is_none() {
            self.has_low_news.store(false, Ordering::Relaxed);
        }
        news
    }

    /// Whether the server is known to publish counters, so that the next response will have one, too.
    #[inline]
    pub(crate) fn counts(&self) -> bool {
        self.counts.load(Ordering::Relaxed)
    }

    #[inline]
    pub(super) fn set_counts(&self, counts: bool) {
        if self.counts() != counts {
            self.counts.store(counts, Ordering::Relaxed);
        }
    }

    pub(super) fn set_watches_paths(&self, watches: bool) {
        self.watches_paths.store(watches, Ordering::Relaxed);
    }

    /// Whether a bare 503 that this path answers now is a refusal by a limit.
    pub(crate) fn is_shedding(&self, path: PathHash, now: Moment) -> bool {
        self.lock().core.is_shedding(path, now)
    }

    /// The closing that holds now, if it lasts beyond this moment whatever is still to be read.
    pub(crate) fn closed_beyond(&self, latest: Moment, now: Moment) -> Option<ClosedUntil> {
        let gate = self.lock();
        gate.core
            .settled(now)
            .filter(|closed| closed.until > latest)
            .cloned()
    }

    /// Whether the circuit breaker is open.
    pub(crate) fn is_out(&self, now: Moment) -> bool {
        self.lock().core.is_out(now)
    }

    /// Nothing under the lock can panic halfway, so a poisoned one is as good as any.
    #[inline]
    pub(super) fn lock(&self) -> Locked<'_> {
        self.guarded.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Guarded {
    /// Admits a new call if no other waits and nothing keeps it. It is sent at once.
    #[inline]
    pub(super) fn try_admit(&mut self, need: Need, now: Moment) -> Option<Admitted> {
        if !self.waiters.is_empty() {
            return None;
        }
        let admitted = self.core.admit(need, 0, now).ok()?;
        self.waiters.on_admit();
        self.core.on_send(need.cost, now);
        Some(admitted)
    }

    pub(super) fn adopt(&mut self, cost: u32, sent: Moment, now: Moment) -> Admitted {
        self.waiters.on_admit();
        self.core.adopt(cost, sent, now)
    }

    pub(super) fn abort(&mut self, admitted: Admitted) -> WakeList {
        self.core.abort(admitted);
        self.wake_first()
    }

    /// Notes that a sent call was dropped.
    pub(super) fn cancel(&mut self, admitted: Admitted) -> WakeList {
        let others_wait = !self.waiters.is_empty();
        let cancelled = Completion::plain(Outcome::Cancelled);
        let now = Moment::START; // nothing that is counted depends on when it was
        self.core.complete(admitted, cancelled, others_wait, now);
        self.wake_first()
    }

    /// Notes how a call ended, and returns the waker of the next one. A gate that is closed does not open for that.
    #[inline]
    #[must_use = "the waiting call has to be woken"]
    pub(super) fn complete(
        &mut self,
        admitted: Admitted,
        completion: Completion,
        now: Moment,
    ) -> Option<Waker> {
        let others_wait = !self.waiters.is_empty();
        self.core.complete(admitted, completion, others_wait, now);
        if !others_wait || self.core.closed(now).is_some() {
            return None;
        }
        self.waiters.first()
    }

    pub(super) fn release_concurrency(&mut self) -> WakeList {
        self.core.release_concurrency();
        self.wake_first()
    }

    /// Closes the gate; calls whose patience ends before it opens are told at once.
    pub(super) fn close(
        &mut self,
        sent_under: u16,
        closing: Closing,
        bits: u64,
    ) -> (OpensAt, WakeList) {
        let Closed { opens, is_new } = self.core.close(sent_under, closing, bits);
        let mut wake = self.wake_expiring();
        if is_new {
            // What it has waited for may have ended later than this.
            wake.first = self.waiters.first();
        }
        (opens, wake)
    }

    /// Closes the gate by the head of a response. No call is rejected for that yet.
    pub(super) fn close_provisionally(
        &mut self,
        sent_under: u16,
        closing: Closing,
        bits: u64,
    ) -> ProvisionalId {
        self.waiters.reset_stalled();
        self.core.close_provisionally(sent_under, closing, bits)
    }

    pub(super) fn resolve(
        &mut self,
        id: ProvisionalId,
        closing: Option<Closing>,
        now: Moment,
    ) -> (Option<OpensAt>, WakeList) {
        let closed_until = |core: &Core| core.closed(now).map(|closed| closed.until);
        let before = closed_until(&self.core);
        let opens = self.core.resolve(id, closing, now);
        let mut wake = self.wake_expiring();
        if closed_until(&self.core) < before {
            // Waiting calls believe that it opens when the head said: those that look after the others have to know.
            wake.others.extend(self.waiters.timer_holders());
        }
        wake.first = self.waiters.first();
        (opens, wake)
    }

    pub(super) fn confirm(&mut self, id: ProvisionalId) -> WakeList {
        self.core.confirm(id);
        let first = self.waiters.first();
        WakeList {
            first,
            ..self.wake_expiring()
        }
    }

    /// Opens the gate. Every waiting call believes that it opens much later, so all are woken.
    pub(super) fn reopen(&mut self) -> WakeList {
        self.core.reopen();
        WakeList {
            others: self.waiters.all(),
            ..WakeList::default()
        }
    }

    pub(super) fn wake_first(&self) -> WakeList {
        WakeList {
            first: self.waiters.first(),
            ..WakeList::default()
        }
    }

    /// Those whose patience ends before the gate opens.
    fn wake_expiring(&mut self) -> WakeList {
        self.waiters.reset_stalled();
        let opens = self.core.last_settled();
        let others = opens.map(|opens| self.waiters.expiring_before(opens));
        WakeList {
            others: others.unwrap_or_default(),
            ..WakeList::default()
        }
    }

    pub(super) fn is_idle(&mut self, now: Moment) -> bool {
        self.waiters.is_empty() && self.core.is_idle(now)
    }
}
