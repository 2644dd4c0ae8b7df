//! The part of a request body that was sent so far, up to a bound.

use std::fmt;

use bytes::Bytes;
use http::HeaderMap;
use http_body::Frame;

/// The frames of a body from its start, or why they were dropped.
pub(super) struct Buffer {
    pieces: Vec<Piece>,
    /// The memory that the frames take, each counted with at least [`MIN_PIECE`](Self::MIN_PIECE).
    memory: usize,
    bound: usize,
    error: Option<BufferError>,
}

/// Why a body cannot be replayed from its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BufferError {
    /// The body is larger than the bound.
    TooLarge,
    /// The body ended in an error.
    BodyFailed,
    /// A later attempt reads the body now.
    TakenOver,
}

enum Piece {
    Data(Bytes),
    Trailers(Box<HeaderMap>),
}

impl Buffer {
    /// The memory of the smallest frame: its entry, room to grow, and its allocation.
    const MIN_PIECE: usize = 128;

    pub(super) fn new(bound: usize) -> Self {
        Self {
            pieces: Vec::new(),
            memory: 0,
            bound,
            error: None,
        }
    }

    /// Adds a frame without copying its data, or drops all frames if the bound is exceeded.
    pub(super) fn push(&mut self, frame: &Frame<Bytes>) {
        if self.error.is_some() {
            return;
        }
        let Some(piece) = Piece::of(frame) else {
            return self.discard(BufferError::TooLarge);
        };
        self.memory = self
            .memory
            .saturating_add(piece.memory().max(Self::MIN_PIECE));
        if self.memory > self.bound {
            return self.discard(BufferError::TooLarge);
        }
        self.pieces.push(piece);
    }

    /// Drops all frames at once, so that memory stays within the bound.
    pub(super) fn discard(&mut self, why: BufferError) {
        self.pieces = Vec::new();
        self.error = Some(why);
    }

    pub(super) fn error(&self) -> Option<BufferError> {
        self.error
    }

    pub(super) fn len(&self) -> usize {
        self.pieces.len()
    }

    pub(super) fn get(&self, nth: usize) -> Option<Frame<Bytes>> {
        self.pieces.get(nth).map(Piece::to_frame)
    }

    /// Returns the number of data bytes from the `nth` frame on.
    pub(super) fn bytes_from(&self, nth: usize) -> u64 {
        let rest = self.pieces.iter().skip(nth);
        rest.map(Piece::bytes).sum()
    }
}

impl Piece {
    /// Copies a frame; `None` for an unknown kind.
    fn of(frame: &Frame<Bytes>) -> Option<Self> {
        let data = frame.data_ref().cloned().map(Self::Data);
        let trailers = || frame.trailers_ref().cloned().map(Box::new);
        data.or_else(|| trailers().map(Self::Trailers))
    }

    fn to_frame(&self) -> Frame<Bytes> {
        match self {
            Self::Data(data) => Frame::data(data.clone()),
            Self::Trailers(trailers) => Frame::trailers(HeaderMap::clone(trailers)),
        }
    }

    fn bytes(&self) -> u64 {
        match self {
            Self::Data(data) => data.len() as u64,
            Self::Trailers(_) => 0,
        }
    }

    fn memory(&self) -> usize {
        match self {
            Self::Data(data) => data.len(),
            Self::Trailers(trailers) => trailers
                .iter()
                .map(|(name, value)| Buffer::MIN_PIECE + name.as_str().len() + value.len())
                .sum(),
        }
    }
}

impl fmt::Display for BufferError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLarge => "the request body has outgrown its buffer and cannot be sent again",
            Self::BodyFailed => "the request body has failed before and cannot be sent again",
            Self::TakenOver => "a later attempt sends this request body now",
        })
    }
}

impl std::error::Error for BufferError {}
