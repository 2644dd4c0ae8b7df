//! Request bodies that are never sent again.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::Request;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::Replay;

pin_project! {
    /// A body that is sent only once; see [`NoReplayLayer`].
    // Not `Clone`, on purpose: every `Clone` body is replayed by cloning it.
    pub struct NoReplay<B> {
        #[pin]
        body: B,
    }
}

impl<B> NoReplay<B> {
    /// Wraps a body so that it is sent only once.
    ///
    /// ```
    /// use tower_backoff::body::{NoReplay, Replay};
    ///
    /// assert!(NoReplay::new(String::from("a stream")).replay().is_none());
    /// ```
    pub fn new(body: B) -> Self {
        Self { body }
    }

    /// Returns the body.
    pub fn into_inner(self) -> B {
        self.body
    }
}

impl<B: Body> Replay for NoReplay<B> {
    fn replay(&self) -> Option<Self> {
        None
    }
}

impl<B: Body> Body for NoReplay<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        self.project().body.poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<B> fmt::Debug for NoReplay<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NoReplay").finish_non_exhaustive()
    }
}

/// A layer that sends each request body only once, for streams.
///
/// Put it outside of the retry layer.
///
/// Such a call still waits at the gate for its slot, and its refusal still closes the gate for all others. But it is
/// never sent again, and its [`Report`](crate::Report) says why.
///
/// ```
/// use tower::ServiceBuilder;
/// use tower_backoff::{RetryLayer, body::NoReplayLayer, providers};
/// # let hyper_client = tower::service_fn(
/// #     |_: http::Request<tower_backoff::body::NoReplay<hyper::body::Incoming>>| async {
/// #         Ok::<_, std::convert::Infallible>(http::Response::new(String::new()))
/// #     },
/// # );
///
/// let uploads = ServiceBuilder::new()
///     .layer(NoReplayLayer::new())
///     .layer(RetryLayer::new(providers::lemlist()))
///     .service(hyper_client);
/// # fn takes<S: tower::Service<http::Request<hyper::body::Incoming>>>(_: S) {}
/// # takes(uploads);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct NoReplayLayer(());

impl NoReplayLayer {
    /// Creates the layer, which has no settings.
    pub const fn new() -> Self {
        Self(())
    }
}

impl<S> Layer<S> for NoReplayLayer {
    type Service = NoReplayService<S>;

    fn layer(&self, inner: S) -> NoReplayService<S> {
        NoReplayService { inner }
    }
}

/// The service of a [`NoReplayLayer`].
#[derive(Clone, Copy)]
pub struct NoReplayService<S> {
    inner: S,
}

impl<S, B> Service<Request<B>> for NoReplayService<S>
where
    S: Service<Request<NoReplay<B>>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> S::Future {
        self.inner.call(request.map(NoReplay::new))
    }
}

impl<S> fmt::Debug for NoReplayService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NoReplayService").finish_non_exhaustive()
    }
}
