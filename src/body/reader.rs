//! Reads the body of a refusal: enough to judge it, then to its end to free the connection.
//!
//! The beginning of other responses is read where their trailers may be a refusal.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};

use crate::time::{Moment, Timer, later};

/// Reads a response body, bounded in bytes and time.
///
/// The body is boxed, since it has been polled in place.
pub(crate) struct BodyReader<R: Body> {
    buffered: BufferedBody<R>,
    bytes: usize,
    /// The memory that the frames take, however small they are.
    cost: usize,
    /// Ends the reading.
    timer: Timer,
    timed_out: bool,
    /// Whether the body is read only to free its connection; then at most `STORE_LIMIT` bytes are kept.
    drains: bool,
    /// Whether only trailers are of interest; then a second message ends the reading.
    trailers_only: bool,
}

/// A body in two parts: the frames that were read, and the rest.
pub(crate) struct BufferedBody<R: Body> {
    pub(super) frames: VecDeque<Frame<Bytes>>,
    /// Whether the frames were dropped.
    pub(super) truncated: bool,
    pub(super) error: Option<R::Error>,
    pub(super) rest: Option<Pin<Box<R>>>,
}

impl<R: Body> BufferedBody<R> {
    /// A body that has ended before it began.
    pub(super) fn empty() -> Self {
        Self {
            frames: VecDeque::new(),
            truncated: false,
            error: None,
            rest: None,
        }
    }
}

impl<R: Body> BodyReader<R> {
    /// The longest body, in bytes, that is judged. Of longer ones only the head is.
    pub(crate) const PEEK_LIMIT: usize = 64 * 1024;
    /// The longest body, in bytes, that is read to free its connection. Longer ones close it.
    pub(crate) const DRAIN_LIMIT: usize = 256 * 1024;
    /// The longest body, in bytes, that a waiting call keeps.
    pub(crate) const STORE_LIMIT: usize = 4 * 1024;
    const FRAMES_PER_POLL: usize = 64;
    const READ_TIMEOUT: Duration = Duration::from_secs(2);
    /// How long trailers are waited for.
    ///
    /// The trailers of a response with one message come with it or right after. A stream that was taken for such a
    /// response is delayed by at most this.
    const TRAILERS_TIMEOUT: Duration = Duration::from_millis(100);

    pub(crate) fn new(body: R, now: Moment) -> Self {
        Self::until(body, later(now, Self::READ_TIMEOUT))
    }

    /// Creates a reader for trailers that arrive soon.
    pub(crate) fn for_trailers(body: R, now: Moment) -> Self {
        let mut reader = Self::until(body, later(now, Self::TRAILERS_TIMEOUT));
        reader.trailers_only = true;
        reader
    }

    fn until(body: R, until: Moment) -> Self {
        Self {
            buffered: BufferedBody {
                frames: VecDeque::new(),
                truncated: false,
                error: None,
                rest: Some(Box::pin(body)),
            },
            bytes: 0,
            cost: 0,
            timer: Timer::until(until),
            timed_out: false,
            drains: false,
            trailers_only: false,
        }
    }

    /// Reads until the end of the body, an error, the time limit, or more than `limit` bytes.
    pub(crate) fn poll(&mut self, limit: usize, cx: &mut Context<'_>) -> Poll<()> {
        for _ in 0..Self::FRAMES_PER_POLL {
            let streams = self.trailers_only && self.buffered.has_a_second_message(self.bytes);
            let Some(rest) = &mut self.buffered.rest else {
                return Poll::Ready(());
            };
            let too_much = self.cost > limit || too_large(rest.size_hint(), self.bytes, limit);
            if self.timed_out || too_much || streams {
                return Poll::Ready(());
            }
            match rest.as_mut().poll_frame(cx) {
                Poll::Ready(frame) => self.on_frame(frame),
                Poll::Pending => {
                    ready!(self.timer.poll(cx));
                    self.timed_out = true;
                }
            }
        }
        // A body that is always ready must not block the task, nor outrun the timer.
        self.timed_out = self.timer.poll(cx).is_ready();
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Reads on to free the connection, and keeps the body only if it is small.
    pub(crate) fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.drains = true;
        self.drop_if_large();
        self.poll(Self::DRAIN_LIMIT, cx)
    }

    fn drop_if_large(&mut self) {
        if self.drains && self.bytes > Self::STORE_LIMIT {
            self.buffered.frames = VecDeque::new();
            self.buffered.truncated = true;
        }
    }

    fn on_frame(&mut self, frame: Option<Result<Frame<R::Data>, R::Error>>) {
        match frame {
            Some(Ok(frame)) => {
                let frame = frame.map_data(|mut data| data.copy_to_bytes(data.remaining()));
                let bytes = frame.data_ref().map_or(0, Bytes::len);
                self.bytes += bytes;
                self.cost += bytes.max(size_of::<Frame<Bytes>>());
                self.buffered.frames.push_back(frame);
                self.drop_if_large();
            }
            Some(Err(error)) => {
                self.buffered.error = Some(error);
                self.buffered.rest = None;
            }
            None => self.buffered.rest = None,
        }
    }

    /// Returns the body, if it ended without an error and has at most `PEEK_LIMIT` bytes.
    pub(crate) fn complete(&self) -> Option<Bytes> {
        let ended = self.buffered.rest.is_none() && self.buffered.error.is_none();
        (ended && self.bytes <= Self::PEEK_LIMIT).then(|| self.concat())
    }

    /// Returns the trailers, if the body has ended.
    pub(crate) fn trailers(&self) -> Option<&HeaderMap> {
        let last = self
            .buffered
            .frames
            .back()
            .filter(|_| self.buffered.rest.is_none());
        last.and_then(Frame::trailers_ref)
    }

    fn concat(&self) -> Bytes {
        let mut pieces = self.buffered.pieces();
        match (pieces.next(), pieces.next()) {
            (None, _) => Bytes::new(),
            (Some(only), None) => only.clone(),
            (Some(first), Some(second)) => {
                let mut all = BytesMut::with_capacity(self.bytes);
                all.extend_from_slice(first);
                all.extend_from_slice(second);
                pieces.for_each(|piece| all.extend_from_slice(piece));
                all.freeze()
            }
        }
    }

    pub(crate) fn into_buffered(self) -> BufferedBody<R> {
        self.buffered
    }
}

/// Whether the body exceeds `limit`, by what it announces as well.
fn too_large(left: SizeHint, read: usize, limit: usize) -> bool {
    let left = usize::try_from(left.lower()).unwrap_or(usize::MAX);
    read.saturating_add(left) > limit
}

impl<R: Body> BufferedBody<R> {
    pub(super) fn pieces(&self) -> impl Iterator<Item = &Bytes> {
        self.frames.iter().filter_map(Frame::data_ref)
    }

    /// Whether a second gRPC message has begun.
    ///
    /// Each message has a flag, four bytes for its length, and its content.
    fn has_a_second_message(&self, bytes: usize) -> bool {
        let mut prefix = self.pieces().flatten();
        let [_, length @ ..] = [(); 5].map(|()| prefix.next().copied().unwrap_or_default());
        let first = u64::from(u32::from_be_bytes(length)) + 5;
        bytes as u64 > first
    }

    /// Whether the body was read to its end and all of it is here.
    pub(super) fn is_whole(&self) -> bool {
        self.rest.is_none() && !self.truncated
    }
}
