//! Intercom: <https://developers.intercom.com/docs/references/rest-api/errors/rate-limiting>.

use std::time::Duration;

use http::header::AUTHORIZATION;

use crate::gate::Quota;
use crate::policy::Provider;

/// Intercom: 10,000 requests per minute and app, in windows of 10 s, and 25,000 per workspace.
///
/// * `X-RateLimit-Limit`, `-Remaining` and `-Reset`, the reset in epoch seconds, come with every
///   response and are about the window of 10 s. A refusal is a 429 with nothing left.
pub fn intercom() -> Provider {
    Provider::new("intercom")
        .page("https://developers.intercom.com/docs/references/rest-api/errors/rate-limiting")
        .plan(Quota::new(1_666, Duration::from_secs(10)))
        .per_credential([AUTHORIZATION])
}
