//! Daily Event Insurance: the page "API Error Codes" of its developer portal.

use crate::gate::Quota;
use crate::policy::Provider;

/// Daily Event Insurance: limits per hour and per minute that depend on the [`Tier`].
///
/// * `X-RateLimit-Limit`, `-Remaining` and `-Reset` come with every response; what kind of number
///   the reset is, is nowhere said, so its size decides. A 429 may also come without them, since
///   there is a limit on concurrent requests, too: at least 60 s.
/// * Errors come as `{"error":{"code","message","type","param","request_id"}}`, the codes in either
///   case. 400, 401, 403, 404 and 422 are about the request, and final.
/// * 500: "retry request after brief delay". 503, maintenance or overload: "wait and retry".
///
/// No quota is declared, since the published headers correct it: say your tier if you know it.
///
/// ```
/// use tower_backoff::providers::{self, daily_event_insurance::Tier};
///
/// let sandbox = providers::daily_event_insurance().plans(Tier::Sandbox);
/// # let _ = sandbox;
/// ```
pub fn daily_event_insurance() -> Provider {
    Provider::new("daily-event-insurance")
        .final_on([400, 401, 403, 404, 422])
        .retry_on([408, 425, 429, 500, 502, 503, 504])
}

/// What a contract with Daily Event Insurance allows: a limit per hour, and a burst per minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tier {
    /// 100 per hour, 10 per minute.
    Sandbox,
    /// 1,000 per hour, 50 per minute.
    Production,
    /// 10,000 per hour, 500 per minute.
    Enterprise,
}

impl IntoIterator for Tier {
    type Item = Quota;
    type IntoIter = std::array::IntoIter<Quota, 2>;

    fn into_iter(self) -> Self::IntoIter {
        let (hour, minute) = match self {
            Self::Sandbox => (100, 10),
            Self::Production => (1_000, 50),
            Self::Enterprise => (10_000, 500),
        };
        [Quota::per_hour(hour), Quota::per_minute(minute)].into_iter()
    }
}
