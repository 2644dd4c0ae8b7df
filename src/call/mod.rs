//! The state of one call, and its steps.
//!
//! Nothing here polls on its own: each step is asked for by the [future](crate::future), looks at the clock once and
//! says what follows.
//!
//! A call begins in `entry`, is sent by `outgoing`, and what came back is judged in `outcome` and carried out in
//! `verdict`; `progress` says when it goes again, and `finish` what its caller gets.

mod acquire;
mod entry;
mod fast_path;
mod finish;
mod given_up;
mod grpc;
mod low_quota;
mod outcome;
mod outgoing;
mod partial;
mod progress;
mod verdict;

pub(crate) use entry::CallEntry;
pub(crate) use outgoing::Outgoing;

use partial::PartialPermits;
use progress::{Bounds, Progress};

use std::borrow::Cow;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::{Response, response};
use http_body::Body;

use crate::body::{BodyReader, Replay, ResponseBody, StoredResponse};
use crate::config::Settings;
use crate::error::BoxError;
use crate::gate::{PathHash, Permit, ProvisionalClosing, RetryReceipt};
use crate::inner::Inner;
use crate::policy::{RequestHead, Route};
use crate::retry::Deadline;
use crate::telemetry::StopReason;
use crate::telemetry::{meter, trace};
use crate::time::Moment;
use crate::time::{Timer, later};

/// The step after this one.
pub(crate) enum Next<R: Body> {
    Admit,
    Ready,
    Send,
    Peek,
    Drain,
    Sleep,
    End(Result<Response<ResponseBody<R>>, BoxError>),
}

/// One call. What most calls never need is behind `retry_state`.
///
/// In this order, and no other: a permit that lies beside the request is moved together with it, and once more.
#[repr(C)]
pub(crate) struct Call<S: Inner<B>, B> {
    outgoing: Outgoing<B>,
    settings: Arc<Settings>,
    service: S,
    timer: Option<Timer>,
    retry_state: Option<Box<RetryState<S::ResponseBody>>>,
    started: Moment,
    permit: Permit,
}

/// What a call remembers once something happened to it.
struct RetryState<R: Body> {
    progress: Progress,
    decided_by: Option<Cow<'static, str>>,
    /// When the call's own timer rings.
    sleep_until: Option<Moment>,
    /// The payment for the next retry.
    receipt: Option<RetryReceipt>,
    /// The span of the attempt in flight, if anything listens.
    span: Option<Box<trace::Span>>,
    /// The permit at the gate of a bucket, if the call is known to belong to one.
    bucket: Option<Permit>,
    /// The permits at the gates of quotas that count only some calls.
    partial: PartialPermits,
    /// The provisional closing by the head of the response whose body is being read.
    provisional: Option<Box<ProvisionalClosing>>,
    /// The last response or error, while the call goes on.
    last_outcome: Option<LastOutcome<R>>,
}

impl<R: Body> Default for RetryState<R> {
    fn default() -> Self {
        Self {
            progress: Progress::default(),
            decided_by: None,
            sleep_until: None,
            receipt: None,
            span: None,
            bucket: None,
            partial: PartialPermits::default(),
            provisional: None,
            last_outcome: None,
        }
    }
}

impl<R: Body> RetryState<R> {
    #[cold]
    fn of_gates(bucket: Option<Permit>, partial: Option<PartialPermits>) -> Box<Self> {
        Box::new(Self {
            bucket,
            partial: partial.unwrap_or_default(),
            ..Self::default()
        })
    }
}

/// What the caller gets if the call has to end.
enum LastOutcome<R: Body> {
    /// A refusal whose body is being read, and when its head arrived.
    Reading(Box<(response::Parts, BodyReader<R>, Moment)>),
    /// A refusal that was read to its end and is small.
    Stored(StoredResponse<R>),
    Error(BoxError),
}

impl<S: Inner<B>, B: Replay> Call<S, B> {
    /// Builds the call.
    /// Inlined, so that it is built in its place: a head is large, and every move of it is a copy.
    #[inline(always)]
    pub(crate) fn new(
        service: S,
        settings: Arc<Settings>,
        entry: CallEntry<S::ResponseBody>,
        outgoing: Outgoing<B>,
    ) -> Self {
        Self {
            service,
            settings,
            outgoing,
            permit: entry.permit,
            started: entry.started,
            timer: None,
            retry_state: entry.retry_state,
        }
    }

    /// Sends the request, keeping a copy if there can be one.
    pub(crate) fn send(&mut self) -> S::Future {
        let now = self.account_for_wait();
        let scope = self.permit.gate().scope();
        self.outgoing.send(
            &mut self.service,
            &self.settings,
            scope,
            &mut self.retry_state,
            Some(now.since(self.started)),
        )
    }

    /// Polls the attempt in flight, within its span.
    #[inline]
    pub(crate) fn poll_attempt(
        &self,
        attempt: Pin<&mut S::Future>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Response<S::ResponseBody>, S::Error>> {
        match self
            .retry_state
            .as_ref()
            .and_then(|retry_state| retry_state.span.as_ref())
        {
            Some(span) => {
                let polled = span.in_scope(|| attempt.poll(cx));
                if let Poll::Ready(Ok(response)) = &polled {
                    span.on_response(response.status());
                }
                polled
            }
            None => attempt.poll(cx),
        }
    }

    fn account_for_wait(&mut self) -> Moment {
        let is_retry = self.outgoing.attempts() > 0;
        let (now, waited) = self.stop_waiting();
        // A call that several gates have to admit is not sent at once, and yet may have waited for none.
        let was_kept = is_retry || self.retry_state().decided_by.is_some();
        if was_kept {
            meter::on_wait(self.permit.gate().scope(), waited);
        }
        let retry_state = self.retry_state();
        retry_state.last_outcome = None;
        retry_state.span = None;
        if let Some(receipt) = retry_state.receipt.take() {
            receipt.spend();
        }
        now
    }

    /// Ends a wait, because the call is sent or because it ends. Returns when that is, and how long it was.
    fn stop_waiting(&mut self) -> (Moment, Duration) {
        let first = (self.outgoing.attempts() == 0).then_some(self.started);
        let now = self.settings.clock.now();
        let waited = self.retry_state().progress.end_wait(first, now);
        (now, waited)
    }

    pub(crate) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Next<S::ResponseBody>> {
        match self.service.poll_ready(cx) {
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(error)) => {
                self.permit.release();
                self.stop_waiting();
                let end = self.end_with_error(error.into(), Some(StopReason::Permanent), None);
                return Poll::Ready(Next::End(end));
            }
            Poll::Pending => {
                ready!(self.poll_patience(cx));
                return Poll::Ready(self.too_late());
            }
        }
        let now = self.settings.clock.now();
        if now > self.latest() {
            return Poll::Ready(self.too_late());
        }
        if !self.outgoing.is_whole() {
            return Poll::Ready(self.end_with_last_outcome());
        }
        if self.commit(now) {
            return Poll::Ready(Next::Send);
        }
        // The gate closed while the client made itself ready, or others have its slot: release what it holds.
        self.release_bucket();
        self.service = self.service.clone();
        Poll::Ready(Next::Admit)
    }

    /// Gives up, because its patience ended while the client was not ready.
    fn too_late(&mut self) -> Next<S::ResponseBody> {
        let scope = self.permit.gate().scope().clone();
        Next::End(self.give_up(None, finish::THE_CLIENT, scope))
    }

    /// Ends the call, because an attempt that was given up has read on in the body while the call waited.
    #[cold]
    fn end_with_last_outcome(&mut self) -> Next<S::ResponseBody> {
        self.permit.release();
        self.release_bucket();
        self.stop_waiting();
        let ended = Some(StopReason::BodyNotReplayable);
        Next::End(match self.retry_state().last_outcome.take() {
            Some(LastOutcome::Stored(kept)) => Ok(self.end(kept.into_response(), ended, None)),
            Some(LastOutcome::Error(error)) => self.end_with_error(error, ended, None),
            Some(LastOutcome::Reading(_)) | None => self.end_with_error(
                StopReason::BodyNotReplayable.to_string().into(),
                ended,
                None,
            ),
        })
    }

    /// Ready when the call may not be sent any more; without a runtime, never.
    fn poll_patience(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.timer.is_none() && !Timer::is_available() {
            return Poll::Pending;
        }
        let latest = self.latest();
        let timer = self.timer.get_or_insert_with(|| Timer::until(latest));
        timer.set(latest);
        timer.poll(cx)
    }

    pub(crate) fn poll_sleep(&mut self, cx: &mut Context<'_>) -> Poll<Next<S::ResponseBody>> {
        if let Some(timer) = &mut self.timer {
            ready!(timer.poll(cx));
            if self
                .retry_state
                .as_ref()
                .is_some_and(|retry_state| retry_state.progress.suspended)
            {
                while let Some(look) = self.still_suspended() {
                    let timer = self.timer.get_or_insert_with(|| Timer::until(look));
                    timer.set(look);
                    ready!(timer.poll(cx));
                }
            }
        }
        Poll::Ready(Next::Admit)
    }

    /// When a suspended retry looks again, if its scope may still be out.
    fn still_suspended(&mut self) -> Option<Moment> {
        let (now, latest) = (self.settings.clock.now(), self.latest_in_an_outage());
        let known = self.permit.suspected_until(now).filter(|_| now < latest);
        let again = later(now, progress::look_again(self.settings.rng.bits()));
        let look = known.map(|known| known.min(again).min(latest));
        self.retry_state().progress.suspended = look.is_some();
        look
    }

    /// What bounds the waits of this call.
    fn bounds(&self) -> Bounds {
        let head = self.outgoing.head();
        let extensions = head.extensions();
        let deadline = extensions
            .get()
            .map(|deadline: &Deadline| deadline.moment());
        let is_grpc = self.settings.policy.is_grpc(&head);
        let timeout = is_grpc.then(|| grpc::timeout(head.headers())).flatten();
        let timeout = timeout.map(|timeout| later(self.started, timeout));
        Bounds {
            started: self.started,
            patience: *extensions.get().unwrap_or(&self.settings.patience),
            deadline: deadline.into_iter().chain(timeout).min(),
            max_retries: self.settings.max_retries,
            max_refusals: self.settings.max_refusals.unwrap_or(u32::MAX),
            backoff: self.settings.backoff,
        }
    }

    /// The last moment at which this call may start an attempt.
    fn latest(&self) -> Moment {
        self.with_progress(Progress::latest)
    }

    /// The last moment at which it may, while the server is out.
    fn latest_in_an_outage(&self) -> Moment {
        self.with_progress(Progress::latest_in_an_outage)
    }

    fn with_progress(&self, ask: impl Fn(&Progress, &Bounds) -> Moment) -> Moment {
        let bounds = self.bounds();
        match &self.retry_state {
            Some(retry_state) => ask(&retry_state.progress, &bounds),
            None => ask(&Progress::default(), &bounds),
        }
    }

    fn retry_state(&mut self) -> &mut RetryState<S::ResponseBody> {
        self.retry_state.get_or_insert_with(Box::default)
    }
}

/// The hash by which the circuit breaker knows the path of a request.
fn path_hash(request: &RequestHead<'_>) -> PathHash {
    PathHash(Route::of_path(request).key() as u32)
}
