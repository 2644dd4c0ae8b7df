//! Time limits of one call, and whether it is idempotent, as request extensions.

use std::time::Duration;

use crate::time::{Instant, Moment};

/// The total time limit of a call: no attempt starts later than this after its start.
///
/// Put it into the extensions of a request, where it replaces the layer's `patience` and `failure_patience`. If the
/// next attempt would be later, the call returns now: the last response, plus a [`Report`](crate::Report) whose
/// `not_before()` says when to retry. Inside a request handler set it below your own timeout.
///
/// ```
/// use std::time::Duration;
/// use tower_backoff::Patience;
///
/// let request = http::Request::get("https://api.example.com/")
///     .extension(Patience::of(Duration::from_secs(20)))
///     .body(())?;
/// # drop(request);
/// # Ok::<(), http::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    pub(crate) refusals: Duration,
    pub(crate) failures: Duration,
}

impl Patience {
    /// Creates a time limit for refusals and failures alike.
    pub const fn of(patience: Duration) -> Self {
        Self {
            refusals: patience,
            failures: patience,
        }
    }

    /// Sets another time limit for failures (5xx, broken connections) than for refusals.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_backoff::Patience;
    ///
    /// let nightly = Patience::of(Duration::from_secs(3_600)).failures(Duration::from_secs(60));
    /// ```
    #[must_use]
    pub const fn failures(mut self, patience: Duration) -> Self {
        self.failures = patience;
        self
    }
}

/// The moment after which no attempt of a call starts.
///
/// Put it into the extensions of a request. It shortens patience and never lengthens it.
///
/// ```
/// use std::time::{Duration, Instant};
/// use tower_backoff::Deadline;
///
/// let request = http::Request::get("https://api.example.com/")
///     .extension(Deadline::at(Instant::now() + Duration::from_secs(20)))
///     .body(())?;
/// # drop(request);
/// # Ok::<(), http::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline(Instant);

impl Deadline {
    /// Creates a deadline at this moment, of std's or tokio's `Instant`.
    pub fn at(moment: impl Into<Instant>) -> Self {
        Self(moment.into())
    }

    pub(crate) fn moment(self) -> Moment {
        Moment::of(self.0)
    }
}

/// Whether a request is idempotent: sending it twice does no harm.
///
/// Put it into the extensions of a request. Without it the method decides (RFC 9110, section 9.2.2), or an
/// `Idempotency-Key` header.
///
/// ```
/// use tower_backoff::Idempotent;
///
/// let search = http::Request::post("https://api.example.com/search")
///     .extension(Idempotent(true))
///     .body(())?;
/// # drop(search);
/// # Ok::<(), http::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Idempotent(pub bool);
