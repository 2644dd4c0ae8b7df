//! The circuit breaker of a gate.
//!
//! One failure is a call's own affair. Five in a row, over at least a second, while no call of the scope was served
//! in the last ten seconds, open the breaker: one probe at growing intervals asks whether the server is back, and
//! when it is, the rate ramps up from a few calls a second. A broken route never opens it while the good ones are
//! served; and where those are called rarely, a call to a path that has not failed is a probe at once.

mod refused_paths;
mod shedding_paths;

pub(crate) use refused_paths::RefusedPaths;
pub(crate) use shedding_paths::SheddingPaths;

use crate::retry::CircuitBreaker;
use crate::time::Moment;
use std::time::Duration;

const FIRST_INTERVAL: Duration = Duration::from_secs(1);
const LONGEST_INTERVAL: Duration = Duration::from_secs(8);
/// A probe that is not answered for this long is followed by another.
const SILENCE: Duration = Duration::from_secs(10);
/// If eight paths have failed, it is the server and no route.
const PATHS: usize = 8;
/// At each probe, up to 16 calls to the path that failed last let others go first.
const STEPS_BACK: u32 = 16;

/// A hash of the path of a request, in which ids are all the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PathHash(pub(crate) u32);

impl PathHash {
    /// The path of a call for which it does not matter.
    pub(crate) const UNKNOWN: Self = Self(0);
}

/// What a retry has to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BreakerState {
    /// The breaker is open: the next probe goes then.
    Open(Moment),
    /// It opens then, unless a call is served before.
    SuspectedUntil(Moment),
}

/// What has failed lately; usually nothing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Breaker {
    failures: Option<Box<Failures>>,
    breaker: Option<Box<CircuitBreaker>>,
}

#[derive(Clone, Debug, Default)]
struct Failures {
    in_a_row: u32,
    first: Option<Moment>,
    out: Option<Suspected>,
}

/// A suspected outage, from the fifth failure on.
#[derive(Clone, Debug)]
struct Suspected {
    /// From then on all calls wait for a probe. Before, it may be a hiccup, or one broken route.
    opens: Moment,
    /// Whether a failure after that has made it certain.
    sure: bool,
    interval: Duration,
    probe_at: Moment,
    /// The paths that have failed, the last one last.
    failed: Vec<PathHash>,
    /// When a call on a path that has not failed was sent, while it is in flight.
    other_path: Option<Moment>,
    steps_back: u32,
}

impl Breaker {
    /// A breaker with a setting of its own, if that is not the default.
    pub(crate) fn with(breaker: CircuitBreaker) -> Self {
        let own = (breaker != CircuitBreaker::default()).then(|| Box::new(breaker));
        Self {
            failures: None,
            breaker: own,
        }
    }

    /// Forgets what has failed.
    pub(crate) fn reopen(&mut self) {
        self.failures = None;
    }

    /// Whether nothing has failed lately: the rule.
    #[inline]
    pub(crate) fn is_calm(&self) -> bool {
        self.failures.is_none()
    }

    /// From when one more call may go.
    #[inline]
    pub(crate) fn next(&self, now: Moment) -> Moment {
        let failures = self.failures.as_ref();
        failures.map_or(now, |failures| failures.next(now))
    }

    /// Whether it is an outage and not a hiccup.
    pub(crate) fn is_sure(&self, now: Moment) -> bool {
        self.out(now).is_some_and(|out| out.sure)
    }

    fn out(&self, now: Moment) -> Option<&Suspected> {
        let out = self.failures.as_ref()?.out.as_ref()?;
        Some(out).filter(|out| now >= out.opens)
    }

    /// Whether the server seems to be out, and until when retries have to wait then.
    pub(crate) fn suspicion(&self, now: Moment) -> Option<BreakerState> {
        let out = self.failures.as_ref()?.out.as_ref()?;
        Some(if now >= out.opens {
            BreakerState::Open(out.probe_at)
        } else {
            BreakerState::SuspectedUntil(out.opens)
        })
    }

    /// Whether a call to this path may probe at once.
    /// The path has not failed, and no other such call is in flight.
    pub(crate) fn is_probe_at_once(&self, path: PathHash, now: Moment) -> bool {
        let unanswered = |since: Moment| now < since + SILENCE;
        let fresh = |out: &Suspected| out.failed.len() < PATHS && !out.failed.contains(&path);
        let may = |out: &Suspected| fresh(out) && !out.other_path.is_some_and(unanswered);
        self.out(now).is_some_and(may)
    }

    /// Notes that a call to a path that has not failed is sent.
    pub(crate) fn probe_at_once(&mut self, now: Moment) {
        let out = self
            .failures
            .as_mut()
            .and_then(|failures| failures.out.as_mut());
        if let Some(out) = out {
            out.other_path = Some(now);
        }
    }

    /// Dates a probe anew that is sent only now.
    pub(crate) fn on_late_send(&mut self, sent: Moment, now: Moment) {
        let failures = self.failures.as_mut();
        if let Some(out) = failures.and_then(|failures| failures.out.as_mut()) {
            out.other_path = out.other_path.map(|at| if at == sent { now } else { at });
        }
    }

    /// Whether a call to this path lets the others go first: it is the path that failed last.
    pub(crate) fn should_yield(&mut self, path: PathHash, now: Moment) -> bool {
        let out = self
            .failures
            .as_mut()
            .and_then(|failures| failures.out.as_mut());
        let Some(out) = out.filter(|out| out.is_half_open(now)) else {
            return false;
        };
        let steps = out.failed.last() == Some(&path) && out.steps_back < STEPS_BACK;
        out.steps_back += u32::from(steps);
        steps
    }

    #[inline]
    pub(crate) fn on_admit(&mut self, now: Moment) {
        if let Some(failures) = &mut self.failures {
            failures.on_admit(now);
        }
    }

    /// Notes a failure of a call to this path that was sent then. `served` is when a call was served last.
    pub(crate) fn on_failure(&mut self, path: PathHash, sent: Moment, served: Moment, now: Moment) {
        let breaker = self.breaker.as_deref().copied().unwrap_or_default();
        let Some(threshold) = breaker.failures else {
            return;
        };
        let failures = self.failures.get_or_insert_default();
        let opens = served + breaker.served_within;
        failures.on_failure(path, sent, now);
        failures.suspect(threshold, breaker.lasting, path, opens, now);
    }

    /// Notes that a call says nothing about the server, or was dropped.
    /// Another one may probe.
    pub(crate) fn on_cancel(&mut self, sent: Moment) {
        if let Some(failures) = &mut self.failures {
            failures.on_cancel(sent);
        }
    }

    /// Notes that a call was served, or refused: the server works.
    /// Returns whether that ends an outage.
    #[inline]
    pub(crate) fn on_answer(&mut self) -> bool {
        let failures = self.failures.take();
        failures.is_some_and(|failures| failures.out.is_some_and(|out| out.sure))
    }
}

impl Failures {
    /// From when one more call may go.
    fn next(&self, now: Moment) -> Moment {
        let out = self.out.as_ref().filter(|out| now >= out.opens);
        out.map_or(now, |out| out.probe_at)
    }

    fn on_admit(&mut self, now: Moment) {
        if let Some(out) = self.out.as_mut().filter(|out| now >= out.opens) {
            out.probe_at = now + SILENCE;
            out.steps_back = 0;
        }
    }

    fn on_failure(&mut self, path: PathHash, sent: Moment, now: Moment) {
        self.in_a_row = self.in_a_row.saturating_add(1);
        self.first.get_or_insert(now);
        let Some(out) = &mut self.out else {
            return;
        };
        out.note(path);
        // Calls that were in flight before it opened say nothing new.
        if now >= out.opens && sent >= out.opens {
            out.interval = (out.interval * 2).min(LONGEST_INTERVAL);
            out.probe_at = now + out.interval;
            out.sure = true;
        }
    }

    /// Suspects an outage after this many failures in a row.
    fn suspect(
        &mut self,
        threshold: u32,
        lasting: Duration,
        path: PathHash,
        opens: Moment,
        now: Moment,
    ) {
        if self.in_a_row < threshold || self.out.is_some() {
            return;
        }
        let first = self.first.unwrap_or(now);
        let opens = (first + lasting).max(opens).max(now);
        self.out = Some(Suspected {
            opens,
            sure: false,
            interval: FIRST_INTERVAL / 2,
            probe_at: opens,
            failed: vec![path],
            other_path: None,
            steps_back: 0,
        });
    }

    fn on_cancel(&mut self, sent: Moment) {
        let Some(out) = &mut self.out else {
            return;
        };
        if out.other_path == Some(sent) {
            out.other_path = None;
        } else if sent >= out.opens {
            out.probe_at = out.probe_at.min(sent + out.interval);
        }
    }
}

impl Suspected {
    /// Whether the breaker is open and a probe may go now.
    fn is_half_open(&self, now: Moment) -> bool {
        now >= self.opens && now >= self.probe_at
    }

    /// Notes that this path has failed, too.
    fn note(&mut self, path: PathHash) {
        self.other_path = None;
        self.failed.retain(|known| *known != path);
        if self.failed.len() == PATHS {
            self.failed.remove(0);
        }
        self.failed.push(path);
    }
}

#[cfg(test)]
mod tests;
