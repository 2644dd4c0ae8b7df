//! Numbers through the `metrics` crate, and nothing at all without the feature.
//!
//! Their names are listed in `crate::metrics`.

#[cfg(feature = "metrics")]
pub(crate) use told::{again, judged, on_stop, paid, shut};
#[cfg(not(feature = "metrics"))]
pub(crate) use untold::{again, judged, on_stop, paid, shut};

#[cfg(feature = "metrics")]
mod told {
    use std::time::Duration;

    use http::StatusCode;
    use metrics::{counter, histogram};

    use crate::report::StopReason;
    use crate::scope::Scope;

    /// An attempt was answered or failed.
    pub(crate) fn judged(scope: &Scope, status: Option<StatusCode>, refused: bool) {
        let status = status.map_or_else(|| "none".to_owned(), |status| status.as_u16().to_string());
        let scope = scope.to_string();
        if refused {
            let labels = [("scope", scope.clone()), ("status", status.clone())];
            counter!("tower_backoff_refusals_total", &labels).increment(1);
        }
        let labels = [("scope", scope), ("status", status)];
        counter!("tower_backoff_attempts_total", &labels).increment(1);
    }

    /// A gate shut.
    pub(crate) fn shut(scope: &Scope, by: &str) {
        let labels = [("scope", scope.to_string()), ("decided_by", by.to_owned())];
        counter!("tower_backoff_closings_total", &labels).increment(1);
    }

    /// A call goes again after this wait.
    pub(crate) fn again(scope: &Scope, wait: Duration, by: &str) {
        let labels = [("scope", scope.to_string()), ("decided_by", by.to_owned())];
        histogram!("tower_backoff_waits_seconds", &labels).record(wait);
    }

    /// A call ended without being served.
    pub(crate) fn on_stop(scope: &Scope, why: StopReason) {
        let labels = [("scope", scope.to_string()), ("why", why.to_string())];
        counter!("tower_backoff_ended_total", &labels).increment(1);
    }

    /// The budget paid for a retry.
    pub(crate) fn paid(scope: &Scope) {
        let labels = [("scope", scope.to_string())];
        counter!("tower_backoff_budget_paid_total", &labels).increment(1);
    }
}

#[cfg(not(feature = "metrics"))]
mod untold {
    use std::time::Duration;

    use http::StatusCode;

    use crate::report::StopReason;
    use crate::scope::Scope;

    pub(crate) fn judged(_: &Scope, _: Option<StatusCode>, _: bool) {}
    pub(crate) fn shut(_: &Scope, _: &str) {}
    pub(crate) fn again(_: &Scope, _: Duration, _: &str) {}
    pub(crate) fn on_stop(_: &Scope, _: StopReason) {}
    pub(crate) fn paid(_: &Scope) {}
}
