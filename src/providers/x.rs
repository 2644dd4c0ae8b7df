//! X: <https://docs.x.com/x-api/fundamentals/rate-limits>.

use crate::policy::Provider;

/// X, formerly Twitter: limits per 15 minutes by endpoint, and by app or user.
///
/// * `x-rate-limit-limit`, `-remaining` and `-reset`, the reset in epoch seconds, come with every
///   response. A refusal is a 429 with nothing left.
/// * Limits per day come beside them, such as `x-app-limit-24hour-remaining` and `-reset`.
/// * The kind of endpoint is in the path, `/2/tweets`, so that none of another kind waits for it.
/// * `UsageCapExceeded` under a 429 is final: the posts of the month are used up.
///
/// No quota is declared, since it depends on the endpoint and is published. No header is counted
/// apart, since OAuth 1.0a signs each request anew: tell users apart with
/// [`scope_by`](crate::RetryLayer::scope_by).
pub fn x() -> Provider {
    Provider::new("x")
        .page("https://docs.x.com/x-api/fundamentals/rate-limits")
        .per_path_segment(1)
        .final_codes(["UsageCapExceeded"])
        .codes_at(["title"])
}
