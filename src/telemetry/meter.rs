//! Numbers through the `metrics` crate, and nothing at all without the feature.
//!
//! Their names are listed in `crate::metrics`. Labels take few values, all of them chosen here.

#[cfg(feature = "metrics")]
pub(crate) use counting::{on_attempt, on_close, on_stop, on_wait};
#[cfg(not(feature = "metrics"))]
pub(crate) use idle::{on_attempt, on_close, on_stop, on_wait};

/// What an attempt came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AttemptKind {
    Served,
    /// By a limit.
    Refused,
    /// A broken connection, or an answer that the server failed.
    Failed,
}

#[cfg(feature = "metrics")]
mod counting {
    use std::time::Duration;

    use metrics::{counter, histogram};

    use super::AttemptKind;
    use crate::scope::Scope;
    use crate::telemetry::StopReason;

    /// A server names its buckets, so they are counted under the scope that they belong to.
    fn label(scope: &Scope) -> (&'static str, String) {
        ("scope", scope.without_bucket().to_string())
    }

    /// An attempt was answered or failed.
    pub(crate) fn on_attempt(scope: &Scope, outcome: AttemptKind) {
        let outcome = match outcome {
            AttemptKind::Served => "served",
            AttemptKind::Refused => "refused",
            AttemptKind::Failed => "failed",
        };
        let labels = [label(scope), ("outcome", outcome.to_owned())];
        counter!("tower_backoff_attempts_total", &labels).increment(1);
    }

    /// A gate closed, for a wait that the server named or for the default one.
    pub(crate) fn on_close(scope: &Scope, named: bool) {
        let decided_by = if named { "server" } else { "default" };
        let labels = [label(scope), ("decided_by", decided_by.to_owned())];
        counter!("tower_backoff_closings_total", &labels).increment(1);
    }

    /// A call goes again after this wait.
    pub(crate) fn on_wait(scope: &Scope, wait: Duration) {
        histogram!("tower_backoff_waits_seconds", &[label(scope)]).record(wait);
    }

    /// A call ended without being served.
    pub(crate) fn on_stop(scope: &Scope, reason: StopReason) {
        use StopReason::{Final, NotSafe, Permanent};
        let why = match reason {
            Final | NotSafe | Permanent => "final",
            _ => "gave_up",
        };
        let labels = [label(scope), ("why", why.to_owned())];
        counter!("tower_backoff_stopped_total", &labels).increment(1);
    }
}

#[cfg(not(feature = "metrics"))]
mod idle {
    use std::time::Duration;

    use super::AttemptKind;
    use crate::scope::Scope;
    use crate::telemetry::StopReason;

    pub(crate) fn on_attempt(_: &Scope, _: AttemptKind) {}
    pub(crate) fn on_close(_: &Scope, _: bool) {}
    pub(crate) fn on_wait(_: &Scope, _: Duration) {}
    pub(crate) fn on_stop(_: &Scope, _: StopReason) {}
}
