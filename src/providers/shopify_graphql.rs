//! Shopify, GraphQL: <https://shopify.dev/docs/apps/build/apis/graphql-admin/rate-limits>.

use crate::hint::Field;
use crate::policy::Provider;

/// Shopify's GraphQL Admin API: a bucket of points per app and store that refills all the time.
///
/// * A refusal is a 200 with an error whose code is `THROTTLED`. The wait has to be computed from
///   `extensions.cost`: what the query asks for, less what is there, by what comes back per second.
/// * Each store has a host of its own.
///
/// No quota is declared, since it depends on the plan (100 points per second, up to 2,000), and what a
/// query costs is for [`cost_by`](crate::RetryLayer::cost_by) to say. The bodies of 200s are looked into.
pub fn shopify_graphql() -> Provider {
    Provider::new("shopify-graphql")
        .page("https://shopify.dev/docs/apps/build/apis/graphql-admin/rate-limits")
        .per_credential(["x-shopify-access-token"])
        .inspect_bodies_of([200])
        .throttled_codes(["THROTTLED"])
        .codes_at(["errors.*.extensions.code"])
        .wait_from(Field::json_deficit(
            "extensions.cost.requestedQueryCost",
            "extensions.cost.throttleStatus.currentlyAvailable",
            "extensions.cost.throttleStatus.restoreRate",
        ))
}
