//! Sentry, from these pages:
//!
//! * <https://develop.sentry.dev/sdk/expected-features/rate-limiting/>
//! * <https://docs.sentry.io/api/ratelimits/>

use std::time::Duration;

use crate::hint::Field;
use crate::policy::Provider;

/// Sentry: limits of what is sent in by category, and of its web API by endpoint.
///
/// * A refusal is a 429 with `Retry-After`, and `X-Sentry-Rate-Limits: 60:transaction:key,
///   2700:default;error:organization`: seconds, categories and scope of each limit. The longest counts.
///   With neither it is 60 s.
/// * On a 200 `X-Sentry-Rate-Limits` is about one category, and nothing waits.
/// * The web API publishes `X-Sentry-Rate-Limit-Remaining` and `-Reset`, the reset in epoch seconds.
///
/// No quota is declared, since it depends on the plan and the endpoint.
pub fn sentry() -> Provider {
    Provider::new("sentry")
        .page("https://develop.sentry.dev/sdk/expected-features/rate-limiting/")
        .bare_429_wait(Duration::from_secs(60))
        .wait_from(Field::header_list("x-sentry-rate-limits"))
}
