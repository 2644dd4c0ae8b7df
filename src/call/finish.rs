//! What the caller gets, and what is reported to it.

use std::borrow::Cow;

use http::{Response, Version};

use super::{Call, LastOutcome, grpc};
use crate::body::{Replay, ResponseBody};
use crate::error::{BoxError, CostAboveQuota, NoTimer, NotBefore, UnknownCost};
use crate::gate::{ClosedUntil, Rejected};
use crate::inner::Inner;
use crate::scope::Scope;
use crate::telemetry::{Report, ReportSlot, StopReason};
use crate::telemetry::{meter, trace};
use crate::time::{Length, Moment};

/// The reasons of a wait where no gate is closed.
pub(super) const THE_CALLERS_AHEAD: &str = "the callers ahead";
pub(super) const THE_CLIENT: &str = "the client beneath";
const THE_BOUND: &str = "the bound on waiting callers";
const THE_DEADLINE: &str = "the deadline of the call";

impl<S: Inner<B>, B: Replay> Call<S, B> {
    /// Ends the call, because its gate rejects it.
    pub(super) fn reject(
        &mut self,
        why: Rejected,
        scope: Scope,
    ) -> Result<Response<ResponseBody<S::ResponseBody>>, BoxError> {
        match why {
            Rejected::PastDeadline(closed) => {
                let was_over = self.latest() < self.started;
                let or_else = if was_over {
                    THE_DEADLINE
                } else {
                    THE_CALLERS_AHEAD
                };
                self.give_up(closed, or_else, scope)
            }
            Rejected::QueueFull(closed) => self.give_up(closed, THE_BOUND, scope),
            Rejected::CostAboveQuota { cost, limit } => {
                let error = CostAboveQuota { cost, limit, scope };
                self.end_with_error(Box::new(error), Some(StopReason::Permanent), None)
            }
            Rejected::UnknownCost(name) => {
                let error = UnknownCost { name, scope };
                self.end_with_error(Box::new(error), Some(StopReason::Permanent), None)
            }
            Rejected::NoTimer => self.end_without_a_timer(),
        }
    }

    /// Ends the call, because it would have to wait, and there is no runtime.
    pub(super) fn end_without_a_timer(
        &mut self,
    ) -> Result<Response<ResponseBody<S::ResponseBody>>, BoxError> {
        self.end_with_error(Box::new(NoTimer), Some(StopReason::Permanent), None)
    }

    /// Ends the call, because the gate opens later than it can wait.
    pub(super) fn give_up(
        &mut self,
        closed: Option<ClosedUntil>,
        or_else: &'static str,
        scope: Scope,
    ) -> Result<Response<ResponseBody<S::ResponseBody>>, BoxError> {
        self.permit.release();
        self.release_bucket();
        self.stop_waiting();
        let not_before = closed.as_ref().map(|closed| closed.until);
        if let Some(closed) = &closed {
            self.retry_state().decided_by = Some(closed.decided_by.clone());
        }
        let last_outcome = self.retry_state().last_outcome.take();
        match last_outcome.filter(|_| !self.settings.ends_with_not_before) {
            Some(LastOutcome::Stored(kept)) => {
                let response = kept.into_response();
                Ok(self.end(response, Some(StopReason::PatienceExceeded), not_before))
            }
            Some(LastOutcome::Error(error)) => {
                self.end_with_error(error, Some(StopReason::PatienceExceeded), not_before)
            }
            // Nothing was answered, or more than a waiting call keeps.
            Some(LastOutcome::Reading(_)) | None => {
                let is_outage =
                    closed.as_ref().is_some_and(ClosedUntil::is_outage) || self.is_out();
                let error = self.not_before(closed, or_else, scope);
                self.end_with_not_before(error, is_outage, not_before)
            }
        }
    }

    /// Whether the server is known to be out.
    pub(super) fn is_out(&self) -> bool {
        self.permit.gate().is_out(self.settings.clock.now())
    }

    /// Returns the error in place of a response or an error, if the layer ends such calls so.
    pub(super) fn error_for(
        &self,
        reason: Option<StopReason>,
        not_before: Option<Moment>,
    ) -> Option<NotBefore> {
        let is_late = reason == Some(StopReason::PatienceExceeded);
        let until = not_before.filter(|_| is_late && self.settings.ends_with_not_before)?;
        let retry_state = self.retry_state.as_ref();
        let decided_by = retry_state.and_then(|retry_state| retry_state.decided_by.clone());
        let closed = ClosedUntil {
            until,
            decided_by: decided_by.unwrap_or_default(),
        };
        let scope = self.permit.gate().scope().clone();
        Some(self.not_before(Some(closed), THE_CALLERS_AHEAD, scope))
    }

    /// Ends the call with the error, or with the status that says the same to a client of gRPC.
    pub(super) fn end_with_not_before(
        &mut self,
        error: NotBefore,
        is_outage: bool,
        not_before: Option<Moment>,
    ) -> Result<Response<ResponseBody<S::ResponseBody>>, BoxError> {
        let reason = Some(StopReason::PatienceExceeded);
        if !self.settings.policy.is_grpc(&self.outgoing.head()) {
            return self.end_with_error(Box::new(error), reason, not_before);
        }
        let mut response = Response::new(ResponseBody::empty());
        *response.headers_mut() = grpc::refusal(&error, is_outage);
        *response.version_mut() = Version::HTTP_2;
        response.extensions_mut().insert(error);
        Ok(self.end(response, reason, not_before))
    }

    fn not_before(
        &self,
        closed: Option<ClosedUntil>,
        or_else: &'static str,
        scope: Scope,
    ) -> NotBefore {
        let now = self.settings.clock.now();
        let moment = closed.as_ref().map_or(now, |closed| closed.until);
        NotBefore {
            moment: self.settings.clock.wall_at(moment),
            wait: moment.since(now),
            scope,
            decided_by: closed.map_or(Cow::Borrowed(or_else), |closed| closed.decided_by),
        }
    }

    pub(super) fn end(
        &mut self,
        mut response: Response<ResponseBody<S::ResponseBody>>,
        reason: Option<StopReason>,
        not_before: Option<Moment>,
    ) -> Response<ResponseBody<S::ResponseBody>> {
        if let Some(hold) = self.permit.take_concurrency_permit() {
            response.body_mut().hold_permit(hold);
        }
        if let Some(report) = self.report(reason, not_before) {
            response.extensions_mut().insert(report);
        }
        response
    }

    pub(super) fn end_with_error(
        &mut self,
        error: BoxError,
        reason: Option<StopReason>,
        not_before: Option<Moment>,
    ) -> Result<Response<ResponseBody<S::ResponseBody>>, BoxError> {
        self.permit.release();
        self.release_bucket();
        self.report(reason, not_before);
        Err(error)
    }

    /// Reports what happened, if anything did; also into the slot that the caller left.
    fn report(&mut self, reason: Option<StopReason>, not_before: Option<Moment>) -> Option<Report> {
        let slot = self.outgoing.head.extensions.get::<ReportSlot>();
        let waited = self
            .retry_state
            .as_ref()
            .is_some_and(|retry_state| retry_state.progress.waited != Length::default());
        if reason.is_none() && self.outgoing.attempts() <= 1 && !waited && slot.is_none() {
            return None;
        }
        let mut report = Report {
            attempts: self.outgoing.attempts(),
            stop_reason: reason,
            not_before: not_before.map(|moment| {
                let clock = &self.settings.clock;
                (clock.wall_at(moment), moment.since(clock.now()))
            }),
            ..Report::default()
        };
        if let Some(retry_state) = &self.retry_state {
            report.waited = retry_state.progress.waited.duration();
            report.decided_by = retry_state.decided_by.clone();
        }
        if let Some(slot) = slot {
            slot.fill(report.clone());
        }
        if let Some(reason) = reason {
            let scope = self.permit.gate().scope();
            meter::on_stop(scope, reason);
            trace::on_stop(scope, self.outgoing.attempts(), reason);
        }
        Some(report)
    }
}
