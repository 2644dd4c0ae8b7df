//! Factories that rebuild a request body.

use std::fmt;
use std::sync::Arc;

/// Rebuilds a request body of type `B`, for example by opening a file again.
///
/// Put it into the extensions of a request. [`ReplayLayer`](super::ReplayLayer) takes it out, and calls it when the
/// body cannot be replayed: when it outgrew the buffer, failed, or was still being sent when the response arrived.
///
/// It is called when the retry is planned, and the body is kept while the call waits. If it fails, the call ends with
/// the last response and a [`Report`](crate::Report) of
/// [`StopReason::BodyNotReplayable`](crate::StopReason::BodyNotReplayable); an empty or truncated body is never sent.
/// Its error is not logged, since it may contain secrets.
///
/// `B` is the type of the request's body that the [`ReplayLayer`](super::ReplayLayer) receives. A factory of another
/// type is ignored.
///
/// ```
/// use std::fs::File;
/// use std::io::{self, Read};
/// use tower_backoff::body::BodyFactory;
/// # use bytes::Bytes;
/// # use http_body::Frame;
/// # type Upload = http_body_util::combinators::BoxBody<Bytes, io::Error>;
/// # fn in_chunks(file: impl Read + Send + Sync + 'static) -> Upload {
/// #     let frames = file.bytes().map(|byte| Ok(Frame::data(Bytes::from(vec![byte?]))));
/// #     Upload::new(http_body_util::StreamBody::new(futures_util::stream::iter(frames)))
/// # }
///
/// let open = || File::open("Cargo.toml").map(in_chunks);
/// let request = http::Request::put("https://api.example.com/orders")
///     .extension(BodyFactory::new(open))
///     .body(open()?)?;
/// # drop(request);
/// # Ok::<(), tower_backoff::BoxError>(())
/// ```
pub struct BodyFactory<B> {
    make: Arc<dyn Fn() -> Option<B> + Send + Sync>,
}

impl<B> BodyFactory<B> {
    /// Creates a factory from a function.
    ///
    /// Each body must be equal to the first, byte for byte: the server may have received the beginning of the
    /// previous one.
    pub fn new<E>(make: impl Fn() -> Result<B, E> + Send + Sync + 'static) -> Self {
        Self {
            make: Arc::new(move || make().ok()),
        }
    }

    pub(super) fn make(&self) -> Option<B> {
        (self.make)()
    }
}

impl<B> Clone for BodyFactory<B> {
    fn clone(&self) -> Self {
        Self {
            make: Arc::clone(&self.make),
        }
    }
}

impl<B> fmt::Debug for BodyFactory<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BodyFactory").finish_non_exhaustive()
    }
}
