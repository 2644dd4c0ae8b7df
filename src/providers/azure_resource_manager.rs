//! Azure Resource Manager, from this page:
//!
//! * <https://learn.microsoft.com/azure/azure-resource-manager/management/request-limits-and-throttling>

use http::header::AUTHORIZATION;

use crate::policy::Provider;

/// Azure Resource Manager: reads, writes and deletes, by caller, subscription and tenant.
///
/// * A refusal is a 429 with `Retry-After` in seconds. A call that comes earlier is not processed, and a new
///   wait is named.
/// * What is left is published without a reset, in `x-ms-ratelimit-remaining-subscription-reads` and the
///   like.
/// * A 429 with the code `RetryableErrorDueToAnotherOperation` is no limit: another operation holds the
///   resource, so that only this call has to come again.
/// * The subscription is in the path, `/subscriptions/{id}/`, so that one does not wait for another.
///
/// No quota is declared: the numbers of the page are those of one of many instances, and each kind of
/// resource has others.
pub fn azure_resource_manager() -> Provider {
    Provider::new("azure-resource-manager")
        .page("https://learn.microsoft.com/azure/azure-resource-manager/management/request-limits-and-throttling")
        .per_credential([AUTHORIZATION])
        .per_path_segment(1)
        .retried_codes(["RetryableErrorDueToAnotherOperation"])
        .codes_at(["error.code", "error.details.*.code"])
}
