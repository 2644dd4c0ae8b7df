//! A rate limiter that refuses when it is told to.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Decides about each call, and counts. Clones share their state.
#[derive(Clone, Debug, Default)]
pub struct Limiter(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// How many of the next calls are refused, and the wait that they are told, in seconds.
    refuse: (usize, u64),
    quota: Option<Quota>,
    calls: usize,
    refusals: usize,
    /// No call may come before this moment.
    closed_until: Option<Instant>,
    early: usize,
}

#[derive(Debug)]
struct Quota {
    limit: usize,
    window: Duration,
    begun: Instant,
    used: usize,
}

/// What is done about a call.
#[derive(Clone, Copy, Debug)]
pub enum Decision {
    /// It is served, and told what is left of the quota.
    Serve(Option<Published>),
    /// It is refused, and told to wait this many seconds.
    Refuse(u64),
}

/// What is left of a quota.
#[derive(Clone, Copy, Debug)]
pub struct Published {
    /// How many calls a window takes.
    pub limit: usize,
    /// How many of them are left.
    pub remaining: usize,
    /// When the next window begins, in seconds, rounded up.
    pub reset: u64,
}

impl Limiter {
    /// Refuses the next calls, and names a wait.
    pub fn refuse(&self, calls: usize, retry_after_seconds: u64) {
        self.state().refuse = (calls, retry_after_seconds);
    }

    /// Allows so much in each window from now on, and publishes what is left.
    pub fn publish(&self, limit: usize, window: Duration) {
        self.state().quota = Some(Quota {
            limit,
            window,
            begun: Instant::now(),
            used: 0,
        });
    }

    /// Returns how many calls have arrived.
    pub fn calls(&self) -> usize {
        self.state().calls
    }

    /// Returns how many calls were refused.
    pub fn refusals(&self) -> usize {
        self.state().refusals
    }

    /// Returns how many calls arrived before a wait was over that an earlier answer named.
    pub fn early_calls(&self) -> usize {
        self.state().early
    }

    /// Decides about a call that arrives now.
    pub fn decide(&self) -> Decision {
        let mut state = self.state();
        let now = Instant::now();
        state.calls += 1;
        state.early += usize::from(state.closed_until.is_some_and(|until| now < until));
        let decision = match state.refuse {
            (0, _) => state
                .quota
                .as_mut()
                .map_or(Decision::Serve(None), |quota| quota.spend(now)),
            (left, wait) => {
                state.refuse = (left - 1, wait);
                Decision::Refuse(wait)
            }
        };
        if let Decision::Refuse(wait) = decision {
            state.refusals += 1;
            state.closed_until = Some(now + Duration::from_secs(wait));
        }
        decision
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Quota {
    fn spend(&mut self, now: Instant) -> Decision {
        if now >= self.begun + self.window {
            (self.begun, self.used) = (now, 0);
        }
        let left = (self.begun + self.window).saturating_duration_since(now);
        let reset = left.as_secs() + u64::from(left.subsec_nanos() > 0);
        self.used += 1;
        if self.used > self.limit {
            return Decision::Refuse(reset);
        }
        Decision::Serve(Some(Published {
            limit: self.limit,
            remaining: self.limit - self.used,
            reset,
        }))
    }
}
