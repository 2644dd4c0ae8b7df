//! ClickUp: <https://developer.clickup.com/docs/rate-limits>.

use http::header::AUTHORIZATION;

use crate::policy::Provider;

/// ClickUp: requests per minute and token, from 100 to 10,000 by plan.
///
/// * A refusal is a 429 with `X-RateLimit-Remaining` and `-Reset`, the reset in epoch seconds.
///
/// No quota is declared, since it depends on the plan, and is published.
pub fn clickup() -> Provider {
    Provider::new("clickup")
        .page("https://developer.clickup.com/docs/rate-limits")
        .per_credential([AUTHORIZATION])
}
