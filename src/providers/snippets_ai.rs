//! Snippets AI: the page "Error Response Format" of its API reference.

use std::time::Duration;

use crate::gate::Quota;
use crate::policy::Provider;

/// Snippets AI: 20 requests per minute.
///
/// * A refusal is a 429 with `Retry-After` in seconds.
/// * 403 has three meanings. A key without permission, an inactive subscription or an *insufficient
///   request quota* is final: the remedy is to buy more. A key that was tried wrongly too often is
///   blocked for five minutes, and that passes; the response then may carry `Retry-After`.
/// * 400, 401 and 404 are about the request, and final.
/// * 5xx: "retry the request after a short delay".
///
/// ```
/// use tower_backoff::{RetryLayer, providers};
///
/// let layer = RetryLayer::new(providers::snippets_ai());
/// # let _ = layer;
/// ```
pub fn snippets_ai() -> Provider {
    Provider::new("snippets-ai")
        .plan(Quota::per_minute(20))
        .throttled_for_when_body_contains("temporarily blocked", Duration::from_secs(5 * 60))
        .final_when_body_contains("insufficient")
        .final_on([400, 401, 404])
}
