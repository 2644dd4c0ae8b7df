//! The service: readiness is the inner one's, a call is a [`ResponseFuture`].

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use crate::body::{Replay, ResponseBody};
use crate::error::BoxError;
use crate::future::ResponseFuture;
use crate::gate::Gate;
use crate::settings::Settings;

/// A client behind a [`RetryLayer`](crate::RetryLayer). Clones share their gates.
#[derive(Clone)]
pub struct Retry<S> {
    inner: S,
    settings: Arc<Settings>,
    /// The gate of the last call: most clients talk to one host at a time.
    last: Option<Arc<Gate>>,
}

impl<S> Retry<S> {
    pub(crate) fn new(inner: S, settings: Arc<Settings>) -> Self {
        Self {
            inner,
            settings,
            last: None,
        }
    }
}

impl<S, B, R> Service<Request<B>> for Retry<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    S::Error: Into<BoxError>,
    B: Replay,
    R: Body,
{
    type Response = Response<ResponseBody<R>>;
    type Error = BoxError;
    type Future = ResponseFuture<S, B, R>;

    /// Nothing is held for the rate limit here: only the inner service says when it is ready.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // The service that was readied is the one to be called; its clone stays behind, unready.
        let unready = self.inner.clone();
        let ready = std::mem::replace(&mut self.inner, unready);
        let settings = Arc::clone(&self.settings);
        ResponseFuture::new(ready, &self.inner, settings, &mut self.last, request)
    }
}

impl<S> fmt::Debug for Retry<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Retry")
            .field("inner", &format_args!("{}", std::any::type_name::<S>()))
            .field("settings", &self.settings)
            .finish()
    }
}
