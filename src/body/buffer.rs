//! What was sent of a body so far, from its start, as long as it is within the bound.

use std::fmt;

use bytes::Bytes;
use http::HeaderMap;
use http_body::Frame;

/// Pieces of a body in their order, or why they were let go of.
pub(super) struct Buffer {
    pieces: Vec<Piece>,
    /// What the pieces cost in memory, however small they are.
    cost: usize,
    bound: usize,
    lost: Option<Lost>,
}

/// Why a body cannot be sent again from its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lost {
    /// It is larger than the bound.
    Outgrown,
    /// It ended in an error.
    Failed,
    /// A later attempt reads it now.
    TakenOver,
}

enum Piece {
    Data(Bytes),
    Trailers(Box<HeaderMap>),
}

impl Buffer {
    /// What the smallest piece costs: its place in the list, room to grow, and what it points at.
    const LEAST: usize = 128;

    pub(super) fn new(bound: usize) -> Self {
        Self {
            pieces: Vec::new(),
            cost: 0,
            bound,
            lost: None,
        }
    }

    /// Keeps a frame without copying its data, unless that would be too much.
    pub(super) fn keep(&mut self, frame: &Frame<Bytes>) {
        if self.lost.is_some() {
            return;
        }
        let Some(piece) = Piece::of(frame) else {
            return self.lose(Lost::Outgrown);
        };
        self.cost = self.cost.saturating_add(piece.cost().max(Self::LEAST));
        if self.cost > self.bound {
            return self.lose(Lost::Outgrown);
        }
        self.pieces.push(piece);
    }

    /// Lets go of everything at once, so that memory stays within the bound.
    pub(super) fn lose(&mut self, why: Lost) {
        self.pieces = Vec::new();
        self.lost = Some(why);
    }

    pub(super) fn lost(&self) -> Option<Lost> {
        self.lost
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

    fn cost(&self) -> usize {
        match self {
            Self::Data(data) => data.len(),
            Self::Trailers(trailers) => trailers
                .iter()
                .map(|(name, value)| Buffer::LEAST + name.as_str().len() + value.len())
                .sum(),
        }
    }
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Outgrown => "the request body has outgrown its buffer and cannot be sent again",
            Self::Failed => "the request body has failed before and cannot be sent again",
            Self::TakenOver => "a later attempt sends this request body now",
        })
    }
}

impl std::error::Error for Lost {}
