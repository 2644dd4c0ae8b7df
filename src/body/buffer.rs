//! What was sent of a body so far, from its start, as long as it is within the bound.

use std::fmt;

use bytes::Bytes;
use http::HeaderMap;
use http_body::Frame;

/// Pieces of a body in their order, or why they were let go of.
pub(super) struct Buffer {
    pieces: Vec<Piece>,
    /// What the pieces memory in memory, however small they are.
    memory: usize,
    bound: usize,
    error: Option<BufferError>,
}

/// Why a body cannot be sent again from its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BufferError {
    /// It is larger than the bound.
    TooLarge,
    /// It ended in an error.
    BodyFailed,
    /// A later attempt reads it now.
    TakenOver,
}

enum Piece {
    Data(Bytes),
    Trailers(Box<HeaderMap>),
}

impl Buffer {
    /// What the smallest piece costs: its place in the list, room to grow, and what it points at.
    const MIN_PIECE: usize = 128;

    pub(super) fn new(bound: usize) -> Self {
        Self {
            pieces: Vec::new(),
            memory: 0,
            bound,
            error: None,
        }
    }

    /// Keeps a frame without copying its data, unless that would be too much.
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

    /// Lets go of everything at once, so that memory stays within the bound.
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

    /// How many bytes of data there are from the `nth` piece on.
    pub(super) fn bytes_from(&self, nth: usize) -> u64 {
        let rest = self.pieces.iter().skip(nth);
        rest.map(Piece::bytes).sum()
    }
}

impl Piece {
    /// `None` for a kind of frame that is not known here.
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
