//! Cloudflare: <https://developers.cloudflare.com/fundamentals/api/reference/limits/>.

use std::time::Duration;

use crate::gate::Quota;
use crate::policy::Provider;

/// Cloudflare's API: 1,200 requests per 5 minutes and user, and 200 per second and address.
///
/// * Who exceeds it is blocked for the next 5 minutes, by a 429 with `retry-after`.
/// * What is left is published in the `Ratelimit` field: `"default";r=50;t=30`.
/// * All keys and tokens of a user, and the dashboard, are counted together, so that no token is counted
///   alone.
pub fn cloudflare() -> Provider {
    let five_minutes = Duration::from_secs(5 * 60);
    Provider::new("cloudflare")
        .page("https://developers.cloudflare.com/fundamentals/api/reference/limits/")
        .plans([Quota::new(1_200, five_minutes), Quota::per_second(200)])
        .bare_429_wait(five_minutes)
}
