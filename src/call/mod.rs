//! What one call holds, and its steps. No polling of its own: each step is asked for by the
//! [future](crate::future), looks at the clock once and says what follows.
//!
//! `seat` is where it begins, `answer` hears what came back, `plan` says when the call goes again, `ending` what its
//! caller gets.

mod answer;
mod ending;
mod fleet;
mod message;
mod plan;
mod seat;
mod verdict;

pub(crate) use message::Message;
pub(crate) use seat::Seat;

use std::borrow::Cow;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::{Request, Response, response};
use http_body::Body;
use tower_service::Service;

use crate::body::{Heard, Hearing, Replay, ResponseBody};
use crate::clock::Timer;
use crate::error::BoxError;
use crate::fleet::Admitting;
use crate::gate::{Asks, Receipt, Turn, Until};
use crate::moment::Moment;
use crate::report::Ended;
use crate::settings::Settings;
use crate::trace;

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

/// One call. What most calls never need is behind `rare`.
///
/// In this order, and no other: a turn that lies beside the message is moved together with it, and once more.
#[repr(C)]
pub(crate) struct Call<S, B, R: Body> {
    message: Message<B>,
    settings: Arc<Settings>,
    service: S,
    timer: Option<Timer>,
    rare: Option<Box<Rare<R>>>,
    started: Moment,
    turn: Turn,
}

/// What a call remembers once something happened to it.
struct Rare<R: Body> {
    waited: Duration,
    /// How much of that the server or the gate decided: it uses up no patience with failures.
    gated: Duration,
    waits_since: Option<Moment>,
    /// The call's own backoff ends then; what it waits beyond is the gate's.
    backs_off_until: Option<Moment>,
    decided_by: Option<Cow<'static, str>>,
    /// Refusals of this call whose wait the server or the gate decided.
    refusals: u32,
    /// Retries that the call timed by its own backoff, and the last of their waits.
    retries: u32,
    backed_off: Duration,
    /// No attempt starts later than this, where an answer allowed more than the settings do.
    latest: Option<Moment>,
    /// The call's own timer rings then.
    sleep_until: Option<Moment>,
    /// The price of the next retry.
    receipt: Option<Receipt>,
    /// Around the attempt that is on its way, if anybody listens.
    span: Option<trace::Span>,
    /// What the fleet is asked.
    admitting: Option<Admitting>,
    /// What the fleet has granted: first for the bucket, if there is one, then for the scope.
    grants: Vec<fleet::Grant>,
    /// Its turn at the gate of a bucket, if it is known to belong to one.
    bucket: Option<Turn>,
    /// The last answer, while the call goes on.
    in_hand: Option<InHand<R>>,
}

impl<R: Body> Default for Rare<R> {
    fn default() -> Self {
        Self {
            waited: Duration::ZERO,
            gated: Duration::ZERO,
            waits_since: None,
            backs_off_until: None,
            decided_by: None,
            refusals: 0,
            retries: 0,
            backed_off: Duration::ZERO,
            latest: None,
            sleep_until: None,
            receipt: None,
            span: None,
            admitting: None,
            grants: Vec::new(),
            bucket: None,
            in_hand: None,
        }
    }
}

impl<R: Body> Rare<R> {
    #[cold]
    fn of_bucket(bucket: Turn) -> Box<Self> {
        Box::new(Self {
            bucket: Some(bucket),
            ..Self::default()
        })
    }
}

/// What the caller gets if the call has to end.
enum InHand<R: Body> {
    /// A refusal whose body is being listened to, and when its head arrived.
    Hearing(response::Parts, Hearing<R>, Moment),
    /// A refusal that was read to its end.
    Whole(response::Parts, Heard<R>),
    Error(BoxError),
}

impl<S, B, R> Call<S, B, R>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    S::Error: Into<BoxError>,
    B: Replay,
    R: Body,
{
    /// Inlined, so that it is built where it is to be: a head is large, and every move of it is a copy.
    #[inline(always)]
    pub(crate) fn new(
        service: S,
        settings: Arc<Settings>,
        seat: Seat<R>,
        message: Message<B>,
    ) -> Self {
        Self {
            service,
            settings,
            message,
            turn: seat.turn,
            started: seat.started,
            timer: None,
            rare: seat.rare,
        }
    }

    /// Its turn has come: sends, keeping a copy if there can be one.
    pub(crate) fn send(&mut self) -> S::Future {
        self.account_for_wait();
        let scope = self.turn.gate().scope();
        self.message
            .send(&mut self.service, &self.settings, scope, &mut self.rare)
    }

    /// Polls the attempt that is on its way, within its span.
    #[inline]
    pub(crate) fn poll_attempt(
        &self,
        attempt: Pin<&mut S::Future>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Response<R>, S::Error>> {
        match self.rare.as_ref().and_then(|rare| rare.span.as_ref()) {
            Some(span) => span.in_scope(|| attempt.poll(cx)),
            None => attempt.poll(cx),
        }
    }

    fn account_for_wait(&mut self) {
        self.stop_waiting();
        let rare = self.rare();
        rare.in_hand = None;
        rare.span = None;
        if let Some(receipt) = rare.receipt.take() {
            receipt.spend();
        }
        rare.grants.drain(..).for_each(fleet::Grant::spend);
    }

    /// A wait is over, because the call is sent or because it ends.
    fn stop_waiting(&mut self) {
        let first = (self.message.attempts == 0).then_some(self.started);
        let now = self.settings.clock.now();
        let rare = self.rare();
        let Some(since) = rare.waits_since.take().or(first) else {
            return;
        };
        let gated_since = rare.backs_off_until.take().unwrap_or(since);
        rare.waited += now.since(since);
        rare.gated += now.since(gated_since);
    }

    pub(crate) fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<Next<R>> {
        let asks = Asks {
            price: self.turn.price(),
            patience: Until {
                latest: self.latest(),
                in_an_outage: self.latest_in_an_outage(),
            },
            most_waiting: self.settings.max_waiting,
        };
        let clock = &self.settings.clock;
        let bucket = self.rare.as_mut().and_then(|rare| rare.bucket.as_mut());
        if let Some(bucket) = bucket.filter(|bucket| !bucket.is_admitted()) {
            if let Err(why) = ready!(bucket.poll(asks, clock, &mut self.timer, cx)) {
                let scope = bucket.gate().scope().clone();
                return Poll::Ready(Next::End(self.leave(why, scope)));
            }
        }
        if !self.turn.is_admitted() {
            if let Err(why) = ready!(self.turn.poll(asks, clock, &mut self.timer, cx)) {
                let scope = self.turn.gate().scope().clone();
                return Poll::Ready(Next::End(self.leave(why, scope)));
            }
        }
        if self.settings.fleet.is_some() {
            return self.poll_fleet(cx);
        }
        Poll::Ready(Next::Ready)
    }

    pub(crate) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Next<R>> {
        match self.service.poll_ready(cx) {
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(error)) => {
                self.turn.give_back();
                let end = self.end_with_error(error.into(), Some(Ended::Final), None);
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
        if !self.message.is_whole() {
            return Poll::Ready(self.end_with_what_is_in_hand());
        }
        if self.still_holds(now) {
            return Poll::Ready(Next::Send);
        }
        // The gate shut while the inner service made itself ready, or others have its place: let go of the permit.
        self.leave_bucket();
        self.service = self.service.clone();
        Poll::Ready(Next::Admit)
    }

    /// Its patience ended while the inner service was not ready.
    fn too_late(&mut self) -> Next<R> {
        let scope = self.turn.gate().scope().clone();
        Next::End(self.give_up(None, ending::THE_CALLERS_AHEAD, scope))
    }

    /// An attempt that was given up has read on in the body while the call waited.
    #[cold]
    fn end_with_what_is_in_hand(&mut self) -> Next<R> {
        self.turn.give_back();
        self.leave_bucket();
        self.stop_waiting();
        let ended = Some(Ended::SentOnce);
        Next::End(match self.rare().in_hand.take() {
            Some(InHand::Whole(head, heard)) => {
                let response = Response::from_parts(head, ResponseBody::heard(heard));
                Ok(self.end(response, ended, None))
            }
            Some(InHand::Hearing(head, hearing, _)) => {
                let body = ResponseBody::heard(hearing.into_heard());
                Ok(self.end(Response::from_parts(head, body), ended, None))
            }
            Some(InHand::Error(error)) => self.end_with_error(error, ended, None),
            None => self.end_with_error(Ended::SentOnce.to_string().into(), ended, None),
        })
    }

    /// Lets go of the bucket's gate, and of what the fleet has granted.
    fn leave_bucket(&mut self) {
        let Some(rare) = &mut self.rare else {
            return;
        };
        rare.grants.clear();
        if let Some(bucket) = &mut rare.bucket {
            bucket.give_back();
        }
    }

    /// Whether all gates have stayed open since they let it through.
    fn still_holds(&mut self, now: Moment) -> bool {
        let bucket = self.rare.as_mut().and_then(|rare| rare.bucket.as_mut());
        let Some(bucket) = bucket else {
            return self.turn.still_holds(now);
        };
        let holds = bucket.still_holds(now) && self.turn.still_holds(now);
        if !holds {
            bucket.not_sent();
            self.turn.give_back();
        }
        holds
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

    pub(crate) fn poll_sleep(&mut self, cx: &mut Context<'_>) -> Poll<Next<R>> {
        if let Some(timer) = &mut self.timer {
            ready!(timer.poll(cx));
        }
        Poll::Ready(Next::Admit)
    }

    fn rare(&mut self) -> &mut Rare<R> {
        self.rare.get_or_insert_with(Box::default)
    }
}
