//! Jira Cloud: <https://developer.atlassian.com/cloud/jira/platform/rate-limiting/>.

use crate::policy::Provider;

/// Jira Cloud: a budget per app and tenant, bursts per endpoint, and writes per issue.
///
/// * A refusal is a 429 with `Retry-After`, `RateLimit-Reason` for which of them it was, and
///   `X-RateLimit-Reset` in ISO 8601 without seconds: `2026-03-26T16:26Z`. Asking again before its time
///   brings the same wait, or a longer one.
/// * Some 503s carry `Retry-After`, too, and are handled alike.
/// * Headers that begin with `Beta-` announce limits that are not in force yet, and do not count.
/// * Each tenant has a host of its own.
///
/// No quota is declared, since it depends on the app and its users.
pub fn jira() -> Provider {
    Provider::new("jira").page("https://developer.atlassian.com/cloud/jira/platform/rate-limiting/")
}
