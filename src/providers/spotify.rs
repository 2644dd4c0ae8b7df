//! Spotify: <https://developer.spotify.com/documentation/web-api/concepts/rate-limits>.

use crate::policy::Provider;

/// Spotify: a number of requests per app in any 30 s, which the page does not name.
///
/// * A refusal is a 429, as a rule with `Retry-After` in seconds. The page names no wait for one without it:
///   some endpoints have limits of their own, whose windows are not known.
pub fn spotify() -> Provider {
    Provider::new("spotify")
        .page("https://developer.spotify.com/documentation/web-api/concepts/rate-limits")
}
