//! A request body that is buffered while it is sent.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::tee::{Place, Tee};
use super::{BodyFactory, Replay};
use crate::error::BoxError;
use crate::telemetry::trace;

/// A body that keeps what was sent of it, up to a bound, so that it can be sent again; see
/// [`ReplayLayer`](super::ReplayLayer), which makes them.
///
/// All replays of one body share it and its buffer: each yields the same data and the same trailers
/// from the start, first out of the buffer and then, where an attempt broke off halfway, on from the
/// body itself. Nothing is copied: what is buffered are clones of [`Bytes`].
///
/// * A body that outgrows the bound is sent on as if nothing were the matter; its buffer is let go of
///   at once, and [`replay`](Replay::replay) says `None`.
/// * So it does when the body ended in an error: that attempt gets the error itself.
/// * Only one attempt reads at a time. One that was taken over gets an error, never a body that looks
///   shorter than it is.
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
    shared: Arc<Shared<B>>,
    place: Place,
}

struct Shared<B> {
    tee: Mutex<Tee<B>>,
    origin: Origin<B>,
}

/// What else is known of a body.
pub(super) struct Origin<B> {
    pub(super) bound: usize,
    /// How many bytes the request says there are.
    pub(super) announced: Option<u64>,
    pub(super) remake: Option<BodyFactory<B>>,
}

impl<B: Body> ReplayBody<B> {
    /// Buffers up to `bound` bytes; a frame counts as at least 128.
    pub fn new(body: B, bound: usize) -> Self {
        let origin = Origin {
            bound,
            announced: None,
            remake: None,
        };
        Self::from(body, origin)
    }

    pub(super) fn from(body: B, origin: Origin<B>) -> Self {
        let tee = Mutex::new(Tee::new(body, origin.bound, origin.announced));
        Self::begin(Arc::new(Shared { tee, origin }))
    }

    fn remake(&self) -> Option<Self> {
        let origin = &self.shared.origin;
        let body = origin.remake.as_ref()?.make();
        if body.is_none() {
            trace::not_remade();
        }
        Some(Self::from(body?, origin.clone()))
    }
}

impl<B> ReplayBody<B> {
    /// The same body from its start, read by another attempt, if the buffer has all of it. Whoever
    /// reads now is cut off.
    fn share(&self) -> Option<Self> {
        let mut tee = self.shared.tee();
        let reader = tee.is_whole().then(|| tee.cut_off())?;
        drop(tee);
        wake(reader);
        Some(Self::begin(Arc::clone(&self.shared)))
    }

    fn begin(shared: Arc<Shared<B>>) -> Self {
        Self {
            shared,
            place: Place::default(),
        }
    }
}

impl<B> Shared<B> {
    // The body is polled under this lock. It is never held for longer than that, and nothing that is
    // dropped or woken meanwhile takes it.
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
        self.share().or_else(|| self.remake())
    }

    fn replay_after_answer(&self) -> Option<Self> {
        let under_way = self.shared.tee().is_under_way();
        if under_way {
            self.remake()
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
        let before = tee.begin(&mut this.place);
        let frame = tee.poll_frame(&mut this.place, cx);
        drop(tee);
        wake(before);
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.shared.tee().is_end_stream(&self.place)
    }

    fn size_hint(&self) -> SizeHint {
        self.shared.tee().size_hint(&self.place)
    }
}

/// Never under the lock: what a waker does is its own affair.
fn wake(reader: Option<Waker>) {
    if let Some(reader) = reader {
        reader.wake();
    }
}

impl<B> Clone for Origin<B> {
    fn clone(&self) -> Self {
        Self {
            bound: self.bound,
            announced: self.announced,
            remake: self.remake.clone(),
        }
    }
}

impl<B> fmt::Debug for ReplayBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplayBody")
            .field("bound", &self.shared.origin.bound)
            .finish_non_exhaustive()
    }
}
