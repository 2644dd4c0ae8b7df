//! When a call goes again, if it does.

use std::time::Duration;

use http::{Request, Response, StatusCode};
use http_body::Body;
use tower_service::Service;

use super::Call;
use super::verdict::decided_by;
use crate::backoff::{Backoff, upward};
use crate::body::Replay;
use crate::clock::later;
use crate::error::BoxError;
use crate::gate::Suspicion;
use crate::hint::Hint;
use crate::moment::{Length, Moment};
use crate::patience::{Deadline, Patience};
use crate::policy::{Ruling, Verdict};
use crate::report::StopReason;
use crate::settings::Settings;

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
        heard: Moment,
    ) -> Plan {
        match verdict.ruling() {
            Ruling::Accept => Plan::End(None, None),
            Ruling::Refuse if verdict.is_not_safe() => Plan::End(Some(StopReason::NotSafe), None),
            Ruling::Refuse => Plan::End(Some(StopReason::Final), None),
            _ if given_up.is_some() => Plan::End(given_up, None),
            _ if self.message.body.is_none() => {
                Plan::End(Some(StopReason::BodyNotReplayable), opens)
            }
            Ruling::Retry if self.backs_off_longer(verdict.hint()) => {
                self.plan_by_backoff(opens, heard)
            }
            _ => self.plan_by_server(verdict.hint(), opens, heard),
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
        if self.message.renew(replay) {
            plan
        } else {
            Plan::End(Some(StopReason::BodyNotReplayable), opens)
        }
    }

    /// Whether it is the call's own backoff that times a retry: nobody named a wait, or one so short
    /// that it makes no difference.
    fn backs_off_longer(&mut self, hint: Option<&Hint>) -> bool {
        let backoff = self.settings.backoff;
        let retries = self.rare().retries;
        hint.is_none_or(|hint| hint.wait() < backoff.unspread(retries))
    }

    /// The server or the gate says when. Never before; and never before the call's own backoff,
    /// which grows with every refusal, so that "now" for ever makes no loop.
    fn plan_by_server(
        &mut self,
        hint: Option<&Hint>,
        opens: Option<Moment>,
        heard: Moment,
    ) -> Plan {
        let named = hint.map(|hint| {
            let wait = hint.wait();
            later(
                heard,
                wait.saturating_add(upward(wait, self.settings.dice.roll())),
            )
        });
        let (backoff, usual) = (self.settings.backoff, Backoff::default());
        let rare = self.rare();
        // However small a backoff is set: it serves failures, and this is a refusal.
        let own = backoff
            .unspread(rare.refusals)
            .max(usual.unspread(rare.refusals));
        let own = later(heard, own);
        rare.refusals = rare.refusals.saturating_add(1);
        let next = opens.or(named).unwrap_or(heard).max(own);
        self.within(self.patience().refusals, next)
    }

    /// Nobody says when: exponential backoff, out of the budget.
    fn plan_by_backoff(&mut self, opens: Option<Moment>, heard: Moment) -> Plan {
        let Settings {
            max_retries,
            backoff,
            budget,
            ..
        } = *self.settings;
        let roll = self.settings.dice.roll();
        if self.rare().retries >= max_retries {
            return Plan::End(Some(StopReason::RetriesExhausted), None);
        }
        if let Some(suspicion) = self.turn.suspends(heard) {
            return self.plan_by_outage(suspicion, roll, heard);
        }
        let rare = self.rare();
        let wait = backoff.wait(rare.retries, rare.backed_off.duration(), roll);
        let gated = rare.gated.duration();
        let patience = self.failure_patience(gated);
        let next = later(heard, wait).max(opens.unwrap_or(heard));
        let plan = self.within(patience, next);
        if matches!(plan, Plan::Again(_)) {
            let Some(receipt) = self.turn.pay(budget, heard) else {
                return Plan::End(Some(StopReason::BudgetExhausted), None);
            };
            let rare = self.rare();
            rare.retries += 1;
            rare.backed_off = Length::of(wait);
            rare.backs_off_until = Some(next);
            rare.receipt = Some(receipt);
        }
        plan
    }

    /// The whole scope fails: the gate says when, and it costs a retry, but no budget: the gate
    /// bounds the load.
    fn plan_by_outage(&mut self, suspicion: Suspicion, roll: u64, heard: Moment) -> Plan {
        let backoff = self.settings.backoff;
        let own = later(heard, backoff.unspread(self.rare().retries));
        let next = match suspicion {
            Suspicion::Open(probe) => own.max(probe),
            Suspicion::Until(_) => own.max(later(heard, look_again(roll))),
        };
        self.rare().suspended = matches!(suspicion, Suspicion::Until(_));
        let gated = self.rare().gated.duration();
        let patience = self.failure_patience(gated);
        let plan = self.within(patience, next);
        // All of this wait is on account of failures, however long the gate makes it.
        let rare = self.rare();
        rare.backs_off_until = Some(later(next, Duration::MAX));
        rare.retries += 1;
        plan
    }

    /// Ends the call now if the next moment lies beyond its patience.
    fn within(&mut self, patience: Duration, next: Moment) -> Plan {
        let latest = self.until(patience);
        if next > latest {
            return Plan::End(Some(StopReason::PatienceExceeded), Some(next));
        }
        let rare = self.rare();
        rare.latest = rare.latest.max(Some(latest));
        Plan::Again(next)
    }

    /// What the gate took uses up no patience with failures, but never is there more than for all.
    fn failure_patience(&self, gated: Duration) -> Duration {
        let Patience { refusals, failures } = self.patience();
        failures.saturating_add(gated).min(failures.max(refusals))
    }

    fn patience(&self) -> Patience {
        let said = self.message.head.extensions.get::<Patience>();
        *said.unwrap_or(&self.settings.patience)
    }

    fn until(&self, patience: Duration) -> Moment {
        let latest = later(self.started, patience);
        match self.message.head.extensions.get::<Deadline>() {
            Some(deadline) => latest.min(deadline.moment()),
            None => latest,
        }
    }

    /// The last moment at which this call may start an attempt.
    pub(super) fn latest(&self) -> Moment {
        let usual = self.until(self.patience().refusals);
        let known = self.rare.as_ref().and_then(|rare| rare.latest);
        known.map_or(usual, |latest| latest.max(usual))
    }

    /// The last moment at which it may, if the gate is shut because the server is out.
    pub(super) fn latest_in_an_outage(&self) -> Moment {
        let gated = self
            .rare
            .as_ref()
            .map_or(Duration::ZERO, |rare| rare.gated.duration());
        self.until(self.failure_patience(gated))
    }

    pub(super) fn note_what_decided(
        &mut self,
        plan: &Plan,
        verdict: &Verdict,
        status: Option<StatusCode>,
    ) {
        if matches!(plan, Plan::Again(_) | Plan::End(_, Some(_))) {
            self.rare().decided_by = Some(decided_by(verdict, status));
        }
    }
}

/// How long a retry waits until it looks whether the scope is still suspected to be out.
pub(super) fn look_again(roll: u64) -> Duration {
    const LEAST: Duration = Duration::from_secs(1);
    LEAST + LEAST.mul_f64(roll as f64 / u64::MAX as f64)
}
