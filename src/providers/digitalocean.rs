//! DigitalOcean, from this page:
//!
//! <https://docs.digitalocean.com/reference/api/digitalocean/#section/Introduction/Rate-Limit>

use http::header::AUTHORIZATION;

use crate::gate::Quota;
use crate::policy::Provider;

/// DigitalOcean: 5,000 requests per hour and token, and 250 per minute.
///
/// * `ratelimit-limit`, `ratelimit-remaining` and `ratelimit-reset` come with every response. The reset is
///   in epoch seconds, and is the moment when the oldest request no longer counts.
/// * A refusal is a 429; by the limit per minute it has `retry-after`, too, which is shorter.
pub fn digitalocean() -> Provider {
    Provider::new("digitalocean")
        .page("https://docs.digitalocean.com/reference/api/digitalocean/#section/Introduction/Rate-Limit")
        .plans([Quota::per_hour(5_000), Quota::per_minute(250)])
        .per_credential([AUTHORIZATION])
}
