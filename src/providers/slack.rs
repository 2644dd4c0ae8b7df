//! Slack: <https://docs.slack.dev/apis/web-api/rate-limits/>.

use http::header::AUTHORIZATION;

use crate::policy::Provider;

/// Slack: limits per minute by method and workspace, in tiers from 1 to 100 and more.
///
/// * A refusal is a 429 with `Retry-After` in seconds, always, and `{"ok":false,"error":"ratelimited"}`.
/// * The method is in the path, `/api/chat.postMessage`, and the token belongs to one workspace: calls
///   of other methods, and to other workspaces, go on.
///
/// No quota is declared, since each method has its own.
pub fn slack() -> Provider {
    Provider::new("slack")
        .page("https://docs.slack.dev/apis/web-api/rate-limits/")
        .per_credential([AUTHORIZATION])
        .per_path_segment(1)
}
