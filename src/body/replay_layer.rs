//! The layer that makes every body one that can be sent again.

use std::fmt;
use std::task::{Context, Poll};

use http::header::CONTENT_LENGTH;
use http::{HeaderMap, Request};
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

use super::replay_body::BodyOptions;
use super::{BodyFactory, ReplayBody};

/// Buffers every body while it is sent, up to a bound, so that it can be sent again: put it outside
/// the retry layer when bodies are streams.
///
/// What was sent is shared, not copied. A body that outgrows the bound is sent on, and its buffer is
/// let go of at once: such a call is sent once, like all calls under [`NoReplayLayer`](super::NoReplayLayer),
/// unless its request carries a [`BodyFactory`]. The same holds for a body that was still being sent when
/// the answer came: what the server has not read is not pressed upon it again.
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

    /// With a bound of 64 KiB.
    pub const fn new() -> Self {
        Self { bound: Self::BOUND }
    }

    /// Buffers up to so many bytes of each body; a frame counts as at least 128. With 0 nothing is
    /// buffered, and only a [`BodyFactory`] gets a body sent again.
    ///
    /// The default is 64 KiB. It bounds what each call under way keeps in memory.
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

/// The service that [`ReplayLayer`] makes.
#[derive(Clone, Copy)]
pub struct ReplayService<S> {
    inner: S,
    bound: usize,
}

// `'static` only because extensions are told apart by type.
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

/// A client stops reading a body after so many bytes, even if the body has not said that it ended.
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
