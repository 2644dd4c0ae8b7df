//! GitHub, REST: <https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api>.

use std::time::Duration;

use http::header::AUTHORIZATION;

use crate::gate::Quota;
use crate::policy::{PartialQuota, Provider};

/// GitHub's REST API: 5,000 requests per hour and user, and secondary limits.
///
/// * The primary limit is published with every response in `x-ratelimit-*`, the reset in epoch
///   seconds, and is 60 per hour without a token. A refusal is a 403 or a 429 with nothing left.
/// * The secondary limits: 100 requests at once, shared with GraphQL, and 900 points per minute: reads
///   cost 1, writes 5; say so with [`cost_by`](crate::RetryLayer::cost_by). A refusal is a 403 or a
///   429 with `retry-after`, or only with a body that says so: then at least a minute, and longer each
///   time. Calling on while limited may get an integration banned.
/// * Writes are to be a second apart
///   (<https://docs.github.com/en/rest/using-the-rest-api/best-practices-for-using-the-rest-api>).
/// * A 403 for want of permission carries the same headers, and is final.
/// * `x-ratelimit-resource` names the limit that a request was counted by: `core`, `search` ... A spent
///   one does not stop the others.
pub fn github() -> Provider {
    Provider::new("github")
        .page("https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api")
        .plans([Quota::concurrent(100), Quota::per_minute(900)])
        .partial_quota(PartialQuota::of_writes(Quota::per_second(1)))
        .per_credential([AUTHORIZATION])
        .buckets_in("x-ratelimit-resource")
        .bare_429_wait(Duration::from_secs(60))
        .throttled_when_body_contains("secondary rate limit")
}
