//! The future of one call, and the only hand-written `poll` of this crate.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use pin_project_lite::pin_project;

use crate::body::{Replay, ResponseBody};
use crate::call::{Call, CallEntry, Next, Outgoing};
use crate::config::Settings;
use crate::error::BoxError;
use crate::gate::Gate;
use crate::inner::Inner;

pin_project! {
    /// The response of a [`Retry`](crate::Retry) service.
    ///
    /// Dropping it at any point frees its place at the gate and the slots of a call that was not sent.
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<S, B>
    where
        S: Inner<B>,
    {
        #[pin]
        state: State<S::Future>,
        call: Call<S, B>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F> {
        /// Waits at the gate. Holds no permit and no connection.
        Admitting,
        /// Let through, and polls the inner service for readiness.
        Readying,
        /// On its way: polls the inner future.
        Sending { #[pin] attempt: F },
        /// The layer is disabled: polls the inner future, whose outcome is the caller's.
        Untouched { #[pin] attempt: F },
        /// Refused, and the policy wants to see the body: polls the body, up to a bound.
        Peeking,
        /// It will be sent again: polls the body to its end, so that the connection is free.
        Draining,
        /// Waits by itself: polls its own timer.
        Sleeping,
        /// Has returned its result.
        Done,
    }
}

impl<S: Inner<B>, B: Replay> ResponseFuture<S, B> {
    /// Sends at once through the readied service if the gate is open. Otherwise lets go of it, and
    /// of the permit it may hold, and waits on an unready clone.
    #[inline]
    pub(crate) fn new(
        mut ready: S,
        unready: &S,
        settings: Arc<Settings>,
        last: &mut Option<Arc<Gate>>,
        request: Request<B>,
    ) -> Self {
        let mut outgoing = Outgoing::new(request);
        let mut entry = CallEntry::of(&outgoing, &settings, last);
        if !entry.arrives(&outgoing, &settings) {
            return Self::waiting(unready.clone(), settings, entry, outgoing);
        }
        let attempt = entry.send(&mut outgoing, &mut ready, &settings);
        Self {
            state: State::Sending { attempt },
            call: Call::new(ready, settings, entry, outgoing),
        }
    }

    /// Sends the request as it is, through the readied service, for a layer that is disabled.
    #[cold]
    #[inline(never)]
    pub(crate) fn untouched(mut ready: S, settings: Arc<Settings>, request: Request<B>) -> Self {
        let attempt = ready.call(request);
        let entry = CallEntry::untouched(&settings);
        Self {
            state: State::Untouched { attempt },
            call: Call::new(ready, settings, entry, Outgoing::sent_away()),
        }
    }

    #[cold]
    #[inline(never)]
    fn waiting(
        unready: S,
        settings: Arc<Settings>,
        entry: CallEntry<S::ResponseBody>,
        outgoing: Outgoing<B>,
    ) -> Self {
        Self {
            state: State::Admitting,
            call: Call::new(unready, settings, entry, outgoing),
        }
    }
}

impl<S: Inner<B>, B: Replay> Future for ResponseFuture<S, B> {
    type Output = Result<Response<ResponseBody<S::ResponseBody>>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let (mut state, call) = (this.state, this.call);
        loop {
            let next = match state.as_mut().project() {
                StateProj::Admitting => ready!(call.poll_permit(cx)),
                StateProj::Readying => ready!(call.poll_ready(cx)),
                StateProj::Sending { attempt } => {
                    let outcome = call.poll_attempt(attempt, cx);
                    if call.try_fast_path(&outcome) {
                        state.set(State::Done);
                        let served = outcome.map_ok(|response| response.map(ResponseBody::new));
                        return served.map_err(Into::into);
                    }
                    call.on_response(ready!(outcome))
                }
                StateProj::Untouched { attempt } => {
                    let outcome = ready!(attempt.poll(cx));
                    state.set(State::Done);
                    let served = outcome.map(|response| response.map(ResponseBody::new));
                    return Poll::Ready(served.map_err(Into::into));
                }
                StateProj::Peeking => ready!(call.poll_peek(cx)),
                StateProj::Draining => ready!(call.poll_drain(cx)),
                StateProj::Sleeping => ready!(call.poll_sleep(cx)),
                StateProj::Done => panic!("`ResponseFuture` polled after it was done"),
            };
            // Setting the state drops what was there: the inner future, and what it held.
            match next {
                Next::Admit => state.set(State::Admitting),
                Next::Ready => state.set(State::Readying),
                Next::Send => {
                    let attempt = call.send();
                    state.set(State::Sending { attempt });
                }
                Next::Peek => state.set(State::Peeking),
                Next::Drain => state.set(State::Draining),
                Next::Sleep => state.set(State::Sleeping),
                Next::End(end) => {
                    state.set(State::Done);
                    return Poll::Ready(end);
                }
            }
        }
    }
}

impl<S: Inner<B>, B> fmt::Debug for ResponseFuture<S, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Admitting => "waiting at the gate",
            State::Readying => "waiting for the inner service",
            State::Sending { .. } | State::Untouched { .. } => "sent",
            State::Peeking | State::Draining => "reading a refusal",
            State::Sleeping => "backing off",
            State::Done => "done",
        };
        f.debug_struct("ResponseFuture")
            .field("state", &state)
            .finish_non_exhaustive()
    }
}
