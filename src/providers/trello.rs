//! Trello: <https://developer.atlassian.com/cloud/trello/guides/rest-api/rate-limits/>.

use std::time::Duration;

use http::header::AUTHORIZATION;

use crate::gate::Quota;
use crate::policy::Provider;

/// Trello: 100 requests per 10 s and token, and 300 per 10 s and API key.
///
/// * A refusal is a bare 429 whose code names the limit: `API_TOKEN_LIMIT_EXCEEDED` or
///   `API_KEY_LIMIT_EXCEEDED`. Both end with their window of 10 s.
/// * After 200 refusals in a window everything is refused until it ends.
/// * `/1/members/` has a limit of its own, 100 per 900 s, whose refusal waits as a bare one.
///
/// Declared is the limit of a token, which is the tighter one for a key of up to three tokens at a time.
pub fn trello() -> Provider {
    let ten_seconds = Duration::from_secs(10);
    Provider::new("trello")
        .page("https://developer.atlassian.com/cloud/trello/guides/rest-api/rate-limits/")
        .plan(Quota::new(100, ten_seconds))
        .per_credential([AUTHORIZATION])
        .throttled_for_when_body_contains("API_TOKEN_LIMIT_EXCEEDED", ten_seconds)
        .add_throttled_for_when_body_contains("API_KEY_LIMIT_EXCEEDED", ten_seconds)
}
