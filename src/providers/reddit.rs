//! Reddit: <https://support.reddithelp.com/hc/en-us/articles/16160319875092-Reddit-Data-API-Wiki>.

use std::time::Duration;

use crate::gate::Quota;
use crate::policy::Provider;

/// Reddit: 100 requests per minute and OAuth client, on the average of 10 minutes.
///
/// * `X-Ratelimit-Used`, `-Remaining` and `-Reset`, the reset in seconds, come with every response. A
///   refusal is a 429 with nothing left.
pub fn reddit() -> Provider {
    Provider::new("reddit")
        .page(
            "https://support.reddithelp.com/hc/en-us/articles/16160319875092-Reddit-Data-API-Wiki",
        )
        .plan(Quota::new(1_000, Duration::from_secs(10 * 60)))
}
