//! The errors of this crate.

use std::borrow::Cow;
use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use std::{fmt, io, iter};

use crate::scope::Scope;
use crate::time::Rounded;

/// The error type of every service in this crate, as in tower's own layers.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// The call ended because it may only be sent later than its patience allows.
///
/// Usually nothing was sent. If it was, the refusal had a body of more than 4 KiB, which a waiting call does not
/// keep. The error says when to retry, for which scope, and which header decided, so that a job queue can reschedule
/// the job:
///
/// ```
/// use tower_backoff::{BoxError, NotBefore};
///
/// fn reschedule(error: BoxError) -> Option<std::time::SystemTime> {
///     NotBefore::find(&*error).map(NotBefore::moment)
/// }
/// # let _ = reschedule;
/// ```
///
/// A server of one's own passes it on with [`retry_after_seconds`](Self::retry_after_seconds).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotBefore {
    pub(crate) moment: SystemTime,
    pub(crate) wait: Duration,
    pub(crate) scope: Scope,
    pub(crate) decided_by: Cow<'static, str>,
}

impl NotBefore {
    /// Finds it in an error of a client, however that has wrapped it.
    ///
    /// It looks at the error and its [sources](Error::source), also where these are hidden: in an `io::Error`, in an error of
    /// reqwest-middleware (with the feature `reqwest-middleware`), and in an `Arc<dyn Error + Send + Sync>`.
    ///
    /// ```
    /// use std::error::Error;
    /// use tower_backoff::NotBefore;
    ///
    /// fn says_when(error: &(dyn Error + 'static)) -> Option<std::time::Duration> {
    ///     NotBefore::find(error).map(NotBefore::wait)
    /// }
    /// assert_eq!(says_when(&std::io::Error::other("unrelated")), None);
    /// ```
    pub fn find<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a Self> {
        chain(error).find_map(|error| error.downcast_ref())
    }

    /// Returns the wait in whole seconds, rounded up, for the `Retry-After` of one's own 503.
    ///
    /// It is at least 1: a caller that comes back at once would be told the same.
    ///
    /// ```
    /// use http::{Response, header::RETRY_AFTER};
    /// use tower_backoff::NotBefore;
    ///
    /// fn busy(error: &NotBefore) -> http::Result<Response<String>> {
    ///     let response = Response::builder().status(503);
    ///     let response = response.header(RETRY_AFTER, error.retry_after_seconds());
    ///     response.body("busy, come back later".to_owned())
    /// }
    /// # let _ = busy;
    /// ```
    pub fn retry_after_seconds(&self) -> u64 {
        let cut = u64::from(self.wait.subsec_nanos() > 0);
        self.wait.as_secs().saturating_add(cut).max(1)
    }

    /// Returns the moment of the wall clock from which the request may be sent.
    pub fn moment(&self) -> SystemTime {
        self.moment
    }

    /// Returns how long that was from the end of the call.
    pub fn wait(&self) -> Duration {
        self.wait
    }

    /// Returns the scope whose gate is closed.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Returns what decided the wait: a header, in lower case, or a rule.
    pub fn decided_by(&self) -> &str {
        &self.decided_by
    }
}

impl fmt::Display for NotBefore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            scope, decided_by, ..
        } = self;
        if self.wait.is_zero() {
            return write!(f, "{scope} cannot take the call in time ({decided_by})");
        }
        let wait = Rounded(self.wait);
        write!(f, "{scope} takes no call for another {wait} ({decided_by})")
    }
}

impl Error for NotBefore {}

/// The call has to wait, and there is no timer.
#[derive(Debug)]
pub(crate) struct NoTimer;

impl fmt::Display for NoTimer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("tower-backoff needs a tokio runtime with its timer enabled to wait")
    }
}

impl Error for NoTimer {}

/// The call costs more than a declared quota allows, so that no wait would help.
///
/// It was not sent.
///
/// ```
/// use tower_backoff::{BoxError, CostAboveQuota};
///
/// fn split_it(error: &BoxError) -> Option<u32> {
///     error.downcast_ref::<CostAboveQuota>().map(CostAboveQuota::limit)
/// }
/// # let _ = split_it;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CostAboveQuota {
    pub(crate) cost: u32,
    pub(crate) limit: u32,
    pub(crate) scope: Scope,
}

impl CostAboveQuota {
    /// Returns the cost of the call.
    pub fn cost(&self) -> u32 {
        self.cost
    }

    /// Returns the limit of the quota.
    pub fn limit(&self) -> u32 {
        self.limit
    }

    /// Returns the scope of the quota.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }
}

impl fmt::Display for CostAboveQuota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cost, limit, scope } = self;
        write!(
            f,
            "a cost of {cost} is above the quota of {limit} of {scope}"
        )
    }
}

impl Error for CostAboveQuota {}

/// The call has a named cost that no quota of its policy counts.
///
/// It was not sent: an API key that is limited by tokens would be used without counting them.
///
/// ```
/// use tower_backoff::{BoxError, UnknownCost};
///
/// fn misspelt(error: &BoxError) -> Option<&str> {
///     error.downcast_ref::<UnknownCost>().map(UnknownCost::name)
/// }
/// # let _ = misspelt;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownCost {
    pub(crate) name: &'static str,
    pub(crate) scope: Scope,
}

impl UnknownCost {
    /// Returns the name of the cost.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Returns the scope whose policy does not know it.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }
}

impl fmt::Display for UnknownCost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, scope } = self;
        write!(
            f,
            "no quota of {scope} counts {name}: declare it with PartialQuota::of_costs"
        )
    }
}

impl Error for UnknownCost {}

/// The longest source chain that is followed.
///
/// Real chains have about five errors. The bound ends a chain in which an error is its own source.
pub(crate) const DEEPEST: usize = 32;

/// Iterates over the error and its sources, the outermost first.
pub(crate) fn chain<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    iter::successors(Some(error), |&error| beneath(error)).take(DEEPEST)
}

/// Returns the next error of the chain.
///
/// `io::Error::source` skips the error that it was made from, which is the one that matters. So do the error of
/// reqwest-middleware, and an error that is shared.
fn beneath<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    if let Some(inner) = error.downcast_ref().and_then(io::Error::get_ref) {
        return Some(inner);
    }
    #[cfg(feature = "reqwest-middleware")]
    if let Some(reqwest_middleware::Error::Middleware(inner)) = error.downcast_ref() {
        return Some(inner.as_ref());
    }
    match error.downcast_ref::<Arc<dyn Error + Send + Sync>>() {
        Some(inner) => Some(&**inner),
        None => error.source(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An error of some client.
    #[derive(Debug)]
    struct OfClient(BoxError);

    impl fmt::Display for OfClient {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("the request failed")
        }
    }

    impl Error for OfClient {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&*self.0)
        }
    }

    fn later(wait: Duration) -> NotBefore {
        NotBefore {
            moment: SystemTime::UNIX_EPOCH,
            wait,
            scope: Scope::single(),
            decided_by: "retry-after".into(),
        }
    }

    #[track_caller]
    fn is_found(error: impl Into<BoxError>) {
        let expected = later(Duration::from_secs(7));
        assert_eq!(NotBefore::find(&*error.into()), Some(&expected));
    }

    #[test]
    fn not_before_is_found_however_it_is_wrapped() {
        let seven = || later(Duration::from_secs(7));
        is_found(seven());
        is_found(OfClient(OfClient(seven().into()).into()));
        is_found(io::Error::other(seven()));
        is_found(OfClient(io::Error::other(OfClient(seven().into())).into()));
        let shared: Arc<dyn Error + Send + Sync> = Arc::new(seven());
        is_found(OfClient(Box::new(shared)));
        #[cfg(feature = "reqwest-middleware")]
        {
            let error = reqwest_middleware::Error::Middleware(seven().into());
            is_found(error);
            let error = reqwest_middleware::Error::Middleware(OfClient(seven().into()).into());
            is_found(OfClient(error.into()));
        }
        let other = OfClient("another reason".into());
        assert_eq!(NotBefore::find(&other), None);
    }

    #[test]
    fn seconds_for_a_retry_after_are_rounded_up_and_never_zero() {
        for (millis, seconds) in [(0, 1), (1, 1), (1_000, 1), (1_001, 2), (58_300, 59)] {
            let error = later(Duration::from_millis(millis));
            assert_eq!(error.retry_after_seconds(), seconds, "{millis} ms");
        }
        assert_eq!(later(Duration::MAX).retry_after_seconds(), u64::MAX);
    }
}
