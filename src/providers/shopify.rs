//! Shopify, REST: <https://shopify.dev/docs/api/admin-rest/usage/rate-limits>.

use std::time::Duration;

use crate::gate::Quota;
use crate::policy::Provider;

/// Shopify's REST Admin API: a bucket of 40 requests per app and store that leaks 2 per second.
///
/// * A refusal is a 429 with `Retry-After: 2.0`.
/// * `X-Shopify-Shop-Api-Call-Limit: 39/40` says how full the bucket is, on every response.
/// * 430 means that the request looked malicious, and is final.
/// * Each store has a host of its own.
///
/// That is the standard plan: the bucket of Advanced leaks 4 per second, that of Plus 20.
pub fn shopify() -> Provider {
    Provider::new("shopify")
        .page("https://shopify.dev/docs/api/admin-rest/usage/rate-limits")
        .plan(Quota::new(40, Duration::from_secs(20)))
        .per_credential(["x-shopify-access-token"])
}
