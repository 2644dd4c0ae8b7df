//! Datadog: <https://docs.datadoghq.com/api/latest/rate-limits/>.

use crate::policy::Provider;

/// Datadog: limits by endpoint and organization, published.
///
/// * A refusal is a 429 with `X-RateLimit-Limit`, `-Period`, `-Remaining` and `-Reset`, the reset in
///   seconds from now, and `-Name`, which names the limit.
///
/// No quota is declared, since each endpoint has its own.
pub fn datadog() -> Provider {
    Provider::new("datadog")
        .page("https://docs.datadoghq.com/api/latest/rate-limits/")
        .per_credential(["dd-api-key", "authorization"])
        .buckets_in("x-ratelimit-name")
}
