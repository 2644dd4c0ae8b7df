//! The service: its readiness is that of the client, and a call is a [`ResponseFuture`].

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use tower_service::Service;

use crate::body::{Replay, ResponseBody};
use crate::config::Settings;
use crate::error::BoxError;
use crate::future::ResponseFuture;
use crate::gate::Gate;
use crate::inner::Inner;

/// A client with a [`RetryLayer`](crate::RetryLayer) around it; clones share their gates.
///
/// The client must be `Clone`: a waiting call keeps a clone that is not ready, so that it holds no permit and no
/// connection. A client that is not `Clone` does not compile:
///
/// ```compile_fail
/// use hyper::client::conn::http1::SendRequest;
/// use tower::{Layer, Service, service_fn};
/// use tower_backoff::{RetryLayer, providers};
///
/// type Request = http::Request<String>;
///
/// fn serve(_: impl Service<Request>) {}
///
/// fn over(connection: SendRequest<String>) {
///     let mut connection = connection; // of one caller at a time
///     let client = service_fn(move |request: Request| connection.send_request(request));
///     serve(RetryLayer::new(providers::lemlist()).layer(client));
/// }
/// ```
///
/// The compiler then says that *the client beneath `RetryLayer` is not `Clone`*, and what helps. With
/// `tower::buffer::Buffer` between the two it compiles:
///
/// ```
/// use hyper::client::conn::http1::SendRequest;
/// use tower::{Service, ServiceBuilder, service_fn};
/// use tower_backoff::{RetryLayer, providers};
///
/// type Request = http::Request<String>;
///
/// fn serve(_: impl Service<Request>) {}
///
/// fn over(connection: SendRequest<String>) {
///     let mut connection = connection;
///     let client = service_fn(move |request: Request| connection.send_request(request));
///     let layer = RetryLayer::new(providers::lemlist());
///     serve(ServiceBuilder::new().layer(layer).buffer(8).service(client));
/// }
/// ```
///
/// Of an error or a body that does not fit the compiler says so as well, but of `client.oneshot(request)` only that *the
/// method exists but its trait bounds were not satisfied* (E0599). `ServiceExt::oneshot(client, request)` has the words.
#[derive(Clone)]
pub struct Retry<S> {
    inner: S,
    settings: Arc<Settings>,
    /// The gate of the last call. Most clients call one host at a time.
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

    /// Sends a request through the layer, once the service was polled ready, as [`Service::call`] does.
    ///
    /// With this method the compiler says in words why a client or a body does not fit. Of the method of the trait it
    /// would say that it does not exist.
    pub fn call<B>(&mut self, request: Request<B>) -> ResponseFuture<S, B>
    where
        S: Inner<B>,
        B: Replay,
    {
        // The service that was polled ready is called; an unready clone takes its place.
        let unready = self.inner.clone();
        let ready = std::mem::replace(&mut self.inner, unready);
        let settings = Arc::clone(&self.settings);
        if settings.disabled.is_some() {
            return ResponseFuture::untouched(ready, settings, request);
        }
        ResponseFuture::new(ready, &self.inner, settings, &mut self.last, request)
    }

    /// Returns a reference to the client beneath.
    ///
    /// ```
    /// use tower::Layer;
    /// use tower_backoff::{RetryLayer, providers};
    ///
    /// let service = RetryLayer::new(providers::wolfeo()).layer("a client");
    /// assert_eq!(*service.get_ref(), "a client");
    /// ```
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// Returns a mutable reference to the client beneath.
    ///
    /// Calls in flight keep the clone that they began with.
    ///
    /// ```
    /// use tower::Layer;
    /// use tower_backoff::{RetryLayer, providers};
    ///
    /// let mut service = RetryLayer::new(providers::wolfeo()).layer("a client");
    /// *service.get_mut() = "another client";
    /// assert_eq!(*service.get_ref(), "another client");
    /// ```
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// Takes the layer off and returns the client beneath.
    ///
    /// ```
    /// use tower::Layer;
    /// use tower_backoff::{RetryLayer, providers};
    ///
    /// let service = RetryLayer::new(providers::wolfeo()).layer("a client");
    /// assert_eq!(service.into_inner(), "a client");
    /// ```
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S: Inner<B>, B: Replay> Service<Request<B>> for Retry<S> {
    type Response = Response<ResponseBody<S::ResponseBody>>;
    type Error = BoxError;
    type Future = ResponseFuture<S, B>;

    /// Reports the readiness of the client. The rate limit is not waited for here.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        Self::call(self, request)
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
