//! A request body that is buffered while it is sent.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::tee::{ReadPosition, Tee};
use super::{BodyFactory, Replay};
use crate::error::BoxError;
use crate::telemetry::trace;

/// A body that buffers what is sent of it, up to a bound, so that it can be sent again.
///
/// [`ReplayLayer`](super::ReplayLayer) creates them.
///
/// All replays of one body share it and its buffer. Each yields the same data and trailers from the start: first from
/// the buffer and then, where an attempt was interrupted, from the body itself. Nothing is copied: the buffer holds
/// clones of [`Bytes`].
///
/// * A body that outgrows the bound is sent on; its buffer is freed at once, and [`replay`](Replay::replay) returns
///   `None`.
/// * The same happens when the body ends in an error: that attempt gets the error.
/// * Only one attempt reads at a time. An attempt that was replaced gets an error, never a body that looks shorter
///   than it is.
///
/// ```
/// use http_body_util::{BodyExt, StreamBody};
/// use tower_backoff::body::{Replay, ReplayBody};
/// # use bytes::Bytes;
/// # use http_body::Frame;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), tower_backoff::BoxError> {
///
/// let frames = ["or", "der"].map(|piece| Ok::<_, std::io::Error>(Frame::data(Bytes::from(piece))));
/// let stream = StreamBody::new(futures_util::stream::iter(frames));
/// let mut first = ReplayBody::new(stream, 1024);
/// first.frame().await; // the connection breaks here
/// let second = first.replay().expect("it fits into the buffer");
/// assert_eq!(second.collect().await?.to_bytes(), "order");
/// assert!(first.frame().await.is_some_and(|frame| frame.is_err())); // never just the end
/// # Ok(())
/// # }
/// ```
// Not `Clone`, on purpose: every `Clone` body is replayed by cloning it.
pub struct ReplayBody<B> {
    shared: Arc<SharedBody<B>>,
    position: ReadPosition,
}

struct SharedBody<B> {
    tee: Mutex<Tee<B>>,
    options: BodyOptions<B>,
}

/// The settings of one body.
pub(super) struct BodyOptions<B> {
    pub(super) bound: usize,
    /// The `Content-Length` of the request.
    pub(super) content_length: Option<u64>,
    pub(super) factory: Option<BodyFactory<B>>,
}

impl<B: Body> ReplayBody<B> {
    /// Wraps a body and buffers up to `bound` bytes of it; a frame counts as at least 128.
    pub fn new(body: B, bound: usize) -> Self {
        let options = BodyOptions {
            bound,
            content_length: None,
            factory: None,
        };
        Self::from(body, options)
    }

    pub(super) fn from(body: B, options: BodyOptions<B>) -> Self {
        let tee = Mutex::new(Tee::new(body, options.bound, options.content_length));
        Self::begin(Arc::new(SharedBody { tee, options }))
    }

    fn rebuild(&self) -> Option<Self> {
        let options = &self.shared.options;
        let body = options.factory.as_ref()?.make();
        if body.is_none() {
            trace::on_factory_error();
        }
        Some(Self::from(body?, options.clone()))
    }
}

impl<B> ReplayBody<B> {
    /// Returns the body from its start for another attempt, if the buffer has all of it.
    ///
    /// The current reader is cut off.
    fn share(&self) -> Option<Self> {
        let mut tee = self.shared.tee();
        let reader = tee.is_whole().then(|| tee.cut_off())?;
        drop(tee);
        wake(reader);
        Some(Self::begin(Arc::clone(&self.shared)))
    }

    fn begin(shared: Arc<SharedBody<B>>) -> Self {
        Self {
            shared,
            position: ReadPosition::default(),
        }
    }
}

impl<B> SharedBody<B> {
    // The body is polled while this lock is held. It is held no longer, and nothing that is dropped or woken in the
    // meantime takes it.
    fn tee(&self) -> MutexGuard<'_, Tee<B>> {
        self.tee.lock().unwrap_or_else(|panicked| {
            let mut tee = panicked.into_inner();
            tee.fail();
            tee
        })
    }
}

impl<B> Replay for ReplayBody<B>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    fn replay(&self) -> Option<Self> {
        self.share().or_else(|| self.rebuild())
    }

    fn replay_after_answer(&self) -> Option<Self> {
        let under_way = self.shared.tee().is_under_way();
        if under_way {
            self.rebuild()
        } else {
            self.replay()
        }
    }
}

impl<B> Body for ReplayBody<B>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        let mut tee = this.shared.tee();
        let before = tee.begin(&mut this.position);
        let frame = tee.poll_frame(&mut this.position, cx);
        drop(tee);
        wake(before);
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.shared.tee().is_end_stream(&self.position)
    }

    fn size_hint(&self) -> SizeHint {
        self.shared.tee().size_hint(&self.position)
    }
}

/// Wakes a reader. Must not be called under the lock, since a waker may do anything.
fn wake(reader: Option<Waker>) {
    if let Some(reader) = reader {
        reader.wake();
    }
}

impl<B> Clone for BodyOptions<B> {
    fn clone(&self) -> Self {
        Self {
            bound: self.bound,
            content_length: self.content_length,
            factory: self.factory.clone(),
        }
    }
}

impl<B> fmt::Debug for ReplayBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplayBody")
            .field("bound", &self.shared.options.bound)
            .finish_non_exhaustive()
    }
}
