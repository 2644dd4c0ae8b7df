//! What happened to one call, told to its caller.

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use crate::time::Rounded;

/// How a call went: how often it was sent, how long it waited, and why it ended.
///
/// It rides on the response as an extension whenever something happened: a wait, a retry, or a
/// refusal that was handed back. A first try that succeeds carries none.
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
    pub(crate) total_wait: Duration,
    pub(crate) decided_by: Option<Cow<'static, str>>,
    pub(crate) stop_reason: Option<StopReason>,
    /// By the wall clock, and how long that is from the end of the call.
    pub(crate) not_before: Option<(SystemTime, Duration)>,
}

/// Why a refusal or a failure was handed back instead of being tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StopReason {
    /// The policy calls the response final: another try would be answered the same way.
    Final,
    /// Another try might help, but sending the request twice is not safe.
    ///
    /// An `Idempotency-Key` header or [`Idempotent`](crate::Idempotent) makes it safe.
    NotSafe,
    /// The error is one that no retry mends.
    ///
    /// So are a cost above the quota ([`CostAboveQuota`](crate::CostAboveQuota)), and a client that has failed and takes no more
    /// requests.
    Permanent,
    /// The request was retried `max_retries` times.
    RetriesExhausted,
    /// The request was refused more often than the layer allows.
    RefusalsExhausted,
    /// The retry budget of the scope is spent.
    BudgetExhausted,
    /// The next attempt would start later than the call's patience or deadline allows.
    PatienceExceeded,
    /// The request body cannot be sent a second time: [`ReplayLayer`](crate::body::ReplayLayer) outside mends that.
    BodyNotReplayable,
}

impl Report {
    /// How many times the request was sent.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// How long the call waited in all: at the gate, and between its attempts.
    pub fn total_wait(&self) -> Duration {
        self.total_wait
    }

    /// What decided the last wait: the name of a header, of a field of the body, or of a rule.
    pub fn decided_by(&self) -> Option<&str> {
        self.decided_by.as_deref()
    }

    /// Why the call ended although it was refused or failed. `None` if it succeeded.
    pub fn stop_reason(&self) -> Option<StopReason> {
        self.stop_reason
    }

    /// If the call could not go on: the moment from which it may be sent again, where that is known.
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
        if !self.total_wait.is_zero() {
            write!(f, ", waited {}", Rounded(self.total_wait))?;
        }
        // It decided the last wait: the one that the call did not begin, if there is one.
        let decided_by = |f: &mut fmt::Formatter<'_>| match &self.decided_by {
            Some(decided_by) => write!(f, " ({decided_by})"),
            None => Ok(()),
        };
        if !self.total_wait.is_zero() && self.not_before.is_none() {
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

/// A place for the [`Report`], put into the request's extensions, filled also when the call ends
/// with an error.
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
    /// An empty slot.
    pub fn new() -> Self {
        Self::default()
    }

    /// The report, once the call has ended.
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
