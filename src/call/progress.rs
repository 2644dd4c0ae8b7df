//! When a call goes again, if it does: its retries, waits and deadlines.
//! Pure: told the time and the random bits.

use std::time::Duration;

use super::given_up::GivenUp;
use crate::gate::BreakerState;
use crate::policy::{Ruling, Verdict};
use crate::retry::Patience;
use crate::retry::{Backoff, positive_jitter};
use crate::telemetry::StopReason;
use crate::time::later;
use crate::time::{Length, Moment};

/// When the call goes again, or why it does not, and from when on it could.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plan {
    Again(Moment),
    End(Option<StopReason>, Option<Moment>),
}

/// What bounds the waits of a call: its own words, or else those of the layer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) started: Moment,
    pub(super) patience: Patience,
    pub(super) deadline: Option<Moment>,
    pub(super) max_retries: u32,
    pub(super) max_refusals: u32,
    pub(super) backoff: Backoff,
}

/// How an attempt ended, as far as the next one depends on it.
#[derive(Debug)]
pub(super) struct Ended<'a> {
    pub(super) verdict: &'a Verdict,
    /// What a layer of this kind further inside has given up on, if one has.
    pub(super) given_up: Option<GivenUp>,
    /// Whether there is a body to send again.
    pub(super) replayable: bool,
    /// When the gate opens, if this attempt has closed it.
    pub(super) opens: Option<Moment>,
    /// When the head of the response arrived, or the failure.
    pub(super) at: Moment,
}

/// What a call asks of its gate before it times a retry by its own backoff.
pub(super) trait RetryGate {
    /// What the circuit breaker makes the retry wait for, if it is open or may open.
    fn suspend_retry(&mut self) -> Option<BreakerState>;
    /// Pays for the retry out of the budget of the scope. Returns whether there was enough.
    fn pay_for_retry(&mut self) -> bool;
}

/// What a call remembers of its attempts and its waits.
#[derive(Debug, Default)]
pub(super) struct Progress {
    pub(super) waited: Length,
    /// How much of that the server or the gate decided: it uses up no patience with failures.
    gated: Length,
    waits_since: Option<Moment>,
    /// The call's own backoff ends then; what it waits beyond is the gate's.
    backs_off_until: Option<Moment>,
    /// Refusals of this call whose wait the server or the gate decided.
    refusals: u32,
    /// Retries that the call timed by its own backoff, and the last of their waits.
    retries: u32,
    backed_off: Length,
    /// No attempt starts later than this, where a response allowed more than the settings do.
    latest: Option<Moment>,
    /// Whether a retry waits because its scope may be out, and looks now and then whether that is so.
    pub(super) suspended: bool,
}

impl Progress {
    /// Says when the call goes again after an attempt that ended so.
    pub(super) fn plan(
        &mut self,
        bounds: &Bounds,
        ended: &Ended<'_>,
        gate: &mut impl RetryGate,
        bits: impl Fn() -> u64,
    ) -> Plan {
        if let Some(end) = ended.final_plan() {
            return end;
        }
        match ended.verdict.ruling() {
            Ruling::Retry if self.backs_off_longer(bounds, ended.verdict) => {
                self.plan_by_backoff(bounds, ended, gate, bits())
            }
            _ => self.plan_by_server(bounds, ended, bits),
        }
    }

    /// Whether the call's own backoff times a retry.
    /// No wait is named, or one so short that it makes no difference.
    fn backs_off_longer(&self, bounds: &Bounds, verdict: &Verdict) -> bool {
        let own = bounds.backoff.without_jitter(self.retries);
        verdict.hint().is_none_or(|hint| hint.wait() < own)
    }

    /// Goes again when the server or the gate says.
    /// Never before the call's own backoff, which grows with every refusal, so that "now" for ever makes no loop.
    fn plan_by_server(
        &mut self,
        bounds: &Bounds,
        ended: &Ended<'_>,
        bits: impl Fn() -> u64,
    ) -> Plan {
        let named = || {
            let wait = ended.verdict.hint()?.wait();
            let jitter = positive_jitter(wait, bits());
            Some(later(ended.at, wait.saturating_add(jitter)))
        };
        // However small a backoff is set: it serves failures, and this is a refusal.
        let own = bounds.backoff.without_jitter(self.refusals);
        let own = own.max(Backoff::default().without_jitter(self.refusals));
        let next = ended.opens.or_else(named).unwrap_or(ended.at);
        let next = next.max(later(ended.at, own));
        if self.refusals >= bounds.max_refusals {
            return Plan::End(Some(StopReason::RefusalsExhausted), Some(next));
        }
        self.refusals = self.refusals.saturating_add(1);
        self.within(bounds, bounds.patience.refusals, next)
    }

    /// Goes again after the call's own exponential backoff, out of the budget.
    fn plan_by_backoff(
        &mut self,
        bounds: &Bounds,
        ended: &Ended<'_>,
        gate: &mut impl RetryGate,
        bits: u64,
    ) -> Plan {
        if self.retries >= bounds.max_retries {
            return Plan::End(Some(StopReason::RetriesExhausted), None);
        }
        if let Some(breaker) = gate.suspend_retry() {
            return self.plan_by_breaker(bounds, ended.at, breaker, bits);
        }
        let last = self.backed_off.duration();
        let wait = bounds.backoff.wait(self.retries, last, bits);
        let next = later(ended.at, wait).max(ended.opens.unwrap_or(ended.at));
        let plan = self.within(bounds, self.failure_patience(bounds), next);
        if matches!(plan, Plan::Again(_)) {
            if !gate.pay_for_retry() {
                return Plan::End(Some(StopReason::BudgetExhausted), None);
            }
            self.retries += 1;
            self.backed_off = Length::of(wait);
            self.backs_off_until = Some(next);
        }
        plan
    }

    /// Goes again when the circuit breaker says.
    /// That costs a retry, but no budget: the gate bounds the load.
    fn plan_by_breaker(
        &mut self,
        bounds: &Bounds,
        at: Moment,
        breaker: BreakerState,
        bits: u64,
    ) -> Plan {
        let own = later(at, bounds.backoff.without_jitter(self.retries));
        let next = match breaker {
            BreakerState::Open(probe) => own.max(probe),
            BreakerState::SuspectedUntil(_) => own.max(later(at, look_again(bits))),
        };
        self.suspended = matches!(breaker, BreakerState::SuspectedUntil(_));
        let plan = self.within(bounds, self.failure_patience(bounds), next);
        // All of this wait is on account of failures, however long the gate makes it.
        self.backs_off_until = Some(later(next, Duration::MAX));
        self.retries += 1;
        plan
    }

    /// Ends the call now if the next moment lies beyond its patience.
    fn within(&mut self, bounds: &Bounds, patience: Duration, next: Moment) -> Plan {
        let latest = bounds.until(patience);
        if next > latest {
            return Plan::End(Some(StopReason::PatienceExceeded), Some(next));
        }
        self.latest = self.latest.max(Some(latest));
        Plan::Again(next)
    }

    /// The patience with failures, plus what the gate took, but never more than for all.
    fn failure_patience(&self, bounds: &Bounds) -> Duration {
        let Patience { refusals, failures } = bounds.patience;
        let gated = self.gated.duration();
        failures.saturating_add(gated).min(failures.max(refusals))
    }

    /// The last moment at which this call may start an attempt.
    pub(super) fn latest(&self, bounds: &Bounds) -> Moment {
        let usual = bounds.until(bounds.patience.refusals);
        self.latest.map_or(usual, |latest| latest.max(usual))
    }

    /// The last moment at which it may, while the server is out.
    pub(super) fn latest_in_an_outage(&self, bounds: &Bounds) -> Moment {
        bounds.until(self.failure_patience(bounds))
    }

    /// A wait begins.
    pub(super) fn begin_wait(&mut self, now: Moment) {
        self.waits_since = Some(now);
    }

    /// A wait is over that began then, or `or_since`: the call is sent, or ends. Returns how long it was.
    pub(super) fn end_wait(&mut self, or_since: Option<Moment>, now: Moment) -> Duration {
        let Some(since) = self.waits_since.take().or(or_since) else {
            return Duration::ZERO;
        };
        let gated_since = self.backs_off_until.take().unwrap_or(since);
        self.waited += now.since(since);
        self.gated += now.since(gated_since);
        now.since(since)
    }
}

impl Ended<'_> {
    /// How the call ends if it cannot go again, whatever else happened to it.
    pub(super) fn final_plan(&self) -> Option<Plan> {
        let (reason, not_before) = match self.verdict.ruling() {
            Ruling::Accept => (None, None),
            Ruling::Refuse if self.verdict.is_not_safe() => (Some(StopReason::NotSafe), None),
            Ruling::Refuse if self.verdict.is_permanent() => (Some(StopReason::Permanent), None),
            Ruling::Refuse => (Some(StopReason::Final), None),
            Ruling::Retry | Ruling::Throttled => match &self.given_up {
                Some(given_up) => (Some(given_up.reason), given_up.not_before(self.opens)),
                None if !self.replayable => (Some(StopReason::BodyNotReplayable), self.opens),
                None => return None,
            },
        };
        Some(Plan::End(reason, not_before))
    }
}

impl Bounds {
    /// The last moment of a wait that this much patience allows.
    fn until(&self, patience: Duration) -> Moment {
        let latest = later(self.started, patience);
        self.deadline
            .map_or(latest, |deadline| latest.min(deadline))
    }
}

/// How long a retry waits until it looks whether the scope is still suspected to be out.
pub(super) fn look_again(bits: u64) -> Duration {
    const LEAST: Duration = Duration::from_secs(1);
    LEAST + LEAST.mul_f64(bits as f64 / u64::MAX as f64)
}

#[cfg(test)]
mod tests;
