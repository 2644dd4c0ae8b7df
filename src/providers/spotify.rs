//! Spotify: <https://developer.spotify.com/documentation/web-api/concepts/rate-limits>.

use std::time::Duration;

use crate::policy::Provider;

/// Spotify: a number of requests per app in any 30 s, which the page does not name.
///
/// * A refusal is a 429, as a rule with `Retry-After` in seconds.
pub fn spotify() -> Provider {
    Provider::new("spotify")
        .page("https://developer.spotify.com/documentation/web-api/concepts/rate-limits")
        .bare_429_wait(Duration::from_secs(30))
}
