//! Notion: <https://developers.notion.com/reference/request-limits>.

use http::header::AUTHORIZATION;

use crate::gate::Quota;
use crate::policy::Provider;

/// Notion: 3 requests per second and integration on the average, with bursts above it.
///
/// * A refusal is a 429 with the code `rate_limited` and `Retry-After` in whole seconds.
pub fn notion() -> Provider {
    Provider::new("notion")
        .page("https://developers.notion.com/reference/request-limits")
        .plan(Quota::per_second(3))
        .per_credential([AUTHORIZATION])
}
