//! Zoom: <https://developers.zoom.us/docs/api/rate-limits/>.

use std::time::Duration;

use crate::policy::Provider;

/// Zoom: requests per second and per day, by plan of the account and weight of the endpoint.
///
/// * A refusal by the limit per second is a 429 that names no wait, but says so in its message.
/// * A refusal by the limit per day is a 429 with `X-RateLimit-Type: Daily-limit` and a moment in
///   `Retry-After`: `2020-05-31T00:00:00Z`.
/// * `X-RateLimit-Category` names the weight: `Light`, `Medium`, `Heavy`.
/// * All apps of an account share its limits, so that no token is counted alone.
///
/// No quota is declared, since it depends on the plan and the endpoint.
pub fn zoom() -> Provider {
    Provider::new("zoom")
        .page("https://developers.zoom.us/docs/api/rate-limits/")
        .buckets_in("x-ratelimit-category")
        .throttled_for_when_body_contains("per-second rate limit", Duration::from_secs(1))
}
