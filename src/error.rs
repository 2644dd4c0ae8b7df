//! What a call ends with when its next moment lies too far away.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::time::{Duration, SystemTime};

use crate::scope::Scope;
use crate::time::Rounded;

/// The error of every service in this crate, as in tower's own layers.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// The call ends without an answer, because the moment from which it may be sent lies beyond its
/// patience.
///
/// As a rule nothing was sent. If it was, it was refused with a body of more than 4 KiB, which a waiting call does not
/// keep. The error says when, for whom, and which header said so, so that a job queue can put the job back with the
/// right date:
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
    /// From this moment of the wall clock on, it may be sent.
    pub fn moment(&self) -> SystemTime {
        self.moment
    }

    /// How long that was from the moment at which the call ended.
    pub fn wait(&self) -> Duration {
        self.wait
    }

    /// Whose gate is shut.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// The header that decided, in lower case, or what else did.
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

/// The call would have to wait, and there is nothing here to wait with.
#[derive(Debug)]
pub(crate) struct NoTimer;

impl fmt::Display for NoTimer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("tower-backoff needs a tokio runtime with its timer enabled to wait")
    }
}

impl Error for NoTimer {}

/// The call ends without having been sent: it costs more than a declared quota ever allows, so that no
/// wait would help.
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
    /// What the call costs.
    pub fn cost(&self) -> u32 {
        self.cost
    }

    /// The most that a call may cost.
    pub fn limit(&self) -> u32 {
        self.limit
    }

    /// Whose quota it is.
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
