//! Making a request body anew.

use std::fmt;
use std::sync::Arc;

/// How a body of type `B` is made anew: opens the file again, asks for the rows again. Put into the
/// request's extensions; [`ReplayLayer`](super::ReplayLayer) takes it out, and asks it when the body
/// itself cannot be replayed: when it outgrew the buffer, failed, or was still being sent when the
/// answer came.
///
/// It is asked when the retry is planned, with the answer in hand, and the body it makes is kept while
/// the call waits. If it fails, the call ends with that answer and a [`Report`](crate::Report) of
/// [`StopReason::BodyNotReplayable`](crate::StopReason::BodyNotReplayable); never is a body sent that is empty or cut. Why it failed
/// is its own to tell: its error is not logged, since it may name what is secret.
///
/// `B` is the type of the request's body as the [`ReplayLayer`](super::ReplayLayer) is given it:
/// a maker of other bodies is left alone.
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
    /// Makes it like this. The body must be the same to the byte: the server may have seen the
    /// beginning of the last one.
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
