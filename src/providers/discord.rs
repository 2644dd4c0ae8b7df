//! Discord: <https://discord.com/developers/docs/topics/rate-limits>.

use std::time::Duration;

use http::header::AUTHORIZATION;

use crate::gate::Quota;
use crate::hint::Field;
use crate::policy::{PartialQuota, Provider};

/// Discord: 50 requests per second and bot, and buckets of routes that only responses name.
///
/// * A refusal is a 429 with `Retry-After`, and with `retry_after` in the body, in seconds with
///   decimals. `X-RateLimit-Scope` says whether it concerns the bot, all of its routes (`global`) or a
///   resource that others use, too (`shared`): in the last case `X-RateLimit-Remaining` is about
///   another limit, and `Retry-After` rules.
/// * `X-RateLimit-Bucket` names the bucket, `X-RateLimit-Remaining` and `-Reset-After` what is left of it,
///   for each channel, guild and webhook apart. `X-RateLimit-Global` is on refusals that stop them all.
/// * 10,000 invalid requests in 10 minutes (401, 403, and 429 other than `shared`) ban the address:
///   401 and 403 are final, and calls wait before there would be more. (A 429 that is `shared` is counted, too.)
pub fn discord() -> Provider {
    let invalid = Quota::new(10_000, Duration::from_secs(10 * 60));
    Provider::new("discord")
        .page("https://discord.com/developers/docs/topics/rate-limits")
        .plan(Quota::per_second(50))
        .partial_quota(PartialQuota::of_statuses([401, 403, 429], invalid))
        .per_credential([AUTHORIZATION])
        .buckets_in("x-ratelimit-bucket")
        .buckets_per_resource()
        .global_limit_header("x-ratelimit-global")
        .wait_from(Field::json("retry_after"))
        .final_on([401, 403])
}
