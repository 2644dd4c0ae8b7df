//! Plaid: <https://plaid.com/docs/errors/rate-limit-exceeded/>.

use crate::policy::Provider;

/// Plaid: limits per endpoint, by client and by Item, most of them per minute.
///
/// * A refusal is a 429 with the type `RATE_LIMIT_EXCEEDED` and a code such as `ACCOUNTS_LIMIT`. It names
///   no wait.
/// * The endpoint is in the path, `/transactions/sync`. Endpoints of one product wait together, others do
///   not.
///
/// No quota is declared, since each endpoint has its own. What is counted per Item is in the body of a
/// request, which no policy sees.
pub fn plaid() -> Provider {
    Provider::new("plaid")
        .page("https://plaid.com/docs/errors/rate-limit-exceeded/")
        .per_credential(["plaid-client-id"])
        .per_path_segment(0)
}
