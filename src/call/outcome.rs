//! What came back: the head, as much of the body as is needed, or the failure.

mod reading;

use reading::Unread;

use http::{Extensions, Response, StatusCode, response};
use http_body::Body;

use super::given_up::GivenUp;
use super::progress::{Ended, Plan, RetryGate};
use super::verdict::{apply_verdict, close_provisionally, decided_by};
use super::{Call, LastOutcome, Next};
use crate::body::{BodyReader, Replay, ResponseBody};
use crate::error::BoxError;
use crate::failure::{self, Delivery, FailureKind};
use crate::gate::{BreakerState, Permit, RetryReceipt};
use crate::inner::Inner;
use crate::policy::{Attempt, Received, Ruling, Verdict};
use crate::retry::Budget;
use crate::telemetry::StopReason;
use crate::telemetry::trace;
use crate::telemetry::trace::Cause;
use crate::time::Moment;
use crate::time::Timer;

/// A verdict, and when the gate opens if it was closed; or what has to be read first.
type Judged = Result<(Verdict, Option<Moment>), Unread>;

/// A response, untouched or read from.
enum Answer<R: Body> {
    Untouched(Response<R>),
    Read(response::Parts, BodyReader<R>),
}

impl<S: Inner<B>, B: Replay> Call<S, B> {
    /// Takes the response, or the failure.
    pub(crate) fn on_response(
        &mut self,
        outcome: Result<Response<S::ResponseBody>, S::Error>,
    ) -> Next<S::ResponseBody> {
        let now = self.settings.clock.now();
        match outcome {
            Ok(response) => match self.judge(&response, now) {
                Ok((verdict, _)) if verdict.ruling() == Ruling::Accept => {
                    let response = response.map(ResponseBody::new);
                    Next::End(Ok(self.end(response, None, None)))
                }
                Ok((verdict, opens)) => {
                    self.on_verdict(Answer::Untouched(response), &verdict, opens, now)
                }
                Err(unread) => {
                    let listen = match unread {
                        Unread::Body => BodyReader::new,
                        Unread::Trailers => BodyReader::for_trailers,
                    };
                    self.read_body(response, listen, now);
                    Next::Peek
                }
            },
            Err(error) => self.on_error(error.into(), now),
        }
    }

    /// Judges a response by its head and applies the verdict, unless its body is to be read first.
    fn judge(&mut self, response: &Response<S::ResponseBody>, received_at: Moment) -> Judged {
        let (status, headers) = (response.status(), response.headers());
        let head = self.outgoing.head();
        let received = Received::Later(&self.settings.clock, received_at);
        let attempt =
            Attempt::from_response(head, status, headers, self.outgoing.attempts(), received)
                .redirected_by(response.extensions());
        let by_head = self.settings.policy.judge(&attempt);
        if Timer::is_available() {
            if let Some(unread) = self.unread(
                &attempt.judged_by_head(&*self.settings.policy, &by_head),
                status,
            ) {
                // The gate closes now: the body may come late, or its reader leave.
                if matches!(unread, Unread::Body) {
                    close_provisionally(
                        &by_head,
                        &attempt,
                        &self.permit,
                        &mut self.retry_state,
                        &self.settings,
                        received_at,
                    );
                }
                return Err(unread);
            }
        }
        // Also what cannot be waited for is judged by its head.
        let verdict = self.settings.unless_redirected(by_head, &attempt);
        Ok(apply_verdict(
            verdict,
            &attempt,
            &mut self.permit,
            &mut self.retry_state,
            &self.settings,
            received_at,
        ))
    }

    /// Goes again or ends, as follows from the verdict.
    fn on_verdict(
        &mut self,
        answer: Answer<S::ResponseBody>,
        verdict: &Verdict,
        opens: Option<Moment>,
        received_at: Moment,
    ) -> Next<S::ResponseBody> {
        if verdict.ruling() == Ruling::Accept {
            return Next::End(Ok(self.end(answer.into_response(), None, None)));
        }
        let ended = Ended {
            verdict,
            given_up: GivenUp::on_response(answer.extensions(), received_at),
            replayable: self.outgoing.body.is_some(),
            opens,
            at: received_at,
        };
        let plan = self.plan(&ended, B::replay_after_answer, Some(answer.status()));
        match plan {
            Plan::Again(_) if !Timer::is_available() => Next::End(self.end_without_a_timer()),
            Plan::Again(next) => {
                self.schedule_retry(Cause::Status(answer.status()), opens, next, received_at);
                match answer {
                    Answer::Untouched(response) => {
                        self.read_body(response, BodyReader::new, received_at)
                    }
                    Answer::Read(head, reader) => {
                        let refusal = Box::new((head, reader, received_at));
                        self.retry_state().last_outcome = Some(LastOutcome::Reading(refusal));
                    }
                }
                Next::Drain
            }
            Plan::End(reason, not_before) => Next::End(match self.error_for(reason, not_before) {
                Some(error) => self.end_with_not_before(error, self.is_out(), not_before),
                None => Ok(self.end(answer.into_response(), reason, not_before)),
            }),
        }
    }

    /// Judges a failure and applies the verdict.
    fn on_error(&mut self, error: BoxError, received_at: Moment) -> Next<S::ResponseBody> {
        let retry_state = self.retry_state.as_ref();
        if let Some(span) = retry_state.and_then(|retry_state| retry_state.span.as_ref()) {
            span.on_error(FailureKind::of(&*error));
        }
        let attempt = Attempt::from_error(
            self.outgoing.head(),
            &*error,
            self.outgoing.attempts(),
            Received::Later(&self.settings.clock, received_at),
        )
        .with_content_if(self.outgoing.has_body())
        .kept_back_if(self.settings.is_local_failure(&*error));
        let is_unseen = attempt.was_kept_back() || failure::delivery(&*error) == Delivery::No;
        let verdict = self.settings.judge(&attempt);
        let (verdict, opens) = apply_verdict(
            verdict,
            &attempt,
            &mut self.permit,
            &mut self.retry_state,
            &self.settings,
            received_at,
        );
        if is_unseen {
            self.outgoing.on_unseen();
        }
        let given_up = GivenUp::on_error(&*error, received_at);
        let says_when = given_up.is_some();
        let ended = Ended {
            verdict: &verdict,
            given_up,
            replayable: self.outgoing.body.is_some(),
            opens,
            at: received_at,
        };
        let plan = self.plan(&ended, B::replay, None);
        match plan {
            Plan::Again(_) if !Timer::is_available() => Next::End(self.end_without_a_timer()),
            Plan::Again(next) => {
                self.schedule_retry(
                    Cause::Error(FailureKind::of(&*error)),
                    opens,
                    next,
                    received_at,
                );
                self.retry_state().last_outcome = Some(LastOutcome::Error(error));
                self.after_drain()
            }
            Plan::End(reason, not_before) if says_when => {
                Next::End(self.end_with_error(error, reason, not_before))
            }
            Plan::End(reason, not_before) => Next::End(match self.error_for(reason, not_before) {
                Some(error) => self.end_with_not_before(error, self.is_out(), not_before),
                None => self.end_with_error(error, reason, not_before),
            }),
        }
    }

    /// Says when the call goes again, with a body to send.
    /// The body is asked for while there is an outcome to end with, not when the wait is over.
    fn plan(
        &mut self,
        ended: &Ended<'_>,
        replay: impl FnOnce(&B) -> Option<B>,
        status: Option<StatusCode>,
    ) -> Plan {
        if let Some(Plan::End(reason, None)) = ended.final_plan() {
            return Plan::End(reason, None); // nothing has to be remembered
        }
        let bounds = self.bounds();
        let retry_state = self.retry_state.get_or_insert_with(Box::default);
        let mut gate = PermitAndReceipt {
            permit: &mut self.permit,
            receipt: &mut retry_state.receipt,
            budget: self.settings.budget,
            now: ended.at,
        };
        let bits = || self.settings.rng.bits();
        let mut plan = retry_state.progress.plan(&bounds, ended, &mut gate, bits);
        if matches!(plan, Plan::Again(_)) && !self.outgoing.renew(replay) {
            plan = Plan::End(Some(StopReason::BodyNotReplayable), ended.opens);
        }
        if matches!(plan, Plan::Again(_) | Plan::End(_, Some(_))) {
            let inside = ended.given_up.as_ref();
            let inside = inside.and_then(|given_up| given_up.decided_by.clone());
            let own = || decided_by(ended.verdict, status);
            retry_state.decided_by = Some(inside.unwrap_or_else(own));
        }
        plan
    }

    fn schedule_retry(
        &mut self,
        cause: Cause,
        opens: Option<Moment>,
        next: Moment,
        received_at: Moment,
    ) {
        let attempts = self.outgoing.attempts();
        let retry_state = self.retry_state.get_or_insert_with(Box::default);
        retry_state.progress.begin_wait(received_at);
        // The gate itself holds the call until it opens; only a longer wait is the call's own.
        retry_state.sleep_until = (opens != Some(next)).then_some(next);
        let decided_by = retry_state.decided_by.as_deref().unwrap_or_default();
        let scope = self.permit.gate().scope();
        trace::on_retry(scope, attempts, cause, next - received_at, decided_by);
    }

    fn after_drain(&mut self) -> Next<S::ResponseBody> {
        // A slot among concurrent calls is free while the call waits, also that at a bucket or a redirect target.
        self.permit.release();
        self.release_bucket();
        let Some(until) = self.retry_state().sleep_until.take() else {
            return Next::Admit;
        };
        match &mut self.timer {
            Some(timer) => timer.set(until),
            none => *none = Some(Timer::until(until)),
        }
        Next::Sleep
    }
}

/// The gate of a call, and what the call has paid for a retry.
struct PermitAndReceipt<'a> {
    permit: &'a mut Permit,
    receipt: &'a mut Option<RetryReceipt>,
    budget: Budget,
    now: Moment,
}

impl RetryGate for PermitAndReceipt<'_> {
    fn suspend_retry(&mut self) -> Option<BreakerState> {
        self.permit.suspend_retry(self.now)
    }

    fn pay_for_retry(&mut self) -> bool {
        *self.receipt = self.permit.pay_for_retry(self.budget, self.now);
        self.receipt.is_some()
    }
}

impl<R: Body> Answer<R> {
    fn status(&self) -> StatusCode {
        match self {
            Self::Untouched(response) => response.status(),
            Self::Read(head, _) => head.status,
        }
    }

    fn extensions(&self) -> &Extensions {
        match self {
            Self::Untouched(response) => response.extensions(),
            Self::Read(head, _) => &head.extensions,
        }
    }

    fn into_response(self) -> Response<ResponseBody<R>> {
        match self {
            Self::Untouched(response) => response.map(ResponseBody::new),
            Self::Read(head, reader) => {
                Response::from_parts(head, ResponseBody::from_buffered(reader.into_buffered()))
            }
        }
    }
}

#[cfg(test)]
mod tests;
