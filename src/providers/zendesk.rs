//! Zendesk: <https://developer.zendesk.com/api-reference/introduction/rate-limits/>.

use crate::hint::Field;
use crate::policy::Provider;

/// Zendesk: requests per minute and account, from 200 to 2,500 by plan, and limits of endpoints.
///
/// * A refusal is a 429 with `Retry-After` in seconds.
/// * What is left of the account's minute is published in `X-Rate-Limit-Remaining` and
///   `ratelimit-reset`. Lists of tickets have a limit of their own besides, in one header:
///   `zendesk-ratelimit-tickets-index: total=100; remaining=99; resets=41`.
/// * Each account has a host of its own.
///
/// No quota is declared, since it depends on the plan and is published.
pub fn zendesk() -> Provider {
    Provider::new("zendesk")
        .page("https://developer.zendesk.com/api-reference/introduction/rate-limits/")
        .wait_from(Field::header_params(
            "zendesk-ratelimit-tickets-index",
            "remaining",
            "resets",
        ))
}
