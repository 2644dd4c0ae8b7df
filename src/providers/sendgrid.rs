//! SendGrid, from this page:
//!
//! <https://www.twilio.com/docs/sendgrid/api-reference/how-to-use-the-sendgrid-v3-api/rate-limits>

use http::header::AUTHORIZATION;

use crate::policy::Provider;

/// SendGrid: limits by endpoint, published.
///
/// * `X-RateLimit-Limit`, `-Remaining` and `-Reset`, the reset in epoch seconds, come with the
///   responses of the endpoints that have a limit. A refusal is a 429 with nothing left.
///
/// No quota is declared, since each endpoint has its own.
pub fn sendgrid() -> Provider {
    Provider::new("sendgrid")
        .page("https://www.twilio.com/docs/sendgrid/api-reference/how-to-use-the-sendgrid-v3-api/rate-limits")
        .per_credential([AUTHORIZATION])
}
