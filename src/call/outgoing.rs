//! The request of a call, kept so that it can be sent again.

use std::time::Duration;

use http::{HeaderValue, Request, request};
use http_body::Body;
use tower_service::Service;

use super::{RetryState, grpc};
use crate::body::Replay;
use crate::config::Settings;
use crate::policy::RequestHead;
use crate::retry::Priority;
use crate::scope::Scope;
use crate::telemetry::trace;

/// The head and the body of a request.
pub(crate) struct Outgoing<B> {
    pub(super) head: request::Parts,
    /// `None` once it has been sent and cannot be had again.
    pub(super) body: Option<B>,
    /// How often it was sent: two bytes beside the body, which is often none.
    sent: u16,
    /// How many of these attempts the server has not seen.
    unseen: u16,
    content: Content,
}

impl<B> Outgoing<B> {
    #[inline]
    pub(crate) fn new(request: Request<B>) -> Self
    where
        B: Body,
    {
        let (head, body) = request.into_parts();
        Self {
            head,
            content: Content::of(&body),
            body: Some(body),
            sent: 0,
            unseen: 0,
        }
    }

    /// What is left of a request that was sent away as it was.
    pub(crate) fn sent_away() -> Self {
        let (head, ()) = Request::new(()).into_parts();
        Self {
            head,
            body: None,
            sent: 1,
            unseen: 0,
            content: Content::NOTHING,
        }
    }

    #[inline]
    pub(crate) fn head(&self) -> RequestHead<'_> {
        RequestHead::from(&self.head)
    }

    /// Which of the waiting calls go before it.
    #[inline]
    pub(super) fn priority(&self) -> Priority {
        self.head.extensions.get().copied().unwrap_or_default()
    }

    /// How often it was sent.
    pub(super) fn attempts(&self) -> u32 {
        self.sent.into()
    }

    /// Notes that the server has not seen the last attempt.
    pub(super) fn on_unseen(&mut self) {
        self.unseen = self.unseen.saturating_add(1);
    }

    /// Whether the request was more than its head, before it was sent.
    pub(super) fn has_body(&self) -> bool {
        self.content != Content::NOTHING
    }
}

impl<B: Replay> Outgoing<B> {
    /// Sends a copy, or itself if there can be none, within a span if anything listens.
    /// `waited` is the time since the call began, if it was not sent at once.
    #[inline]
    pub(super) fn send<S, R: Body>(
        &mut self,
        service: &mut S,
        settings: &Settings,
        scope: &Scope,
        retry_state: &mut Option<Box<RetryState<R>>>,
        waited: Option<Duration>,
    ) -> S::Future
    where
        S: Service<Request<B>>,
    {
        settings.add_idempotency_key(&mut self.head);
        self.sent = self.sent.saturating_add(1);
        let replayed = !B::IS_CLONE || self.content != Content::UNKNOWN;
        let original = self.body.as_ref().filter(|_| replayed);
        let copy = original.and_then(Replay::replay);
        let body = copy
            .or_else(|| self.body.take())
            .expect("a call goes again only with a body to send");
        let mut request = Request::from_parts(self.head.clone(), body);
        if let Some(waited) = waited {
            self.describe(&mut request, settings, waited);
        }
        let Some(span) = trace::attempt(scope, &self.head.method, self.attempts()) else {
            return service.call(request);
        };
        let sent = span.in_scope(|| service.call(request));
        retry_state.get_or_insert_with(Box::default).span = Some(Box::new(span));
        sent
    }

    /// Replaces the body by a copy, if there is one. Returns whether it can be sent again.
    pub(super) fn renew(&mut self, replay: impl FnOnce(&B) -> Option<B>) -> bool {
        self.body = self.body.as_ref().and_then(replay);
        self.is_whole()
    }

    /// Whether there is a body to send, and nothing has read on in it since it told its size.
    pub(super) fn is_whole(&self) -> bool {
        let is_whole = |body| {
            let completion = self.content != Content::UNKNOWN && self.content == Content::of(body);
            !B::IS_CLONE || self.sent == 0 || completion
        };
        self.body.as_ref().is_some_and(is_whole)
    }

    /// Says in the headers which attempt it is, and how much time it has, where the provider has a header for it.
    #[cold]
    fn describe(&self, request: &mut Request<B>, settings: &Settings, waited: Duration) {
        let (policy, head) = (&settings.policy, self.head());
        let headers = request.headers_mut();
        let earlier = self.attempts() - 1;
        if let Some(name) = policy.attempt_header(&head).filter(|_| earlier > 0) {
            headers.insert(name, HeaderValue::from(self.attempts()));
        }
        if policy.is_grpc(&head) {
            grpc::reduce_timeout(headers, waited);
            let seen = earlier.saturating_sub(self.unseen.into());
            if seen > 0 {
                headers.insert(grpc::PREVIOUS_ATTEMPTS, HeaderValue::from(seen));
            }
        }
    }
}

/// What a body told of its size before it was sent, in four bytes: each call in flight keeps it.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Content(u32);

impl Content {
    /// It has ended before it began: the request is nothing but its head.
    const NOTHING: Self = Self(0);
    /// It does not know its size, or has 4 GiB and more.
    const UNKNOWN: Self = Self(u32::MAX);

    #[inline]
    fn of(body: &impl Body) -> Self {
        if body.is_end_stream() {
            return Self::NOTHING;
        }
        let size = body.size_hint().exact();
        let size = size.and_then(|size| u32::try_from(size).ok()?.checked_add(1));
        size.map_or(Self::UNKNOWN, Self)
    }
}
