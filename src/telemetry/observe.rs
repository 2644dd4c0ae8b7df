//! Observers, which see every decision of the layer.

use std::fmt;
use std::time::Duration;

use http::StatusCode;

use crate::policy::{Attempt, Verdict};
use crate::scope::Scope;

/// Receives every decision, with the response head and the body of refusals and failures.
///
/// Wolfeo's page asks to log the full response of a 5xx:
///
/// ```
/// use tower_backoff::{Decision, Observer, RetryLayer, providers};
///
/// struct LogFailures;
///
/// impl Observer for LogFailures {
///     fn on_decision(&self, decision: &Decision<'_>) {
///         let attempt = decision.attempt;
///         if attempt.status().is_some_and(|status| status.is_server_error()) {
///             let body = String::from_utf8_lossy(attempt.body().unwrap_or_default());
///             eprintln!("{:?} {:?}: {body}", attempt.status(), attempt.headers());
///         }
///     }
/// }
///
/// let layer = RetryLayer::new(providers::wolfeo()).observe(LogFailures);
/// # let _ = layer;
/// ```
///
/// A closure is an observer, too; its argument needs its type:
///
/// ```
/// use tower_backoff::{Decision, RetryLayer, providers};
///
/// let layer = RetryLayer::new(providers::wolfeo()).observe(|decision: &Decision<'_>| {
///     if let Some(wait) = decision.closed_for {
///         eprintln!("{} is closed for {wait:?}", decision.scope);
///     }
/// });
/// # let _ = layer;
/// ```
pub trait Observer: Send + Sync {
    /// Called after the policy has judged an attempt.
    fn on_decision(&self, decision: &Decision<'_>);

    /// Called when little is left of a quota, published or declared, once until there is more again.
    ///
    /// [`RetryLayer::low_quota`](crate::RetryLayer::low_quota) says how little, and of which quotas it is told. The
    /// default does nothing.
    ///
    /// ```
    /// use tower_backoff::{Decision, LowQuota, Observer, RetryLayer, providers};
    ///
    /// struct Alarm;
    ///
    /// impl Observer for Alarm {
    ///     fn on_decision(&self, _: &Decision<'_>) {}
    ///
    ///     fn on_low_quota(&self, quota: &LowQuota<'_>) {
    ///         eprintln!("{} of {} calls left for {}", quota.remaining, quota.limit, quota.scope);
    ///     }
    /// }
    ///
    /// let layer = RetryLayer::new(providers::github()).observe(Alarm);
    /// # let _ = layer;
    /// ```
    fn on_low_quota(&self, quota: &LowQuota<'_>) {
        let _ = quota;
    }

    /// Whether it wants the bodies of responses with this status.
    ///
    /// The default is 4xx and 5xx.
    fn wants_body_of(&self, status: StatusCode) -> bool {
        status.is_client_error() || status.is_server_error()
    }
}

impl<F> Observer for F
where
    F: Fn(&Decision<'_>) + Send + Sync,
{
    fn on_decision(&self, decision: &Decision<'_>) {
        self(decision);
    }
}

impl<O: Observer + ?Sized> Observer for std::sync::Arc<O> {
    fn on_decision(&self, decision: &Decision<'_>) {
        (**self).on_decision(decision);
    }

    fn on_low_quota(&self, quota: &LowQuota<'_>) {
        (**self).on_low_quota(quota);
    }

    fn wants_body_of(&self, status: StatusCode) -> bool {
        (**self).wants_body_of(status)
    }
}

/// What is left of a quota that the server publishes, or that was declared.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct LowQuota<'a> {
    /// The scope of the gate, or its bucket.
    pub scope: &'a Scope,
    /// How many calls are left, without those that a declared quota reserves for urgent calls.
    pub remaining: u32,
    /// How many calls the quota has.
    pub limit: u32,
    /// When there will be more, from the arrival of the response; `None` if it does not say so.
    ///
    /// Of a declared quota, whose window slides, that is when the first of the calls in it no longer counts.
    pub resets_in: Option<Duration>,
    /// The length of the window of a declared quota; `None` of a quota that the server publishes.
    pub window: Option<Duration>,
}

/// A decision about an attempt.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Decision<'a> {
    /// The attempt. It has a body if that was small and arrived in time.
    pub attempt: &'a Attempt<'a>,
    /// The verdict of the policy.
    pub verdict: &'a Verdict,
    /// The scope of the gate.
    pub scope: &'a Scope,
    /// How long the gate is closed because of this attempt; `None` if it is not.
    pub closed_for: Option<Duration>,
}

impl fmt::Debug for Decision<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decision")
            .field("attempt", self.attempt)
            .field("verdict", self.verdict)
            .field("scope", self.scope)
            .field("closed_for", &self.closed_for)
            .finish()
    }
}
