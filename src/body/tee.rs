//! One body that several attempts read, one at a time.
//!
//! Each attempt reads from the start: first from the buffer, and then from the body itself.

use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};

use super::buffer::{Buffer, BufferError};
use crate::error::BoxError;

/// The state that all attempts share.
pub(super) struct Tee<B> {
    /// The body, until it has ended.
    original: Option<Pin<Box<B>>>,
    buffer: Buffer,
    /// The attempt that reads now; earlier ones were cut off.
    reader: Option<u64>,
    attempts: u64,
    /// Woken when the reader is cut off, so that it releases its connection.
    reader_waker: Option<Waker>,
    /// How many bytes of data are left by the `Content-Length`.
    content_length: Option<u64>,
    /// Whether all data was read. Some clients stop before the end of the body.
    complete: bool,
}

/// The position of one attempt.
#[derive(Default)]
pub(super) struct ReadPosition {
    /// The number of the attempt, set by its first poll.
    attempt: Option<u64>,
    /// How many frames of the buffer it has read.
    next: usize,
}

impl<B: Body> Tee<B> {
    pub(super) fn new(body: B, bound: usize, content_length: Option<u64>) -> Self {
        Self {
            original: (!body.is_end_stream()).then(|| Box::pin(body)),
            buffer: Buffer::new(bound),
            reader: None,
            attempts: 0,
            reader_waker: None,
            content_length,
            complete: false,
        }
    }

    pub(super) fn is_end_stream(&self, position: &ReadPosition) -> bool {
        let read = position.next >= self.buffer.len();
        read && self.original.is_none() && self.error(position).is_none()
    }

    pub(super) fn size_hint(&self, position: &ReadPosition) -> SizeHint {
        if self.error(position).is_some() {
            // The next item is an error, and no data.
            return SizeHint::new();
        }
        let rest = match &self.original {
            Some(body) => body.size_hint(),
            None => SizeHint::with_exact(0),
        };
        let buffered = self.buffer.bytes_from(position.next);
        let mut hint = SizeHint::new();
        hint.set_lower(buffered.saturating_add(rest.lower()));
        if let Some(upper) = rest.upper() {
            hint.set_upper(buffered.saturating_add(upper));
        }
        hint
    }
}

impl<B> Tee<B> {
    /// Whether another attempt can read from the start.
    pub(super) fn is_whole(&self) -> bool {
        self.buffer.error().is_none()
    }

    /// Whether an attempt is reading and has more to read.
    pub(super) fn is_under_way(&self) -> bool {
        self.reader.is_some() && self.original.is_some() && !self.complete
    }

    /// Cuts off the current reader; returns its waker, to be woken without the lock.
    pub(super) fn cut_off(&mut self) -> Option<Waker> {
        self.reader = None;
        self.reader_waker.take()
    }

    /// Marks the body as failed, so that its beginning never looks whole.
    pub(super) fn fail(&mut self) {
        self.original = None;
        self.buffer.discard(BufferError::BodyFailed);
    }

    /// Returns why this attempt cannot read, if it cannot.
    fn error(&self, position: &ReadPosition) -> Option<BufferError> {
        match position.attempt {
            None => self.buffer.error(),
            Some(_) if position.attempt != self.reader => Some(BufferError::TakenOver),
            Some(_) => self
                .buffer
                .error()
                .filter(|error| *error == BufferError::BodyFailed),
        }
    }

    /// Begins an attempt at its first poll, and returns the waker of the previous one.
    ///
    /// It must be woken without the lock.
    pub(super) fn begin(&mut self, position: &mut ReadPosition) -> Option<Waker> {
        if position.attempt.is_some() || !self.is_whole() {
            return None;
        }
        let before = self.cut_off();
        self.attempts += 1;
        self.reader = Some(self.attempts);
        position.attempt = self.reader;
        before
    }
}

impl<B> Tee<B>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    /// Reads the next frame for an attempt that has begun.
    pub(super) fn poll_frame(
        &mut self,
        position: &mut ReadPosition,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Some(error) = self.error(position) {
            return Poll::Ready(Some(Err(error.into())));
        }
        if let Some(frame) = self.buffer.get(position.next) {
            position.next += 1;
            return Poll::Ready(Some(Ok(frame)));
        }
        let Some(body) = &mut self.original else {
            return Poll::Ready(None);
        };
        let frame = body.as_mut().poll_frame(cx);
        if frame.is_pending() {
            self.reader_waker = Some(cx.waker().clone());
        }
        Poll::Ready(match ready!(frame) {
            Some(Ok(frame)) => Some(Ok(self.pass_on(frame, position))),
            Some(Err(error)) => {
                self.fail();
                Some(Err(error.into()))
            }
            None => {
                self.original = None;
                None
            }
        })
    }

    fn pass_on(&mut self, frame: Frame<B::Data>, position: &mut ReadPosition) -> Frame<Bytes> {
        let frame = frame.map_data(|mut data| data.copy_to_bytes(data.remaining()));
        self.buffer.push(&frame);
        position.next = self.buffer.len();
        self.complete |= self.was_last(&frame);
        self.original.take_if(|body| body.is_end_stream());
        frame
    }

    /// Whether only trailers can follow this frame.
    fn was_last(&mut self, frame: &Frame<Bytes>) -> bool {
        let Some(data) = frame.data_ref() else {
            return frame.is_trailers();
        };
        let left = self.content_length.as_mut().map(|left| {
            *left = left.saturating_sub(data.len() as u64);
            *left
        });
        let hint = self.original.as_ref().map(|body| body.size_hint());
        left == Some(0) || hint.is_some_and(|hint| hint.upper() == Some(0))
    }
}
