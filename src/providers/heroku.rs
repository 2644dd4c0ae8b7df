//! Heroku: <https://devcenter.heroku.com/articles/platform-api-reference#rate-limits>.

use http::header::AUTHORIZATION;

use crate::gate::Quota;
use crate::policy::Provider;

/// Heroku: a bucket of 4,500 requests per account that refills by about 75 per minute.
///
/// * `RateLimit-Remaining` comes with every response, and no reset. A refusal is a bare 429 with the id
///   `rate_limit`.
pub fn heroku() -> Provider {
    Provider::new("heroku")
        .page("https://devcenter.heroku.com/articles/platform-api-reference#rate-limits")
        .plan(Quota::per_hour(4_500))
        .per_credential([AUTHORIZATION])
}
