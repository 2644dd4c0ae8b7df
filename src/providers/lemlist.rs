//! lemlist, from these pages:
//!
//! * <https://developer.lemlist.com/api-reference/getting-started/rate-limits>
//! * <https://developer.lemlist.com/api-reference/getting-started/errors>

use std::time::Duration;

use http::header::AUTHORIZATION;

use crate::gate::Quota;
use crate::policy::Provider;

/// lemlist: 20 requests per 2 s and API key, over all routes.
///
/// * Every response, served or refused, carries `Retry-After` and `X-RateLimit-Limit`, `-Remaining`
///   and `-Reset`; so `Retry-After` on a 200 with budget left means nothing.
/// * `X-RateLimit-Reset` is a JavaScript date: `Tue Feb 16 2021 09:02:42 GMT+0100 (Central European
///   Standard Time)`.
/// * 403 means that the user is blocked, and 400, 401, 404 and 405 are about the request: all final.
/// * 500 is transient.
///
/// ```
/// use tower_backoff::{RetryLayer, providers};
///
/// let layer = RetryLayer::new(providers::lemlist());
/// # let _ = layer;
/// ```
pub fn lemlist() -> Provider {
    Provider::new("lemlist")
        .page("https://developer.lemlist.com/api-reference/getting-started/rate-limits")
        .plan(Quota::new(20, Duration::from_secs(2)))
        .per_credential([AUTHORIZATION])
        .final_on([400, 401, 403, 404, 405])
}
