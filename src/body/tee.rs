//! One body that several attempts read, one at a time: each from its start, out of the buffer as far
//! as that goes, and then on from where the body itself is.

use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};

use super::buffer::{Buffer, Lost};
use crate::error::BoxError;

/// What the attempts share.
pub(super) struct Tee<B> {
    /// The body itself, until it has ended.
    original: Option<Pin<Box<B>>>,
    buffer: Buffer,
    /// Which attempt reads now; those before it have been cut off.
    reader: Option<u64>,
    tickets: u64,
    /// Woken when the reader is cut off, so that it lets go of its connection.
    asleep: Option<Waker>,
    /// How many bytes of data are to come, if the request says so.
    announced: Option<u64>,
    /// Whether all were read. A client that can tell does not always read on to the end.
    complete: bool,
}

/// Where one attempt is.
#[derive(Default)]
pub(super) struct Place {
    /// Drawn with the first poll.
    ticket: Option<u64>,
    /// Pieces of the buffer that it has read.
    at: usize,
}

impl<B: Body> Tee<B> {
    pub(super) fn new(body: B, bound: usize, announced: Option<u64>) -> Self {
        Self {
            original: (!body.is_end_stream()).then(|| Box::pin(body)),
            buffer: Buffer::new(bound),
            reader: None,
            tickets: 0,
            asleep: None,
            announced,
            complete: false,
        }
    }

    pub(super) fn is_end_stream(&self, place: &Place) -> bool {
        let read = place.at >= self.buffer.len();
        read && self.original.is_none() && self.refusal(place).is_none()
    }

    pub(super) fn size_hint(&self, place: &Place) -> SizeHint {
        if self.refusal(place).is_some() {
            // What comes is an error, and no data.
            return SizeHint::new();
        }
        let rest = match &self.original {
            Some(body) => body.size_hint(),
            None => SizeHint::with_exact(0),
        };
        let buffered = self.buffer.bytes_from(place.at);
        let mut hint = SizeHint::new();
        hint.set_lower(buffered.saturating_add(rest.lower()));
        if let Some(upper) = rest.upper() {
            hint.set_upper(buffered.saturating_add(upper));
        }
        hint
    }
}

impl<B> Tee<B> {
    /// Whether another attempt could read from the start.
    pub(super) fn is_whole(&self) -> bool {
        self.buffer.lost().is_none()
    }

    /// Whether an attempt reads, and has more to read.
    pub(super) fn is_under_way(&self) -> bool {
        self.reader.is_some() && self.original.is_some() && !self.complete
    }

    /// No attempt that has begun reads on. Returns whom to wake once nothing is locked.
    pub(super) fn cut_off(&mut self) -> Option<Waker> {
        self.reader = None;
        self.asleep.take()
    }

    /// The body broke off: what there is of it must not look whole.
    pub(super) fn fail(&mut self) {
        self.original = None;
        self.buffer.lose(Lost::Failed);
    }

    /// Why this attempt cannot read, if it cannot.
    fn refusal(&self, place: &Place) -> Option<Lost> {
        match place.ticket {
            None => self.buffer.lost(),
            Some(_) if place.ticket != self.reader => Some(Lost::TakenOver),
            Some(_) => self.buffer.lost().filter(|lost| *lost == Lost::Failed),
        }
    }

    /// An attempt begins with its first poll, and takes over from the one before: that is whom to wake
    /// once nothing is locked.
    pub(super) fn begin(&mut self, place: &mut Place) -> Option<Waker> {
        if place.ticket.is_some() || !self.is_whole() {
            return None;
        }
        let before = self.cut_off();
        self.tickets += 1;
        self.reader = Some(self.tickets);
        place.ticket = self.reader;
        before
    }
}

impl<B> Tee<B>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    /// Reads on, in an attempt that has begun.
    pub(super) fn poll_frame(
        &mut self,
        place: &mut Place,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Some(lost) = self.refusal(place) {
            return Poll::Ready(Some(Err(lost.into())));
        }
        if let Some(frame) = self.buffer.get(place.at) {
            place.at += 1;
            return Poll::Ready(Some(Ok(frame)));
        }
        let Some(body) = &mut self.original else {
            return Poll::Ready(None);
        };
        let frame = body.as_mut().poll_frame(cx);
        if frame.is_pending() {
            self.asleep = Some(cx.waker().clone());
        }
        Poll::Ready(match ready!(frame) {
            Some(Ok(frame)) => Some(Ok(self.pass_on(frame, place))),
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

    fn pass_on(&mut self, frame: Frame<B::Data>, place: &mut Place) -> Frame<Bytes> {
        let frame = frame.map_data(|mut data| data.copy_to_bytes(data.remaining()));
        self.buffer.keep(&frame);
        place.at = self.buffer.len();
        self.complete |= self.was_last(&frame);
        self.original.take_if(|body| body.is_end_stream());
        frame
    }

    /// Whether nothing but trailers can come after this frame.
    fn was_last(&mut self, frame: &Frame<Bytes>) -> bool {
        let Some(data) = frame.data_ref() else {
            return frame.is_trailers();
        };
        let left = self.announced.as_mut().map(|left| {
            *left = left.saturating_sub(data.len() as u64);
            *left
        });
        let hint = self.original.as_ref().map(|body| body.size_hint());
        left == Some(0) || hint.is_some_and(|hint| hint.upper() == Some(0))
    }
}
