//! Hearing what came back: the head, as much of the body as is needed, or the failure.

use std::task::{Context, Poll, ready};

use http::{Request, Response, StatusCode, response};
use http_body::Body;
use tower_service::Service;

use super::plan::Plan;
use super::verdict::{carry_out, close_by_head};
use super::{Call, InHand, Next};
use crate::body::{Hearing, Kept, Replay, ResponseBody};
use crate::clock::Timer;
use crate::error::{BoxError, NotBefore};
use crate::failure::{Kind, Redirected};
use crate::hint::is_silent;
use crate::moment::Moment;
use crate::policy::{Attempt, Received, Ruling, Verdict};
use crate::report::{Report, StopReason};
use crate::trace::Cause;
use crate::{meter, trace};

/// A verdict, and when the gate opens if it was shut; or what has to be heard first.
type Judged = Result<(Verdict, Option<Moment>), Unheard>;

/// What a policy wants to see of an answer before it judges.
enum Unheard {
    /// All of it, if it is small and quick enough.
    Body,
    /// Its trailers, if they come soon.
    Trailers,
}

/// A response, untouched or listened to.
enum Answer<R: Body> {
    Untouched(Response<R>),
    Heard(response::Parts, Hearing<R>),
}

impl<S, B, R> Call<S, B, R>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    S::Error: Into<BoxError>,
    B: Replay,
    R: Body,
{
    /// The short way of [`hear`](Self::hear), which nearly every call takes: whether its answer goes to
    /// the caller as it is. The gate has been told then.
    #[inline]
    pub(crate) fn serves(&mut self, outcome: &Poll<Result<Response<R>, S::Error>>) -> bool {
        let Poll::Ready(Ok(response)) = outcome else {
            return false;
        };
        let plainly = response.status().as_u16() < 400
            && self.rare.is_none()
            && self.settings.shortcuts.accepts_unseen
            && self.message.head.extensions.is_empty()
            && response.extensions().get::<Redirected>().is_none()
            && is_silent(response.headers())
            && self.turn.serves(|| self.settings.clock.now());
        if plainly {
            meter::on_attempt(self.turn.gate().scope(), meter::Outcome::Served);
        }
        plainly
    }

    /// The answer is here, or the failure.
    pub(crate) fn hear(&mut self, outcome: Result<Response<R>, S::Error>) -> Next<R> {
        let now = self.settings.clock.now();
        match outcome {
            Ok(response) => match self.judge(&response, now) {
                Ok((verdict, _)) if verdict.ruling() == Ruling::Accept => {
                    let response = response.map(ResponseBody::untouched);
                    Next::End(Ok(self.end(response, None, None)))
                }
                Ok((verdict, opens)) => {
                    self.answered(Answer::Untouched(response), &verdict, opens, now)
                }
                Err(unheard) => {
                    let listen = match unheard {
                        Unheard::Body => Hearing::of,
                        Unheard::Trailers => Hearing::briefly,
                    };
                    self.listen_to(response, listen, now);
                    Next::Peek
                }
            },
            Err(error) => self.failed(error.into(), now),
        }
    }

    /// Judges an answer by its head and carries the verdict out, unless its body is to be seen first.
    fn judge(&mut self, response: &Response<R>, heard: Moment) -> Judged {
        let (status, headers) = (response.status(), response.headers());
        let head = self.message.head();
        let received = Received::Later(&self.settings.clock, heard);
        let attempt = Attempt::answered(head, status, headers, self.message.attempts(), received)
            .redirected_by(response.extensions());
        let observer = self.settings.observer.as_ref();
        let wanted = observer.is_some_and(|observer| observer.wants_body_of(status))
            || self.settings.policy.wants_body(&attempt);
        // What cannot be waited for is judged by its head.
        if wanted && Timer::is_available() {
            // The gate closes now: the body may come late, or its reader leave.
            let by_head = self.settings.policy.judge(&attempt);
            close_by_head(
                &by_head,
                &attempt,
                &self.turn,
                &mut self.rare,
                &self.settings,
                heard,
            );
            return Err(Unheard::Body);
        }
        if self.settings.policy.wants_trailers(&attempt) && Timer::is_available() {
            return Err(Unheard::Trailers);
        }
        let verdict = self.settings.judge(&attempt);
        let opens = carry_out(
            &verdict,
            &attempt,
            &mut self.turn,
            &mut self.rare,
            &self.settings,
            heard,
        );
        Ok((verdict, opens))
    }

    fn listen_to(
        &mut self,
        response: Response<R>,
        listen: fn(R, Moment) -> Hearing<R>,
        heard: Moment,
    ) {
        let (head, body) = response.into_parts();
        let hearing = listen(body, self.settings.clock.now());
        self.rare().in_hand = Some(InHand::Hearing(Box::new((head, hearing, heard))));
    }

    pub(crate) fn poll_peek(&mut self, cx: &mut Context<'_>) -> Poll<Next<R>> {
        let rare = self.rare();
        if let Some(InHand::Hearing(refusal)) = &mut rare.in_hand {
            ready!(refusal.1.poll(Hearing::<R>::PEEK, cx));
        }
        let Some(InHand::Hearing(refusal)) = rare.in_hand.take() else {
            unreachable!("the body of a refusal is in hand while it is peeked at");
        };
        let (head, hearing, heard) = *refusal;
        let (verdict, opens) = self.judge_whole(&head, &hearing, heard);
        Poll::Ready(self.answered(Answer::Heard(head, hearing), &verdict, opens, heard))
    }

    /// Judges an answer by its head and, if it ended within the bounds, its body and its trailers.
    fn judge_whole(
        &mut self,
        head: &response::Parts,
        hearing: &Hearing<R>,
        heard: Moment,
    ) -> (Verdict, Option<Moment>) {
        let (status, headers, extensions) = (head.status, &head.headers, &head.extensions);
        let head = self.message.head();
        let received = Received::Later(&self.settings.clock, heard);
        let mut attempt =
            Attempt::answered(head, status, headers, self.message.attempts(), received)
                .redirected_by(extensions);
        let body = hearing.whole();
        if let Some(body) = &body {
            attempt = attempt.with_body(body);
        }
        if let Some(trailers) = hearing.trailers() {
            attempt = attempt.with_trailers(trailers);
        }
        let verdict = self.settings.judge(&attempt);
        let opens = carry_out(
            &verdict,
            &attempt,
            &mut self.turn,
            &mut self.rare,
            &self.settings,
            heard,
        );
        (verdict, opens)
    }

    /// What follows from the verdict.
    fn answered(
        &mut self,
        answer: Answer<R>,
        verdict: &Verdict,
        opens: Option<Moment>,
        heard: Moment,
    ) -> Next<R> {
        if verdict.ruling() == Ruling::Accept {
            return Next::End(Ok(self.end(answer.into_response(), None, None)));
        }
        let given_up = answer.given_up();
        let plan = self.plan(verdict, given_up, opens, heard);
        let plan = self.with_body(plan, B::replay_after_answer, opens);
        self.note_what_decided(&plan, verdict, Some(answer.status()));
        match plan {
            Plan::Again(_) if !Timer::is_available() => Next::End(self.end_without_a_timer()),
            Plan::Again(next) => {
                self.go_again(Cause::Status(answer.status()), opens, next, heard);
                match answer {
                    Answer::Untouched(response) => self.listen_to(response, Hearing::of, heard),
                    Answer::Heard(head, hearing) => {
                        let refusal = Box::new((head, hearing, heard));
                        self.rare().in_hand = Some(InHand::Hearing(refusal));
                    }
                }
                Next::Drain
            }
            Plan::End(reason, not_before) => {
                Next::End(Ok(self.end(answer.into_response(), reason, not_before)))
            }
        }
    }

    /// Judges a failure and carries the verdict out.
    fn failed(&mut self, error: BoxError, heard: Moment) -> Next<R> {
        let attempt = Attempt::unanswered(
            self.message.head(),
            &*error,
            self.message.attempts(),
            Received::Later(&self.settings.clock, heard),
        )
        .with_content_if(self.message.has_body())
        .kept_back_if(self.settings.was_kept_back(&*error));
        let verdict = self.settings.judge(&attempt);
        let opens = carry_out(
            &verdict,
            &attempt,
            &mut self.turn,
            &mut self.rare,
            &self.settings,
            heard,
        );
        // Told by a layer of this kind further inside: it has waited as long as it could.
        let given_up = error
            .is::<NotBefore>()
            .then_some(StopReason::PatienceExceeded);
        let plan = self.plan(&verdict, given_up, opens, heard);
        let plan = self.with_body(plan, B::replay, opens);
        self.note_what_decided(&plan, &verdict, None);
        match plan {
            Plan::Again(_) if !Timer::is_available() => Next::End(self.end_without_a_timer()),
            Plan::Again(next) => {
                self.go_again(Cause::Error(Kind::of(&*error)), opens, next, heard);
                self.rare().in_hand = Some(InHand::Error(error));
                self.after_drain()
            }
            Plan::End(reason, not_before) => {
                Next::End(self.end_with_error(error, reason, not_before))
            }
        }
    }

    fn go_again(&mut self, cause: Cause, opens: Option<Moment>, next: Moment, heard: Moment) {
        let attempts = self.message.attempts();
        let rare = self.rare.get_or_insert_with(Box::default);
        rare.waits_since = Some(heard);
        // The gate itself holds the call until it opens; only a longer wait is the call's own.
        rare.sleep_until = (opens != Some(next)).then_some(next);
        let decided_by = rare.decided_by.as_deref().unwrap_or_default();
        let scope = self.turn.gate().scope();
        meter::on_wait(scope, next - heard);
        trace::again(scope, attempts, cause, next - heard, decided_by);
    }

    pub(crate) fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<Next<R>> {
        let rare = self.rare();
        if let Some(InHand::Hearing(refusal)) = &mut rare.in_hand {
            ready!(refusal.1.poll_drain(cx));
        }
        if let Some(InHand::Hearing(refusal)) = rare.in_hand.take() {
            let (head, hearing, _) = *refusal;
            // One that was not heard to its end is let go of, and its connection with it.
            rare.in_hand = Kept::of(head, hearing.into_heard()).map(InHand::Kept);
        }
        Poll::Ready(self.after_drain())
    }

    fn after_drain(&mut self) -> Next<R> {
        self.turn.give_back();
        let Some(until) = self.rare().sleep_until.take() else {
            return Next::Admit;
        };
        match &mut self.timer {
            Some(timer) => timer.set(until),
            none => *none = Some(Timer::until(until)),
        }
        Next::Sleep
    }
}

impl<R: Body> Answer<R> {
    fn status(&self) -> StatusCode {
        match self {
            Self::Untouched(response) => response.status(),
            Self::Heard(head, _) => head.status,
        }
    }

    /// Why a layer of this kind further inside has given up on it, if one has: layers in a row do not
    /// multiply their tries.
    fn given_up(&self) -> Option<StopReason> {
        let extensions = match self {
            Self::Untouched(response) => response.extensions(),
            Self::Heard(head, _) => &head.extensions,
        };
        use StopReason::{Final, NotSafe, Permanent};
        let reason = extensions.get::<Report>()?.stop_reason;
        reason.filter(|reason| !matches!(reason, Final | NotSafe | Permanent))
    }

    fn into_response(self) -> Response<ResponseBody<R>> {
        match self {
            Self::Untouched(response) => response.map(ResponseBody::untouched),
            Self::Heard(head, hearing) => {
                Response::from_parts(head, ResponseBody::heard(hearing.into_heard()))
            }
        }
    }
}

#[cfg(test)]
mod tests;
