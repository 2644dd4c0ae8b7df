//! Counters through the `metrics` crate; they compile to nothing without the feature.
//!
//! Their names are listed in `crate::metrics`. Labels take few values, all chosen here.

#[cfg(feature = "metrics")]
pub(crate) use counting::{on_attempt, on_close, on_stop, on_wait};
#[cfg(not(feature = "metrics"))]
pub(crate) use idle::{on_attempt, on_close, on_stop, on_wait};

/// The outcome of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AttemptKind {
    Served,
    /// Refused by a rate limit.
    Refused,
    /// Failed: a broken connection or a server error.
    Failed,
}

#[cfg(feature = "metrics")]
mod counting {
    use std::time::Duration;

    use metrics::{counter, histogram};

    use super::AttemptKind;
    use crate::scope::Scope;
    use crate::telemetry::StopReason;

    /// Labels a bucket with its scope, since a server can name any number of buckets.
    fn label(scope: &Scope) -> (&'static str, String) {
        ("scope", scope.without_bucket().to_string())
    }

    /// Counts an attempt.
    pub(crate) fn on_attempt(scope: &Scope, outcome: AttemptKind) {
        let outcome = match outcome {
            AttemptKind::Served => "served",
            AttemptKind::Refused => "refused",
            AttemptKind::Failed => "failed",
        };
        let labels = [label(scope), ("outcome", outcome.to_owned())];
        counter!("tower_backoff_attempts_total", &labels).increment(1);
    }

    /// Counts a closing, by a wait that the server named or by the default one.
    pub(crate) fn on_close(scope: &Scope, named: bool) {
        let decided_by = if named { "server" } else { "default" };
        let labels = [label(scope), ("decided_by", decided_by.to_owned())];
        counter!("tower_backoff_closings_total", &labels).increment(1);
    }

    /// Records how long an attempt waited before it was sent.
    pub(crate) fn on_wait(scope: &Scope, wait: Duration) {
        histogram!("tower_backoff_waits_seconds", &[label(scope)]).record(wait);
    }

    /// Counts a call that ended without success.
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
