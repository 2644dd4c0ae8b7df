//! What the caller gets, and what is reported to it.

use std::borrow::Cow;

use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::{Call, InHand};
use crate::body::{Replay, ResponseBody};
use crate::error::{BoxError, NoTimer, NotBefore, TooDear};
use crate::gate::{Leaves, Shut};
use crate::moment::{Length, Moment};
use crate::report::{Report, ReportSlot, StopReason};
use crate::scope::Scope;
use crate::{meter, trace};

/// What decides where no gate is shut.
pub(super) const THE_CALLERS_AHEAD: &str = "the callers ahead";
const THE_BOUND: &str = "the bound on waiting callers";

impl<S, B, R> Call<S, B, R>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    S::Error: Into<BoxError>,
    B: Replay,
    R: Body,
{
    /// The gate does not let the call through.
    pub(super) fn leave(
        &mut self,
        why: Leaves,
        scope: Scope,
    ) -> Result<Response<ResponseBody<R>>, BoxError> {
        match why {
            Leaves::TooLate(shut) => self.give_up(shut, THE_CALLERS_AHEAD, scope),
            Leaves::Crowded(shut) => self.give_up(shut, THE_BOUND, scope),
            Leaves::TooDear(limit) => {
                let error = TooDear {
                    price: self.turn.price(),
                    limit,
                    scope,
                };
                self.end_with_error(Box::new(error), Some(StopReason::Permanent), None)
            }
            Leaves::NoTimer => self.end_without_a_timer(),
        }
    }

    /// It would have to wait, and there is no runtime.
    pub(super) fn end_without_a_timer(&mut self) -> Result<Response<ResponseBody<R>>, BoxError> {
        self.end_with_error(Box::new(NoTimer), Some(StopReason::Permanent), None)
    }

    /// The gate stays shut for longer than the call can wait.
    pub(super) fn give_up(
        &mut self,
        shut: Option<Shut>,
        or_else: &'static str,
        scope: Scope,
    ) -> Result<Response<ResponseBody<R>>, BoxError> {
        self.turn.give_back();
        self.leave_bucket();
        self.stop_waiting();
        let not_before = shut.as_ref().map(|shut| shut.until);
        if let Some(shut) = &shut {
            self.rare().decided_by = Some(shut.decided_by.clone());
        }
        match self.rare().in_hand.take() {
            Some(InHand::Kept(kept)) => {
                let response = kept.into_response();
                Ok(self.end(response, Some(StopReason::PatienceExceeded), not_before))
            }
            Some(InHand::Error(error)) => {
                self.end_with_error(error, Some(StopReason::PatienceExceeded), not_before)
            }
            // Nothing was answered, or more than a waiting call keeps.
            Some(InHand::Hearing(_)) | None => {
                let error = Box::new(self.not_before(shut, or_else, scope));
                self.end_with_error(error, Some(StopReason::PatienceExceeded), not_before)
            }
        }
    }

    fn not_before(&self, shut: Option<Shut>, or_else: &'static str, scope: Scope) -> NotBefore {
        let now = self.settings.clock.now();
        let moment = shut.as_ref().map_or(now, |shut| shut.until);
        NotBefore {
            moment: self.settings.clock.wall_at(moment),
            wait: moment.since(now),
            scope,
            decided_by: shut.map_or(Cow::Borrowed(or_else), |shut| shut.decided_by),
        }
    }

    pub(super) fn end(
        &mut self,
        mut response: Response<ResponseBody<R>>,
        reason: Option<StopReason>,
        not_before: Option<Moment>,
    ) -> Response<ResponseBody<R>> {
        if let Some(hold) = self.turn.hand_over() {
            response.body_mut().hold(hold);
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
    ) -> Result<Response<ResponseBody<R>>, BoxError> {
        self.turn.give_back();
        self.leave_bucket();
        self.report(reason, not_before);
        Err(error)
    }

    /// What happened, if anything did; also into the slot that the caller left.
    fn report(&mut self, reason: Option<StopReason>, not_before: Option<Moment>) -> Option<Report> {
        let slot = self.message.head.extensions.get::<ReportSlot>();
        let waited = self
            .rare
            .as_ref()
            .is_some_and(|rare| rare.waited != Length::default());
        if reason.is_none() && self.message.attempts() <= 1 && !waited && slot.is_none() {
            return None;
        }
        let mut report = Report {
            attempts: self.message.attempts(),
            stop_reason: reason,
            not_before: not_before.map(|moment| {
                let clock = &self.settings.clock;
                (clock.wall_at(moment), moment.since(clock.now()))
            }),
            ..Report::default()
        };
        if let Some(rare) = &self.rare {
            report.waited = rare.waited.duration();
            report.decided_by = rare.decided_by.clone();
        }
        if let Some(slot) = slot {
            slot.fill(report.clone());
        }
        if let Some(reason) = reason {
            let scope = self.turn.gate().scope();
            meter::on_stop(scope, reason);
            trace::on_stop(scope, self.message.attempts(), reason);
        }
        Some(report)
    }
}
