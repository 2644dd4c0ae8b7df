//! GitHub, GraphQL, from this page:
//!
//! <https://docs.github.com/en/graphql/overview/rate-limits-and-query-limits-for-the-graphql-api>

use std::time::Duration;

use http::header::AUTHORIZATION;

use crate::gate::Quota;
use crate::policy::Provider;

/// GitHub's GraphQL API: 5,000 points per hour and user, and secondary limits.
///
/// * What is left is published with every response in `x-ratelimit-*`. A refusal by the primary limit
///   is a 200 with nothing left, and an error of the type `RATE_LIMITED` in the body.
/// * The secondary limits: 100 requests at once, shared with REST, and 2,000 points per minute: a query
///   costs 1, a mutation 5. A refusal by them is a 200 or a 403 that says so, with or without
///   `retry-after`: else at least a minute.
///
/// The bodies of 200s are looked into, since that is where the refusals are.
pub fn github_graphql() -> Provider {
    Provider::new("github-graphql")
        .page(
            "https://docs.github.com/en/graphql/overview/rate-limits-and-query-limits-for-the-graphql-api",
        )
        .plans([Quota::concurrent(100), Quota::per_minute(2_000)])
        .per_credential([AUTHORIZATION])
        .bare_429_wait(Duration::from_secs(60))
        .inspect_bodies_of([200])
        .throttled_codes(["RATE_LIMITED"])
        .codes_at(["errors.*.type"])
        .throttled_when_body_contains("exceeded a secondary rate limit")
}
