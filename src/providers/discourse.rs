//! Discourse: <https://meta.discourse.org/t/global-rate-limits-and-throttling-in-discourse/78612>.

use crate::gate::Quota;
use crate::hint::Field;
use crate::policy::Provider;

/// Discourse: 60 requests per minute and admin API key, fewer with a user API key.
///
/// These are 20 per minute and 2,880 per day, where the site has not set other limits.
///
/// * A refusal is a 429 with `Retry-After`, or with `extras.wait_seconds` in the body.
/// * Each site has a host of its own.
pub fn discourse() -> Provider {
    Provider::new("discourse")
        .page("https://meta.discourse.org/t/global-rate-limits-and-throttling-in-discourse/78612")
        .plan(Quota::per_minute(60))
        .per_credential(["api-key", "user-api-key"])
        .wait_from(Field::json("extras.wait_seconds"))
}
