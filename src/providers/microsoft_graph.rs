//! Microsoft Graph: <https://learn.microsoft.com/graph/throttling>.

use http::header::AUTHORIZATION;

use crate::policy::Provider;

/// Microsoft Graph: limits by app and tenant and by service, which only their own pages name.
///
/// * A refusal is a 429, for most resources with `Retry-After` in seconds.
/// * Calls that come while it refuses count, too, so that calling on makes it last longer.
/// * Reads can be allowed while writes are refused.
///
/// No quota is declared, since each service has its own.
pub fn microsoft_graph() -> Provider {
    Provider::new("microsoft-graph")
        .page("https://learn.microsoft.com/graph/throttling")
        .per_credential([AUTHORIZATION])
}
