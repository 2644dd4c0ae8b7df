//! Linear: <https://linear.app/developers/rate-limiting>.

use http::header::AUTHORIZATION;

use crate::policy::Provider;

/// Linear: requests and points of complexity per hour, each a bucket that refills all the time.
///
/// * A refusal is a 400 with an error whose code is `RATELIMITED`.
/// * What is left is published in `X-RateLimit-Requests-Remaining` and
///   `X-RateLimit-Complexity-Remaining`, the resets in epoch milliseconds.
///
/// No quota is declared, since it depends on how the app signs in, and is published.
pub fn linear() -> Provider {
    Provider::new("linear")
        .page("https://linear.app/developers/rate-limiting")
        .per_credential([AUTHORIZATION])
        .throttled_codes(["RATELIMITED"])
        .codes_at(["errors.*.extensions.code"])
}
