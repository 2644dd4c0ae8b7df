//! `tracing` events and spans; they compile to nothing without the feature.
//!
//! They name the status or the kind of error, the scope, the wait and what decided it; never a credential, a path or
//! a query string.

use std::time::Duration;

use http::StatusCode;

use crate::failure::FailureKind;
use crate::policy::Attempt;
use crate::scope::Scope;
use crate::telemetry::{LowQuota, StopReason};

#[cfg(feature = "tracing")]
macro_rules! event {
    ($level:ident, $($rest:tt)*) => { tracing::$level!($($rest)*) };
}

#[cfg(not(feature = "tracing"))]
macro_rules! event {
    ($level:ident, $($($name:ident).+ = %$value:expr,)* $text:literal) => {{ $(let _ = &$value;)* }};
}

/// The status or the kind of error of an attempt.
#[derive(Clone, Copy)]
pub(crate) enum Cause {
    Status(StatusCode),
    Error(FailureKind),
}

impl Cause {
    pub(crate) fn of(attempt: &Attempt<'_>) -> Option<Self> {
        let status = attempt.status().map(Self::Status);
        status.or_else(|| {
            attempt
                .error()
                .map(|error| Self::Error(FailureKind::of(error)))
        })
    }
}

/// Emits an event with the status, or else with the kind of error.
macro_rules! event_about {
    ($cause:expr, $level:ident, $($rest:tt)*) => {
        match $cause {
            Cause::Status(status) => event!($level, status = %status.as_u16(), $($rest)*),
            Cause::Error(kind) => event!($level, error.type = %kind, $($rest)*),
        }
    };
}

/// Reports that a gate closed, or that it stays closed for longer.
pub(crate) fn on_close(scope: &Scope, cause: Cause, closed_for: Duration, by: &str) {
    let seconds = closed_for.as_secs_f64();
    event_about!(
        cause,
        warn,
        scope = %scope,
        seconds = %seconds,
        decided_by = %by,
        "the gate is closed"
    );
}

/// Reports that a call will be sent again.
pub(crate) fn on_retry(scope: &Scope, attempts: u32, cause: Cause, wait: Duration, by: &str) {
    let seconds = wait.as_secs_f64();
    event_about!(
        cause,
        info,
        scope = %scope,
        attempts = %attempts,
        seconds = %seconds,
        decided_by = %by,
        "the call goes again"
    );
}

/// Reports that a call ended without an accepted response.
pub(crate) fn on_stop(scope: &Scope, attempts: u32, reason: StopReason) {
    event!(
        info,
        scope = %scope,
        attempts = %attempts,
        reason = %reason,
        "the call ended"
    );
}

/// Reports that little is left of a quota.
pub(crate) fn on_low_quota(quota: &LowQuota<'_>) {
    let seconds = quota.resets_in.unwrap_or_default().as_secs_f64();
    if quota.window.is_some() {
        return event!(
            info,
            scope = %quota.scope,
            remaining = %quota.remaining,
            limit = %quota.limit,
            seconds = %seconds,
            "little is left of the declared quota"
        );
    }
    event!(
        info,
        scope = %quota.scope,
        remaining = %quota.remaining,
        limit = %quota.limit,
        seconds = %seconds,
        "little is left of the published quota"
    );
}

/// Warns of a second layer for a provider that does not share the gates of the first.
pub(crate) fn on_duplicate_layer(provider: &str) {
    event!(
        warn,
        provider = %provider,
        "a second layer for this provider does not share the gates of the first: build one and clone it, or share `Gates`"
    );
}

/// Warns of a layer that shares `Gates` with another one which has declared other quotas for the same scope.
pub(crate) fn on_other_quotas(scope: &Scope) {
    event!(
        warn,
        scope = %scope,
        "another layer that shares these `Gates` has declared other quotas: they count, and those of this layer do not"
    );
}

/// Warns of a `Retry-After` whose reset in the same response is another by more than a factor of 100.
pub(crate) fn on_doubtful_unit(scope: &Scope) {
    event!(
        warn,
        scope = %scope,
        "`Retry-After` and the reset of the same response differ by more than a factor of 100: it was read as seconds; if it counts another unit, state it with `Provider::header_unit(\"retry-after\", ..)`"
    );
}

/// Warns that a [`BodyFactory`](crate::body::BodyFactory) failed.
///
/// Its error is not logged, since it may contain secrets.
pub(crate) fn on_factory_error() {
    event!(warn, "the request body could not be made again");
}

pub(crate) use span::{Span, attempt};

#[cfg(feature = "tracing")]
mod span {
    use http::{Method, StatusCode};

    use crate::failure::FailureKind;
    use crate::scope::Scope;

    /// The span of one attempt, to which the client's own events belong.
    /// Its fields have the names of the semantic conventions of OpenTelemetry for HTTP clients.
    pub(crate) struct Span(tracing::Span);

    /// Creates a span; `None` if no subscriber wants it.
    #[inline]
    pub(crate) fn attempt(scope: &Scope, method: &Method, number: u32) -> Option<Span> {
        // Checked first, since creating an unwanted span costs more than this check.
        if tracing::level_filters::LevelFilter::current() < tracing::Level::DEBUG {
            return None;
        }
        let span = tracing::debug_span!(
            "attempt",
            %scope,
            http.request.method = %method,
            http.request.resend_count = tracing::field::Empty,
            http.response.status_code = tracing::field::Empty,
            error.type = tracing::field::Empty,
        );
        if number > 1 {
            span.record("http.request.resend_count", number - 1);
        }
        (!span.is_disabled()).then_some(Span(span))
    }

    impl Span {
        pub(crate) fn in_scope<T>(&self, what: impl FnOnce() -> T) -> T {
            self.0.in_scope(what)
        }

        /// Notes the response. A status from 400 on is an error, by its number.
        pub(crate) fn on_response(&self, status: StatusCode) {
            self.0.record("http.response.status_code", status.as_u16());
            if status.as_u16() >= 400 {
                self.0.record("error.type", status.as_str());
            }
        }

        pub(crate) fn on_error(&self, kind: FailureKind) {
            self.0.record("error.type", tracing::field::display(kind));
        }
    }
}

#[cfg(not(feature = "tracing"))]
mod span {
    use http::{Method, StatusCode};

    use crate::failure::FailureKind;
    use crate::scope::Scope;

    pub(crate) enum Span {}

    pub(crate) fn attempt(_: &Scope, _: &Method, _: u32) -> Option<Span> {
        None
    }

    impl Span {
        pub(crate) fn in_scope<T>(&self, _: impl FnOnce() -> T) -> T {
            match *self {}
        }

        pub(crate) fn on_response(&self, _: StatusCode) {
            match *self {}
        }

        pub(crate) fn on_error(&self, _: FailureKind) {
            match *self {}
        }
    }
}
