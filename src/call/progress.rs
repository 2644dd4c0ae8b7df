//! When a call goes again, if it does.

use std::time::Duration;

use http::{Request, Response, StatusCode};
use http_body::Body;
use tower_service::Service;

use super::Call;
use super::verdict::decided_by;
use crate::body::Replay;
use crate::config::Settings;
use crate::error::BoxError;
use crate::gate::BreakerState;
use crate::hint::Hint;
use crate::policy::{Ruling, Verdict};
use crate::retry::{Backoff, Deadline, Patience, positive_jitter};
use crate::telemetry::StopReason;
use crate::time::{Length, Moment, later};

/// When the call goes again, or why it does not.
pub(super) enum Plan {
    Again(Moment),
    End(Option<StopReason>, Option<Moment>),
}

impl<S, B, R> Call<S, B, R>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    S::Error: Into<BoxError>,
    B: Replay,
    R: Body,
{
    /// When the call goes again, if it does.
    pub(super) fn plan(
        &mut self,
        verdict: &Verdict,
        given_up: Option<StopReason>,
        opens: Option<Moment>,
        received_at: Moment,
    ) -> Plan {
        match verdict.ruling() {
            Ruling::Accept => Plan::End(None, None),
            Ruling::Refuse if verdict.is_not_safe() => Plan::End(Some(StopReason::NotSafe), None),
            Ruling::Refuse => Plan::End(Some(StopReason::Final), None),
            _ if given_up.is_some() => Plan::End(given_up, None),
            _ if self.outgoing.body.is_none() => {
                Plan::End(Some(StopReason::BodyNotReplayable), opens)
            }
            Ruling::Retry if self.backs_off_longer(verdict.hint()) => {
                self.plan_by_backoff(opens, received_at)
            }
            _ => self.plan_by_server(verdict.hint(), opens, received_at),
        }
    }

    /// Goes again only with a body to send: asked for while there is an answer in hand to end with,
    /// not when the wait is over.
    pub(super) fn with_body(
        &mut self,
        plan: Plan,
        replay: impl FnOnce(&B) -> Option<B>,
        opens: Option<Moment>,
    ) -> Plan {
        if matches!(plan, Plan::End(..)) {
            return plan;
        }
        if self.outgoing.renew(replay) {
            plan
        } else {
            Plan::End(Some(StopReason::BodyNotReplayable), opens)
        }
    }

    /// Whether it is the call's own backoff that times a retry: nobody named a wait, or one so short
    /// that it makes no difference.
    fn backs_off_longer(&mut self, hint: Option<&Hint>) -> bool {
        let backoff = self.settings.backoff;
        let retries = self.retry_state().retries;
        hint.is_none_or(|hint| hint.wait() < backoff.without_jitter(retries))
    }

    /// The server or the gate says when. Never before; and never before the call's own backoff,
    /// which grows with every refusal, so that "now" for ever makes no loop.
    fn plan_by_server(
        &mut self,
        hint: Option<&Hint>,
        opens: Option<Moment>,
        received_at: Moment,
    ) -> Plan {
        let named = hint.map(|hint| {
            let wait = hint.wait();
            later(
                received_at,
                wait.saturating_add(positive_jitter(wait, self.settings.rng.bits())),
            )
        });
        let (backoff, default_backoff) = (self.settings.backoff, Backoff::default());
        let retry_state = self.retry_state();
        // However small a backoff is set: it serves failures, and this is a refusal.
        let own = backoff
            .without_jitter(retry_state.refusals)
            .max(default_backoff.without_jitter(retry_state.refusals));
        let own = later(received_at, own);
        retry_state.refusals = retry_state.refusals.saturating_add(1);
        let next = opens.or(named).unwrap_or(received_at).max(own);
        self.within(self.patience().refusals, next)
    }

    /// Nobody says when: exponential backoff, out of the budget.
    fn plan_by_backoff(&mut self, opens: Option<Moment>, received_at: Moment) -> Plan {
        let Settings {
            max_retries,
            backoff,
            budget,
            ..
        } = *self.settings;
        let bits = self.settings.rng.bits();
        if self.retry_state().retries >= max_retries {
            return Plan::End(Some(StopReason::RetriesExhausted), None);
        }
        if let Some(suspicion) = self.permit.suspend_retry(received_at) {
            return self.plan_by_outage(suspicion, bits, received_at);
        }
        let retry_state = self.retry_state();
        let wait = backoff.wait(retry_state.retries, retry_state.backed_off.duration(), bits);
        let gated = retry_state.gated.duration();
        let patience = self.failure_patience(gated);
        let next = later(received_at, wait).max(opens.unwrap_or(received_at));
        let plan = self.within(patience, next);
        if matches!(plan, Plan::Again(_)) {
            let Some(receipt) = self.permit.pay_for_retry(budget, received_at) else {
                return Plan::End(Some(StopReason::BudgetExhausted), None);
            };
            let retry_state = self.retry_state();
            retry_state.retries += 1;
            retry_state.backed_off = Length::of(wait);
            retry_state.backs_off_until = Some(next);
            retry_state.receipt = Some(receipt);
        }
        plan
    }

    /// The whole scope fails: the gate says when, and it costs a retry, but no budget: the gate
    /// bounds the load.
    fn plan_by_outage(&mut self, suspicion: BreakerState, bits: u64, received_at: Moment) -> Plan {
        let backoff = self.settings.backoff;
        let own = later(
            received_at,
            backoff.without_jitter(self.retry_state().retries),
        );
        let next = match suspicion {
            BreakerState::Open(probe) => own.max(probe),
            BreakerState::SuspectedUntil(_) => own.max(later(received_at, look_again(bits))),
        };
        self.retry_state().suspended = matches!(suspicion, BreakerState::SuspectedUntil(_));
        let gated = self.retry_state().gated.duration();
        let patience = self.failure_patience(gated);
        let plan = self.within(patience, next);
        // All of this wait is on account of failures, however long the gate makes it.
        let retry_state = self.retry_state();
        retry_state.backs_off_until = Some(later(next, Duration::MAX));
        retry_state.retries += 1;
        plan
    }

    /// Ends the call now if the next moment lies beyond its patience.
    fn within(&mut self, patience: Duration, next: Moment) -> Plan {
        let latest = self.until(patience);
        if next > latest {
            return Plan::End(Some(StopReason::PatienceExceeded), Some(next));
        }
        let retry_state = self.retry_state();
        retry_state.latest = retry_state.latest.max(Some(latest));
        Plan::Again(next)
    }

    /// What the gate took uses up no patience with failures, but never is there more than for all.
    fn failure_patience(&self, gated: Duration) -> Duration {
        let Patience { refusals, failures } = self.patience();
        failures.saturating_add(gated).min(failures.max(refusals))
    }

    fn patience(&self) -> Patience {
        let said = self.outgoing.head.extensions.get::<Patience>();
        *said.unwrap_or(&self.settings.patience)
    }

    fn until(&self, patience: Duration) -> Moment {
        let latest = later(self.started, patience);
        match self.outgoing.head.extensions.get::<Deadline>() {
            Some(deadline) => latest.min(deadline.moment()),
            None => latest,
        }
    }

    /// The last moment at which this call may start an attempt.
    pub(super) fn latest(&self) -> Moment {
        let cached = self.until(self.patience().refusals);
        let known = self
            .retry_state
            .as_ref()
            .and_then(|retry_state| retry_state.latest);
        known.map_or(cached, |latest| latest.max(cached))
    }

    /// The last moment at which it may, if the gate is shut because the server is out.
    pub(super) fn latest_in_an_outage(&self) -> Moment {
        let gated = self
            .retry_state
            .as_ref()
            .map_or(Duration::ZERO, |retry_state| retry_state.gated.duration());
        self.until(self.failure_patience(gated))
    }

    pub(super) fn note_what_decided(
        &mut self,
        plan: &Plan,
        verdict: &Verdict,
        status: Option<StatusCode>,
    ) {
        if matches!(plan, Plan::Again(_) | Plan::End(_, Some(_))) {
            self.retry_state().decided_by = Some(decided_by(verdict, status));
        }
    }
}

/// How long a retry waits until it looks whether the scope is still suspected to be out.
pub(super) fn look_again(bits: u64) -> Duration {
    const LEAST: Duration = Duration::from_secs(1);
    LEAST + LEAST.mul_f64(bits as f64 / u64::MAX as f64)
}
