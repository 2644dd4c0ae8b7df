//! What the caller gets, and what is reported to it.

use std::borrow::Cow;
use std::time::Instant;

use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::{Call, InHand};
use crate::body::{Replay, ResponseBody};
use crate::error::{BoxError, NotBefore};
use crate::gate::Shut;
use crate::report::{Ended, Report, ReportSlot};
use crate::trace;

impl<S, B, R> Call<S, B, R>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    S::Error: Into<BoxError>,
    B: Replay,
    R: Body,
{
    /// The gate stays shut for longer than the call can wait.
    pub(super) fn give_up(
        &mut self,
        shut: Option<Shut>,
    ) -> Result<Response<ResponseBody<R>>, BoxError> {
        self.turn.give_back();
        self.stop_waiting();
        let not_before = shut.as_ref().map(|shut| shut.until);
        if let Some(shut) = &shut {
            self.rare().decided_by = Some(shut.decided_by.clone());
        }
        match self.rare().in_hand.take() {
            Some(InHand::Whole(head, heard)) => {
                let response = Response::from_parts(head, ResponseBody::heard(heard));
                Ok(self.end(response, Some(Ended::Patience), not_before))
            }
            Some(InHand::Hearing(head, hearing, _)) => {
                let body = ResponseBody::heard(hearing.into_heard());
                let response = Response::from_parts(head, body);
                Ok(self.end(response, Some(Ended::Patience), not_before))
            }
            Some(InHand::Error(error)) => {
                self.end_with_error(error, Some(Ended::Patience), not_before)
            }
            None => {
                let error = Box::new(self.not_before(shut));
                self.end_with_error(error, Some(Ended::Patience), not_before)
            }
        }
    }

    fn not_before(&self, shut: Option<Shut>) -> NotBefore {
        let now = self.settings.clock.now();
        let moment = shut.as_ref().map_or(now, |shut| shut.until);
        NotBefore {
            moment: self.settings.clock.wall_at(moment),
            wait: moment.saturating_duration_since(now),
            scope: self.turn.gate().scope().clone(),
            decided_by: shut.map_or(Cow::Borrowed("the callers ahead"), |shut| shut.decided_by),
        }
    }

    pub(super) fn end(
        &mut self,
        mut response: Response<ResponseBody<R>>,
        ended: Option<Ended>,
        not_before: Option<Instant>,
    ) -> Response<ResponseBody<R>> {
        if let Some(report) = self.report(ended, not_before) {
            response.extensions_mut().insert(report);
        }
        response
    }

    pub(super) fn end_with_error(
        &mut self,
        error: BoxError,
        ended: Option<Ended>,
        not_before: Option<Instant>,
    ) -> Result<Response<ResponseBody<R>>, BoxError> {
        self.report(ended, not_before);
        Err(error)
    }

    /// What happened, if anything did; also into the slot that the caller left.
    fn report(&mut self, ended: Option<Ended>, not_before: Option<Instant>) -> Option<Report> {
        let slot = self.head.extensions.get::<ReportSlot>();
        if ended.is_none() && self.rare.is_none() && slot.is_none() {
            return None;
        }
        let mut report = Report {
            attempts: self.attempts,
            ended,
            not_before: not_before.map(|moment| self.settings.clock.wall_at(moment)),
            ..Report::default()
        };
        if let Some(rare) = &self.rare {
            report.waited = rare.waited;
            report.decided_by = rare.decided_by.clone();
        }
        if let Some(slot) = slot {
            slot.fill(report.clone());
        }
        if let Some(ended) = ended {
            trace::ended(self.turn.gate().scope(), self.attempts, ended);
        }
        Some(report)
    }
}
