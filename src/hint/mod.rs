//! What a response says about when to come back.
//!
//! Servers say it in a hundred ways: `Retry-After` in seconds, milliseconds or as a date; counters with resets
//! that are deltas, epochs or JavaScript dates; JSON inside a header; a sentence in the body. This module reads
//! them all into one [`Hint`]. It is pure: it has no clock, does no I/O, and no header can make it panic.
//!
//! ```
//! use http::{HeaderMap, StatusCode};
//! use std::time::{Duration, SystemTime};
//! use tower_backoff::hint::{self, Kind, Reading};
//!
//! let mut headers = HeaderMap::new();
//! headers.insert("x-ratelimit-remaining", "0".parse()?);
//! headers.insert("x-ratelimit-reset", "1m30s".parse()?);
//!
//! let Reading::Wait(hint) = hint::read(StatusCode::TOO_MANY_REQUESTS, &headers, SystemTime::now()) else {
//!     panic!("the headers name a wait");
//! };
//! assert_eq!(hint.wait(), Duration::from_secs(90));
//! assert_eq!(hint.kind(), Kind::Reset);
//! assert_eq!(hint.source(), "x-ratelimit-reset");
//! # Ok::<(), http::header::InvalidHeaderValue>(())
//! ```
//!
//! # How headers are read
//!
//! A **refusal** (429, 403, 402, 408, 413, 418, 420, 423, 425, 430 and every 5xx) is asked in this order, and a
//! value that cannot be read passes the question on:
//!
//! 1. `retry-after-ms`, `x-ms-retry-after-ms`, unless `Retry-After` is longer by a second or more
//! 2. `Retry-After`, unless it is the reset of a spent counter cut to seconds
//! 3. its vendor spellings, such as `X-RateLimit-Retry-After` or `X-Retry-In`
//! 4. items of the `RateLimit` field that have nothing left
//! 5. resets whose counter has nothing left; of several the latest, of one counter the relative before the
//!    absolute. If all counters have budget left, another limit has refused, and no reset counts.
//!
//! An answer that was **served** names a wait only if a counter says that nothing is left. Any **other 4xx** is
//! read like it, except that `Retry-After` also counts if there are no counters at all.
//!
//! A moment that is over by more than two seconds names no wait, and the next source is asked: two clocks
//! disagree. One that is over by less is a wait of nothing, as is `Retry-After: 0`, which is a statement.
//!
//! Every wait is rounded up to a whole millisecond. Absolute moments are compared with the response's own `Date`.
//! Counters of a cached response (`Age` above 0) and of a `Beta-` header do not count.
//!
//! A gRPC status says it in other words: see [`read_grpc`].
//!
//! # What one provider does
//!
//! No reader can guess that one provider's `Retry-After` means milliseconds or that another hides the wait in the
//! body. A [`Field`] states such a place as data, and a [`Unit`] what its numbers count.

mod grammar;
mod grpc;
pub(crate) mod json;
mod name;
mod prose;
mod ratelimit;
mod reading;
mod remaining;
mod scan;
mod source;
mod value;
mod wait;
pub(crate) mod xml;

pub use grpc::read_grpc;
pub use reading::{Hint, Kind, Reading};
pub use source::Field;
pub use value::Unit;

pub(crate) use grpc::forbids_retry;
pub(crate) use reading::Head;
pub(crate) use remaining::{Left, Remaining, remaining_of};
pub(crate) use scan::{HeaderScan, is_silent};
pub(crate) use source::Rules;
#[cfg(feature = "serde")]
pub(crate) use source::WrittenUsage;

use http::{HeaderMap, StatusCode};
use std::time::SystemTime;

/// Reads the headers of a response whose provider is not known.
///
/// `received` is the moment at which the head of the response arrived; it stands in for a missing `Date`.
pub fn read(status: StatusCode, headers: &HeaderMap, received: SystemTime) -> Reading {
    static NO_RULES: Rules = Rules::none();
    NO_RULES.read(
        Head {
            status,
            headers,
            received,
            refused: None,
        },
        None,
    )
}
