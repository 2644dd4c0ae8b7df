//! HubSpot: <https://developers.hubspot.com/docs/developer-tooling/platform/usage-guidelines>.

use std::time::Duration;

use http::header::AUTHORIZATION;

use crate::gate::Quota;
use crate::policy::Provider;

/// HubSpot: 100 requests per 10 s and private app, and a number per day and account.
///
/// * A refusal is a 429 with `"errorType":"RATE_LIMIT"` that names no wait, but its `policyName`:
///   `TEN_SECONDLY_ROLLING`, or `DAILY`, which ends at midnight in the time zone of the account.
/// * `X-HubSpot-RateLimit-Daily-Remaining` and `X-HubSpot-RateLimit-Remaining` count down, one per
///   limit, and neither says when it is reset.
///
/// For an account in New York, for example, that midnight is:
///
/// ```
/// use tower_backoff::{hint::Field, providers};
///
/// let ours = providers::hubspot().add_wait_from(Field::midnight("DAILY", "EST5EDT,M3.2.0,M11.1.0"));
/// # let _ = ours;
/// ```
///
/// That is the free plan: Professional and Enterprise have 190, a public app has 110 per account.
pub fn hubspot() -> Provider {
    let ten_seconds = Duration::from_secs(10);
    Provider::new("hubspot")
        .page("https://developers.hubspot.com/docs/developer-tooling/platform/usage-guidelines")
        .plan(Quota::new(100, ten_seconds))
        .per_credential([AUTHORIZATION])
        .throttled_for_when_body_contains("TEN_SECONDLY_ROLLING", ten_seconds)
}
