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
//! 2. `Retry-After`
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

mod budget;
mod counters;
mod field;
mod generic;
mod grammar;
mod grpc;
pub(crate) mod json;
mod name;
mod prose;
mod ratelimit;
mod rules;
mod scan;
mod value;

pub use field::Field;
pub use grpc::read_grpc;
pub use value::Unit;

pub(crate) use budget::Remaining;
/// The name that the gate still uses.
pub(crate) type Counter = Remaining;
pub(crate) use grpc::forbids_retry;
pub(crate) use rules::{Head, Rules};
pub(crate) use scan::HeaderScan;

use http::{HeaderMap, HeaderName, StatusCode};
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

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

/// What a response says about the wait.
#[derive(Clone, Debug, PartialEq)]
pub enum Reading {
    /// Not a word that can be read.
    Nothing,
    /// Come back then.
    Wait(Hint),
    /// The named header asks for more than a year. No call waits so long, and no other header is asked: the
    /// server has said plainly that now is not the time.
    Never(&'static str),
}

/// A wait that somebody named, and who.
#[derive(Clone)]
pub struct Hint {
    wait: Duration,
    kind: Kind,
    source: Source,
}

/// Where a wait was named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// In `Retry-After` or one of its spellings: it is about this very request.
    RetryAfter,
    /// By a counter, or in a header of the provider's own.
    Reset,
    /// In the body.
    Body,
    /// By the policy itself.
    Policy,
}

/// A name that costs nothing to clone.
#[derive(Clone)]
enum Source {
    Known(&'static str),
    Header(HeaderName),
    Other(Arc<str>),
}

impl Hint {
    /// A wait that starts when the head of the response arrives.
    ///
    /// It is rounded up to a whole millisecond, as timers are not finer than that.
    pub fn new(wait: Duration, kind: Kind, source: impl Into<Cow<'static, str>>) -> Hint {
        let source = match source.into() {
            Cow::Borrowed(known) => Source::Known(known),
            Cow::Owned(other) => Source::Other(other.into()),
        };
        Hint {
            wait: value::whole_millis(wait),
            kind,
            source,
        }
    }

    fn of(wait: Duration, kind: Kind, name: &HeaderName) -> Hint {
        Hint {
            wait,
            kind,
            source: Source::Header(name.clone()),
        }
    }

    /// How long, counted from the arrival of the head.
    pub fn wait(&self) -> Duration {
        self.wait
    }

    /// In what sort of place it was named.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The header that decided, in lower case, or the path or phrase in the body.
    pub fn source(&self) -> &str {
        match &self.source {
            Source::Known(name) => name,
            Source::Header(name) => name.as_str(),
            Source::Other(name) => name,
        }
    }
}

/// A wait that a policy decided on, without a header behind it.
impl From<Duration> for Hint {
    fn from(wait: Duration) -> Hint {
        Hint::new(wait, Kind::Policy, "policy")
    }
}

impl PartialEq for Hint {
    fn eq(&self, other: &Hint) -> bool {
        (self.wait, self.kind, self.source()) == (other.wait, other.kind, other.source())
    }
}

impl fmt::Debug for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hint")
            .field("wait", &self.wait)
            .field("kind", &self.kind)
            .field("source", &self.source())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_stays_small() {
        assert!(size_of::<Hint>() <= 64, "{}", size_of::<Hint>());
    }

    #[test]
    fn a_hint_of_a_policy_says_so() {
        let hint = Hint::from(Duration::from_nanos(1));
        assert_eq!(
            hint,
            Hint::new(
                Duration::from_millis(1),
                Kind::Policy,
                String::from("policy")
            )
        );
    }
}
