//! The report of one call: attempts, waits, and why it ended.

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use crate::time::Rounded;

/// How often a call was sent, how long it waited, and why it ended.
///
/// It is an extension of the response whenever something happened: a wait, a retry, or a refusal that was returned. A
/// first attempt that succeeds carries none.
///
/// ```
/// use tower_backoff::Report;
///
/// fn log<B>(response: &http::Response<B>) {
///     if let Some(report) = response.extensions().get::<Report>() {
///         println!("{report}");
///     }
/// }
/// # log(&http::Response::new(()));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    pub(crate) attempts: u32,
    pub(crate) waited: Duration,
    pub(crate) decided_by: Option<Cow<'static, str>>,
    pub(crate) stop_reason: Option<StopReason>,
    /// The time by the wall clock, and how long after the end of the call that is.
    pub(crate) not_before: Option<(SystemTime, Duration)>,
}

/// Why a refusal or a failure was returned instead of being retried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StopReason {
    /// The policy calls the response final: another attempt would get the same response.
    Final,
    /// Another attempt might help, but sending the request twice is not safe.
    ///
    /// An `Idempotency-Key` header or [`Idempotent`](crate::Idempotent) makes it safe.
    NotSafe,
    /// A retry cannot fix the error.
    ///
    /// Examples are a certificate that is not trusted ([`is_permanent`](crate::failure::is_permanent)), a cost above the
    /// quota ([`CostAboveQuota`](crate::CostAboveQuota)), and a client that has failed and takes no more requests.
    Permanent,
    /// The request was retried `max_retries` times.
    RetriesExhausted,
    /// The request was refused more often than [`max_refusals`](crate::RetryLayer::max_refusals) allows.
    RefusalsExhausted,
    /// The retry budget of the scope is used up.
    BudgetExhausted,
    /// The next attempt would start later than the call's patience or deadline allows.
    PatienceExceeded,
    /// The request body cannot be sent a second time.
    ///
    /// A [`ReplayLayer`](crate::body::ReplayLayer) outside of the retry layer makes it replayable.
    BodyNotReplayable,
}

impl Report {
    /// Returns how many times the request was sent.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Returns how long the call waited in total, at the gate and between its attempts.
    pub fn waited(&self) -> Duration {
        self.waited
    }

    /// Returns what decided the last wait: a header, a field of the body, or a rule.
    pub fn decided_by(&self) -> Option<&str> {
        self.decided_by.as_deref()
    }

    /// Returns why a refused or failed call was not retried; `None` after a success.
    pub fn stop_reason(&self) -> Option<StopReason> {
        self.stop_reason
    }

    /// Returns the moment from which a call that gave up may be sent again, if it is known.
    pub fn not_before(&self) -> Option<SystemTime> {
        self.not_before.map(|(moment, _)| moment)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.attempts {
            0 => f.write_str("never sent"),
            1 => f.write_str("sent once"),
            2 => f.write_str("sent twice"),
            attempts => write!(f, "sent {attempts} times"),
        }?;
        if !self.waited.is_zero() {
            write!(f, ", waited {}", Rounded(self.waited))?;
        }
        // `decided_by` belongs to the wait that the call did not begin, if there is one.
        let decided_by = |f: &mut fmt::Formatter<'_>| match &self.decided_by {
            Some(decided_by) => write!(f, " ({decided_by})"),
            None => Ok(()),
        };
        if !self.waited.is_zero() && self.not_before.is_none() {
            decided_by(f)?;
        }
        if let Some(reason) = self.stop_reason {
            write!(f, ", ended: {reason}")?;
        }
        if let Some((_, wait)) = self.not_before {
            write!(f, ", not before {} from its end", Rounded(wait))?;
            decided_by(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Final => "another try would be answered the same way",
            Self::NotSafe => "not safe to send twice: add an Idempotency-Key or `Idempotent(true)`",
            Self::Permanent => "no retry mends this error",
            Self::RetriesExhausted => "no retries left",
            Self::RefusalsExhausted => "no more refusals allowed",
            Self::BudgetExhausted => "the retry budget is spent",
            Self::PatienceExceeded => "the next attempt would be later than its patience",
            Self::BodyNotReplayable => "its body cannot be sent twice without a ReplayLayer",
        })
    }
}

/// A slot that receives the [`Report`] of a call, even if the call ends with an error.
///
/// Put a clone into the extensions of the request.
///
/// ```
/// use tower_backoff::ReportSlot;
///
/// let slot = ReportSlot::new();
/// let request = http::Request::get("https://api.example.com/").extension(slot.clone()).body(())?;
/// // ... send the request, and then, whatever came of it:
/// assert_eq!(slot.report(), None);
/// # drop(request);
/// # Ok::<(), http::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct ReportSlot(Arc<Mutex<Option<Report>>>);

impl ReportSlot {
    /// Creates an empty slot.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the report, once the call has ended.
    pub fn report(&self) -> Option<Report> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn fill(&self, report: Report) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(report);
    }
}
