//! Square: <https://developer.squareup.com/reference/square/objects/ErrorCategory>.

use http::header::AUTHORIZATION;

use crate::policy::Provider;

/// Square: limits by access token and application, which no page names.
///
/// * A refusal is a 429 with the code `RATE_LIMITED`. It names no wait, and its page asks for growing ones
///   with jitter.
/// * The key of an idempotent request is in its body, which no policy sees: say
///   [`Idempotent`](crate::Idempotent) on the requests that have one.
pub fn square() -> Provider {
    Provider::new("square")
        .page("https://developer.squareup.com/reference/square/objects/ErrorCategory")
        .per_credential([AUTHORIZATION])
}
