//! The request of a call, kept so that it can be sent again.

use http::{HeaderValue, Request, request};
use http_body::Body;
use tower_service::Service;

use super::Rare;
use crate::body::Replay;
use crate::policy::RequestHead;
use crate::scope::Scope;
use crate::settings::Settings;
use crate::trace;

/// Head and body.
pub(crate) struct Message<B> {
    pub(super) head: request::Parts,
    /// `None` once it has been sent and cannot be had again.
    pub(super) body: Option<B>,
    /// How often it was sent.
    pub(super) attempts: u32,
}

impl<B> Message<B> {
    #[inline]
    pub(crate) fn new(request: Request<B>) -> Self {
        let (head, body) = request.into_parts();
        Self {
            head,
            body: Some(body),
            attempts: 0,
        }
    }

    #[inline]
    pub(crate) fn head(&self) -> RequestHead<'_> {
        RequestHead::from(&self.head)
    }
}

impl<B: Replay> Message<B> {
    /// Sends a copy, or itself if there can be none, within a span if anybody listens.
    #[inline]
    pub(super) fn send<S, R: Body>(
        &mut self,
        service: &mut S,
        settings: &Settings,
        scope: &Scope,
        rare: &mut Option<Box<Rare<R>>>,
    ) -> S::Future
    where
        S: Service<Request<B>>,
    {
        settings.key(&mut self.head);
        self.attempts += 1;
        let copy = self.body.as_ref().and_then(Replay::replay);
        let body = copy
            .or_else(|| self.body.take())
            .expect("a call goes again only with a body to send");
        let mut request = Request::from_parts(self.head.clone(), body);
        if self.attempts > 1 {
            self.number(&mut request, settings);
        }
        let Some(span) = trace::attempt(scope, &self.head.method, self.attempts) else {
            return service.call(request);
        };
        let sent = span.in_scope(|| service.call(request));
        rare.get_or_insert_with(Box::default).span = Some(Box::new(span));
        sent
    }

    /// Says on the wire which attempt this is, if the provider has a header for it.
    #[cold]
    fn number(&self, request: &mut Request<B>, settings: &Settings) {
        if let Some(name) = settings.policy.attempt_header(&self.head()) {
            let headers = request.headers_mut();
            headers.insert(name, HeaderValue::from(self.attempts));
        }
    }
}
