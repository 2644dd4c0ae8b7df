//! Salesforce: <https://developer.salesforce.com/docs/platform/api-rest/guide/errorcodes>.

use crate::policy::Provider;

/// Salesforce: a limit per 24 hours and organization, and a limit of concurrent long requests.
///
/// * A refusal is a 403 with the code `REQUEST_LIMIT_EXCEEDED` that names no wait.
///   `Sforce-Limit-Info: api-usage=18/5000` says how much was used.
/// * `UNABLE_TO_LOCK_ROW`, under 400, means that another client was writing the same record: nothing was
///   done, and only this call has to come again.
/// * Each organization has a host of its own.
///
/// No quota is declared, since it depends on the edition and its licences.
pub fn salesforce() -> Provider {
    Provider::new("salesforce")
        .page("https://developer.salesforce.com/docs/platform/api-rest/guide/errorcodes")
        .throttled_codes(["REQUEST_LIMIT_EXCEEDED"])
        .retried_codes(["UNABLE_TO_LOCK_ROW"])
        .codes_at(["*.errorCode"])
}
