//! The errors of this crate.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::time::{Duration, SystemTime};

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
///     error.downcast_ref::<NotBefore>().map(NotBefore::moment)
/// }
/// # let _ = reschedule;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotBefore {
    pub(crate) moment: SystemTime,
    pub(crate) wait: Duration,
    pub(crate) scope: Scope,
    pub(crate) decided_by: Cow<'static, str>,
}

impl NotBefore {
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
