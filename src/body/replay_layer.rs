//! The layer that makes request bodies replayable.

use std::fmt;
use std::task::{Context, Poll};

use http::header::CONTENT_LENGTH;
use http::{HeaderMap, Request};
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

use super::replay_body::BodyOptions;
use super::{BodyFactory, ReplayBody};

/// A layer that buffers each request body while it is sent, so that it can be sent again.
///
/// Put it outside of the retry layer, for streams.
///
/// Frames are shared, not copied. A body that outgrows the bound is sent on, and its buffer is freed at once. Such a
/// call is sent once, like all calls under [`NoReplayLayer`](super::NoReplayLayer), unless its request carries a
/// [`BodyFactory`]. The same holds for a body that was still being sent when the response arrived: the server did not
/// want the rest.
///
/// # Default
///
/// | setting | default |
/// |---|---|
/// | [`bound`](Self::bound) | 64 KiB |
///
/// ```
/// use tower_backoff::body::ReplayLayer;
///
/// assert_eq!(ReplayLayer::new(), ReplayLayer::new().bound(64 * 1024));
/// ```
///
/// # Example
///
/// ```
/// use tower::ServiceBuilder;
/// use tower_backoff::{RetryLayer, body::ReplayLayer, providers};
/// # let hyper_client = tower::service_fn(
/// #     |_: http::Request<tower_backoff::body::ReplayBody<hyper::body::Incoming>>| async {
/// #         Ok::<_, std::convert::Infallible>(http::Response::new(String::new()))
/// #     },
/// # );
///
/// let uploads = ServiceBuilder::new()
///     .layer(ReplayLayer::new().bound(256 * 1024))
///     .layer(RetryLayer::new(providers::lemlist()))
///     .service(hyper_client);
/// # fn takes<S: tower::Service<http::Request<hyper::body::Incoming>>>(_: S) {}
/// # takes(uploads);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplayLayer {
    bound: usize,
}

impl ReplayLayer {
    const BOUND: usize = 64 * 1024;

    /// Creates the layer with a bound of 64 KiB.
    pub const fn new() -> Self {
        Self { bound: Self::BOUND }
    }

    /// Sets how many bytes of each body are buffered; a frame counts as at least 128.
    ///
    /// With 0 nothing is buffered, and only a [`BodyFactory`] allows a body to be sent again.
    ///
    /// The default is 64 KiB. It bounds what each call in flight keeps in memory.
    #[must_use]
    pub const fn bound(mut self, bytes: usize) -> Self {
        self.bound = bytes;
        self
    }
}

impl Default for ReplayLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Layer<S> for ReplayLayer {
    type Service = ReplayService<S>;

    fn layer(&self, inner: S) -> ReplayService<S> {
        let bound = self.bound;
        ReplayService { inner, bound }
    }
}

/// The service of a [`ReplayLayer`].
#[derive(Clone, Copy)]
pub struct ReplayService<S> {
    inner: S,
    bound: usize,
}

// `'static` is needed because extensions are found by their type.
impl<S, B> Service<Request<B>> for ReplayService<S>
where
    S: Service<Request<ReplayBody<B>>>,
    B: Body + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> S::Future {
        let options = BodyOptions {
            bound: self.bound,
            content_length: content_length(request.headers()),
            factory: request.extensions_mut().remove::<BodyFactory<B>>(),
        };
        self.inner
            .call(request.map(|body| ReplayBody::from(body, options)))
    }
}

/// Returns the `Content-Length`, at which a client stops reading even if the body has not ended.
fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

impl<S> fmt::Debug for ReplayService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplayService")
            .field("bound", &self.bound)
            .finish_non_exhaustive()
    }
}
