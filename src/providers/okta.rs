//! Okta, from these pages:
//!
//! * <https://developer.okta.com/docs/reference/rate-limits/>
//! * <https://developer.okta.com/docs/reference/rl-best-practices/>

use crate::policy::Provider;

/// Okta: limits per minute by endpoint and organization, and of concurrent requests.
///
/// * `X-Rate-Limit-Limit`, `-Remaining` and `-Reset`, the reset in epoch seconds, come with every
///   response. A refusal is a 429 with the code `E0000047`. If it was for too many at once, limit and
///   remaining are both 0, and the reset is an estimate.
/// * Each organization has a host of its own.
///
/// No quota is declared, since it depends on the endpoint and is published.
pub fn okta() -> Provider {
    Provider::new("okta").page("https://developer.okta.com/docs/reference/rate-limits/")
}
