//! Wolfeo: the page "Errors & Status Codes" of its API reference.

use std::time::Duration;

use crate::gate::Quota;
use crate::policy::Provider;

/// Wolfeo: 600 requests per minute.
///
/// * A refusal is a bare 429 with the body `{"message":"Too Many Attempts."}`, which is not its usual
///   envelope: "wait at least 60 seconds before retrying".
/// * Errors come as `{"success":false,"error":{"code","message"}}`. The codes below are about the
///   request, and final. After a 500 on `POST /contact` a second try may be answered by 409
///   `CONTACT_EXISTS`: the first one was done after all.
/// * 5xx are transient: "log the full response and retry after a short delay". For the log, see
///   [`Observer`](crate::Observer).
///
/// ```
/// use tower_backoff::{RetryLayer, providers};
///
/// let layer = RetryLayer::new(providers::wolfeo());
/// # let _ = layer;
/// ```
pub fn wolfeo() -> Provider {
    Provider::new("wolfeo")
        .plan(Quota::per_minute(600))
        .bare_429_wait(Duration::from_secs(60))
        .final_codes([
            "UNAUTHORIZED",
            "FORBIDDEN",
            "NOT_FOUND",
            "CONTACT_EXISTS",
            "VALIDATION_ERROR",
        ])
}
