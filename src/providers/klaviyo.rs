//! Klaviyo: <https://developers.klaviyo.com/en/docs/rate_limits_and_error_handling>.

use http::header::AUTHORIZATION;

use crate::policy::Provider;

/// Klaviyo: requests per second and per minute, by account and endpoint.
///
/// * Both are fixed windows. What is left of the minute is published with every served answer in
///   `RateLimit-Remaining` and `-Reset`. A refusal is a 429 without them.
/// * The endpoint is in the path, `/api/profiles`, so that one does not wait for another.
///
/// No quota is declared, since each endpoint has one of five sizes, from 1 per second and 15 per minute to
/// 350 and 3,500.
pub fn klaviyo() -> Provider {
    Provider::new("klaviyo")
        .page("https://developers.klaviyo.com/en/docs/rate_limits_and_error_handling")
        .per_credential([AUTHORIZATION])
        .per_path_segment(1)
}
