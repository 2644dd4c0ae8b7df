//! What is read of a response beyond its head: before it is judged, and so that its connection is free.

use std::task::{Context, Poll, ready};

use http::{Response, StatusCode, response};

use super::Answer;
use crate::body::{BodyReader, Replay, StoredResponse};
use crate::call::verdict::apply_verdict;
use crate::call::{Call, LastOutcome, Next};
use crate::config::Settings;
use crate::inner::Inner;
use crate::policy::{Attempt, Received, Verdict};
use crate::time::Moment;

/// What a policy wants to see of a response before it judges.
pub(super) enum Unread {
    /// All of it, if it is small and quick enough.
    Body,
    /// Its trailers, if they come soon.
    Trailers,
}

impl<S: Inner<B>, B: Replay> Call<S, B> {
    /// What of a response the policy, or an observer, wants to see beyond its head.
    pub(super) fn unread(&self, attempt: &Attempt<'_>, status: StatusCode) -> Option<Unread> {
        let Settings {
            policy, observer, ..
        } = &*self.settings;
        let observed = observer
            .as_ref()
            .is_some_and(|observer| observer.wants_body_of(status));
        if observed || policy.wants_body(attempt) {
            return Some(Unread::Body);
        }
        policy.wants_trailers(attempt).then_some(Unread::Trailers)
    }

    pub(super) fn read_body(
        &mut self,
        response: Response<S::ResponseBody>,
        listen: fn(S::ResponseBody, Moment) -> BodyReader<S::ResponseBody>,
        received_at: Moment,
    ) {
        let (head, body) = response.into_parts();
        let reader = listen(body, self.settings.clock.now());
        self.retry_state().last_outcome =
            Some(LastOutcome::Reading(Box::new((head, reader, received_at))));
    }

    pub(crate) fn poll_peek(&mut self, cx: &mut Context<'_>) -> Poll<Next<S::ResponseBody>> {
        let retry_state = self.retry_state();
        if let Some(LastOutcome::Reading(refusal)) = &mut retry_state.last_outcome {
            ready!(
                refusal
                    .1
                    .poll(BodyReader::<S::ResponseBody>::PEEK_LIMIT, cx)
            );
        }
        let Some(LastOutcome::Reading(refusal)) = retry_state.last_outcome.take() else {
            unreachable!("the body of a refusal is in hand while it is peeked at");
        };
        let (head, reader, received_at) = *refusal;
        let (verdict, opens) = self.judge_with_body(&head, &reader, received_at);
        Poll::Ready(self.on_verdict(Answer::Read(head, reader), &verdict, opens, received_at))
    }

    /// Judges a response by its head and, if it ended within the bounds, its body and its trailers.
    fn judge_with_body(
        &mut self,
        head: &response::Parts,
        reader: &BodyReader<S::ResponseBody>,
        received_at: Moment,
    ) -> (Verdict, Option<Moment>) {
        let (status, headers, extensions) = (head.status, &head.headers, &head.extensions);
        let head = self.outgoing.head();
        let received = Received::Later(&self.settings.clock, received_at);
        let mut attempt =
            Attempt::from_response(head, status, headers, self.outgoing.attempts(), received)
                .redirected_by(extensions);
        let body = reader.complete();
        if let Some(body) = &body {
            attempt = attempt.with_body(body);
        }
        if let Some(trailers) = reader.trailers() {
            attempt = attempt.with_trailers(trailers);
        }
        let verdict = self.settings.judge(&attempt);
        apply_verdict(
            verdict,
            &attempt,
            &mut self.permit,
            &mut self.retry_state,
            &self.settings,
            received_at,
        )
    }

    pub(crate) fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<Next<S::ResponseBody>> {
        let retry_state = self.retry_state();
        if let Some(LastOutcome::Reading(refusal)) = &mut retry_state.last_outcome {
            ready!(refusal.1.poll_drain(cx));
        }
        if let Some(LastOutcome::Reading(refusal)) = retry_state.last_outcome.take() {
            let (head, reader, _) = *refusal;
            // One that was not read to its end is dropped, and its connection with it.
            retry_state.last_outcome =
                StoredResponse::new(head, reader.into_buffered()).map(LastOutcome::Stored);
        }
        Poll::Ready(self.after_drain())
    }
}
