//! Twilio: <https://www.twilio.com/docs/api/errors/20429>.

use http::header::AUTHORIZATION;

use crate::policy::Provider;

/// Twilio: a limit of concurrent requests, by account.
///
/// * A refusal is a 429 with the code 20429, or another one of a single product. It was not processed
///   and is safe to send again, after a backoff that the page does not measure.
/// * Some products name the wait in `Retry-After`.
///
/// No quota is declared, since the page names no number.
pub fn twilio() -> Provider {
    Provider::new("twilio")
        .page("https://www.twilio.com/docs/api/errors/20429")
        .per_credential([AUTHORIZATION])
}
