//! Vercel: <https://vercel.com/docs/rest-api/reference/welcome#rate-limits>.

use http::header::AUTHORIZATION;

use crate::policy::Provider;

/// Vercel: limits by endpoint, published.
///
/// * `X-RateLimit-Limit`, `-Remaining` and `-Reset`, the reset in epoch seconds, come with the
///   responses. A refusal is a 429 with nothing left.
///
/// No quota is declared, since each endpoint has its own.
pub fn vercel() -> Provider {
    Provider::new("vercel")
        .page("https://vercel.com/docs/rest-api/reference/welcome#rate-limits")
        .per_credential([AUTHORIZATION])
}
