//! Asana: <https://developers.asana.com/docs/rate-limits>.

use http::header::AUTHORIZATION;

use crate::policy::Provider;

/// Asana: requests per minute and token, 150 in free domains and 1,500 in paid ones.
///
/// * A refusal is a 429, always with `Retry-After` in seconds.
/// * Searches have 60 per minute. Duplications, instantiations and exports have a limit on requests at once.
///
/// No quota is declared, since it depends on the domain: say `.plan(Quota::per_minute(150))` for a free one.
pub fn asana() -> Provider {
    Provider::new("asana")
        .page("https://developers.asana.com/docs/rate-limits")
        .per_credential([AUTHORIZATION])
}
