//! PagerDuty: <https://developer.pagerduty.com/docs/rest-api-rate-limits>.

use http::header::AUTHORIZATION;

use crate::gate::Quota;
use crate::policy::Provider;

/// PagerDuty's REST API: 960 requests per minute and key.
///
/// * `ratelimit-limit`, `ratelimit-remaining` and `ratelimit-reset`, the reset in seconds, come with every
///   response. A refusal is a 429 with nothing left.
pub fn pagerduty() -> Provider {
    Provider::new("pagerduty")
        .page("https://developer.pagerduty.com/docs/rest-api-rate-limits")
        .plan(Quota::per_minute(960))
        .per_credential([AUTHORIZATION])
}
