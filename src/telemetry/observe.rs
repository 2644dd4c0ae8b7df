//! Seeing every decision.

use std::fmt;
use std::time::Duration;

use http::StatusCode;

use crate::policy::{Attempt, Verdict};
use crate::scope::Scope;

/// Is told every decision, with the head and, of refusals and failures, the peeked body.
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
pub trait Observer: Send + Sync {
    /// One attempt was judged.
    fn on_decision(&self, decision: &Decision<'_>);

    /// Whether it wants to see the bodies of responses with this status. The default: those of
    /// 4xx and 5xx.
    fn wants_body_of(&self, status: StatusCode) -> bool {
        status.is_client_error() || status.is_server_error()
    }
}

impl<O: Observer + ?Sized> Observer for std::sync::Arc<O> {
    fn on_decision(&self, decision: &Decision<'_>) {
        (**self).on_decision(decision);
    }

    fn wants_body_of(&self, status: StatusCode) -> bool {
        (**self).wants_body_of(status)
    }
}

/// What was decided about an attempt.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Decision<'a> {
    /// The attempt, with the body if it was small and quick enough.
    pub attempt: &'a Attempt<'a>,
    /// What the policy said.
    pub verdict: &'a Verdict,
    /// Whose gate it is.
    pub scope: &'a Scope,
    /// For how long the gate of the scope is now shut because of this attempt.
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
