//! What happened to one call, told to its caller.

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

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
    pub(crate) waited: Duration,
    pub(crate) decided_by: Option<Cow<'static, str>>,
    pub(crate) ended: Option<Ended>,
    pub(crate) not_before: Option<SystemTime>,
}

/// Why a refusal or a failure was handed back instead of being tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Ended {
    /// The policy calls it final: another try would be answered the same way.
    Final,
    /// The next moment lies beyond the call's patience or deadline.
    Patience,
    /// It was retried `max_retries` times.
    Retries,
    /// The retry budget of its scope is spent.
    Budget,
    /// Its body could be sent only once: [`ReplayLayer`](crate::body::ReplayLayer) outside mends that.
    SentOnce,
}

impl Report {
    /// How many times the request was sent.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// How long the call waited in all: at the gate, and between its attempts.
    pub fn waited(&self) -> Duration {
        self.waited
    }

    /// What decided the last wait: the name of a header, of a field of the body, or of a rule.
    pub fn decided_by(&self) -> Option<&str> {
        self.decided_by.as_deref()
    }

    /// Why the call ended although it was refused or failed. `None` if it succeeded.
    pub fn ended(&self) -> Option<Ended> {
        self.ended
    }

    /// If the call could not go on: the moment from which it may be sent again, where that is known.
    pub fn not_before(&self) -> Option<SystemTime> {
        self.not_before
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sent {} times, waited {:?}", self.attempts, self.waited)?;
        if let Some(decided_by) = &self.decided_by {
            write!(f, " as {decided_by} said")?;
        }
        match self.ended {
            Some(ended) => write!(f, ", ended: {ended}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Final => "another try would be answered the same way",
            Self::Patience => "the next moment lies beyond its patience",
            Self::Retries => "no retries left",
            Self::Budget => "the retry budget is spent",
            Self::SentOnce => "its body could be sent only once, without a ReplayLayer",
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
