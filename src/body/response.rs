//! The response body that a caller receives.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::BufferedBody;
use crate::gate::ConcurrencyPermit;

pin_project! {
    /// The body of a response: the client's own, or one whose beginning was already read.
    ///
    /// What was read is put back in front.
    pub struct ResponseBody<R: Body> {
        #[pin]
        state: BodyState<R>,
        // The slot of the call, where concurrent calls are limited.
        permit: Option<ConcurrencyPermit>,
    }
}

pin_project! {
    #[project = BodyStateProj]
    enum BodyState<R: Body> {
        Original { #[pin] body: R },
        // Boxed: rare, and larger than most bodies.
        Buffered { body: Box<BufferedBody<R>> },
    }
}

impl<R: Body> ResponseBody<R> {
    pub(crate) fn new(body: R) -> Self {
        Self {
            state: BodyState::Original { body },
            permit: None,
        }
    }

    /// A body that has ended.
    pub(crate) fn empty() -> Self {
        Self::from_buffered(BufferedBody::empty())
    }

    pub(crate) fn from_buffered(body: BufferedBody<R>) -> Self {
        Self {
            state: BodyState::Buffered {
                body: Box::new(body),
            },
            permit: None,
        }
    }

    /// Holds a permit until this body has ended or is dropped.
    pub(crate) fn hold_permit(&mut self, permit: ConcurrencyPermit) {
        self.permit = Some(permit).filter(|_| !self.is_end_stream());
    }
}

impl<R: Body> Body for ResponseBody<R> {
    type Data = Bytes;
    type Error = R::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, R::Error>>> {
        let mut this = self.project();
        let (frame, ended) = match this.state.as_mut().project() {
            BodyStateProj::Original { mut body } => {
                let frame = poll_as_bytes(body.as_mut(), cx);
                (frame, body.is_end_stream())
            }
            BodyStateProj::Buffered { body } => (body.poll_frame(cx), body.is_end_stream()),
        };
        if ended || matches!(frame, Poll::Ready(None | Some(Err(_)))) {
            *this.permit = None;
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        match &self.state {
            BodyState::Original { body } => body.is_end_stream(),
            BodyState::Buffered { body } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.state {
            BodyState::Original { body } => body.size_hint(),
            BodyState::Buffered { body } => body.size_hint(),
        }
    }
}

/// Polls a frame as `Bytes`; bodies of `Bytes` are not copied.
fn poll_as_bytes<R: Body>(
    body: Pin<&mut R>,
    cx: &mut Context<'_>,
) -> Poll<Option<Result<Frame<Bytes>, R::Error>>> {
    body.poll_frame(cx)
        .map_ok(|frame| frame.map_data(|mut data| data.copy_to_bytes(data.remaining())))
}

impl<R: Body> BufferedBody<R> {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, R::Error>>> {
        if let Some(frame) = self.frames.pop_front() {
            return Poll::Ready(Some(Ok(frame)));
        }
        if let Some(error) = self.error.take() {
            return Poll::Ready(Some(Err(error)));
        }
        match &mut self.rest {
            Some(rest) => poll_as_bytes(rest.as_mut(), cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        let ended = self.rest.as_ref().is_none_or(|rest| rest.is_end_stream());
        self.frames.is_empty() && self.error.is_none() && ended
    }

    fn size_hint(&self) -> SizeHint {
        let buffered: u64 = self
            .frames
            .iter()
            .filter_map(Frame::data_ref)
            .map(|data| data.len() as u64)
            .sum();
        let rest = self
            .rest
            .as_ref()
            .map_or_else(|| SizeHint::with_exact(0), |rest| rest.size_hint());
        let mut hint = SizeHint::new();
        hint.set_lower(buffered.saturating_add(rest.lower()));
        if let Some(upper) = rest.upper() {
            hint.set_upper(buffered.saturating_add(upper));
        }
        hint
    }
}

impl<R: Body> fmt::Debug for ResponseBody<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseBody")
            .field("size", &self.size_hint())
            .finish_non_exhaustive()
    }
}
