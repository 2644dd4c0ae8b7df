//! Bodies that are sent once and never again.

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
    /// A body that can be sent only once, whatever happens; see [`NoReplayLayer`].
    // Not `Clone`, on purpose: every `Clone` body is replayed by cloning it.
    pub struct NoReplay<B> {
        #[pin]
        body: B,
    }
}

impl<B> NoReplay<B> {
    /// Declares that this body is sent once.
    ///
    /// ```
    /// use tower_backoff::body::{NoReplay, Replay};
    ///
    /// assert!(NoReplay::new(String::from("a stream, say")).replay().is_none());
    /// ```
    pub fn new(body: B) -> Self {
        Self { body }
    }

    /// The body itself.
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

/// Sends every body once: put it outside the retry layer when bodies are streams.
///
/// Such a call still waits at the gate for its turn, and a refusal still shuts the gate for all
/// others; but it is never sent again, and its [`Report`](crate::Report) says why.
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
    /// There is nothing to set.
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

/// The service that [`NoReplayLayer`] makes.
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
