//! How long a call may go on: words that a request carries in its extensions.

use std::time::Duration;

use crate::moment::Moment;
use crate::sys::Instant;

/// How long after its start a call may still be sent again; put into the request's extensions.
///
/// It replaces the layer's `patience` and `failure_patience` for this one call. No attempt starts
/// later than this; a call whose next moment lies beyond it ends *now*, with the response in hand.
/// Inside a request handler set it below your own timeout.
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
    /// So much for refusals and for failures alike.
    pub const fn of(patience: Duration) -> Self {
        Self {
            refusals: patience,
            failures: patience,
        }
    }

    /// Another patience for failures (5xx, broken connections) than for refusals.
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

/// The moment by which a call must have been sent for the last time; put into the request's
/// extensions. It shortens patience and never lengthens it.
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
    /// At this moment; tokio's `Instant` will do as well.
    pub fn at(moment: impl Into<Instant>) -> Self {
        Self(moment.into())
    }

    pub(crate) fn moment(self) -> Moment {
        Moment::of(self.0)
    }
}

/// Whether sending this request twice does no harm; put into the request's extensions.
///
/// Without it the method decides (RFC 9110, 9.2.2), or an `Idempotency-Key` header.
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
