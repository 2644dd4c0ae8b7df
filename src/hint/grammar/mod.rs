//! The ways in which servers write a moment or a length of time, one file each.
//!
//! Every reader takes raw bytes, since a header value need not be UTF-8, and answers `None` to whatever it does
//! not know in full: a value that is half understood is a wait that is half as long as meant.

pub(super) mod base64;
mod cursor;
pub(super) mod date;
pub(super) mod duration;
pub(super) mod list;
pub(super) mod number;
pub(super) mod protobuf;

pub(super) use number::Number;
