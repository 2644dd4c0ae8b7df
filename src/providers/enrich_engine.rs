//! EnrichEngine: the page "Error Handling" of its API reference.

use crate::policy::Provider;

/// EnrichEngine: 100 requests per window, published with every response.
///
/// * A refusal is a 429 with `X-RateLimit-Limit`, `-Remaining` and `-Reset`, the reset in epoch
///   seconds; its code is `RATE_LIMIT_EXCEEDED`.
/// * The codes below are final whatever the status; `INSUFFICIENT_CREDITS` means to buy more.
/// * `INVALID_JOB_STAGE` means "poll again later", which is the caller's loop: final here.
///
/// ```
/// use tower_backoff::{RetryLayer, providers};
///
/// let layer = RetryLayer::new(providers::enrich_engine());
/// # let _ = layer;
/// ```
pub fn enrich_engine() -> Provider {
    Provider::new("enrich-engine")
        .throttled_codes(["RATE_LIMIT_EXCEEDED", "RATE_LIMITED"])
        .final_codes([
            "INVALID_API_KEY",
            "INSUFFICIENT_SCOPE",
            "NO_ACTIVE_ORGANIZATION",
            "INSUFFICIENT_CREDITS",
            "INVALID_CSV_FORMAT",
            "RESOURCE_NOT_FOUND",
            "JOB_NOT_FOUND",
            "NO_EMAILS_TO_VERIFY",
            "INVALID_JOB_STAGE",
        ])
}
