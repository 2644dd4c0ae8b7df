//! Groq, from these pages and its official client:
//!
//! * <https://console.groq.com/docs/rate-limits>
//! * <https://console.groq.com/docs/errors>
//! * <https://console.groq.com/docs/flex-processing>
//! * <https://github.com/groq/groq-python>

use http::header::AUTHORIZATION;

use crate::policy::{PartialQuota, Provider};

/// Groq: requests and tokens per minute and per day, by organization and model.
///
/// * A refusal is a 429 with `retry-after` in seconds. What is left is published in
///   `x-ratelimit-remaining-requests` (of the day) and `-tokens` (of the minute), the resets in durations.
/// * 498 means that the flex tier has no capacity: the request is not processed, and goes again by its own
///   backoff.
/// * The official client also tries again after 408, 409 and every 5xx.
/// * A 400 with the code `blocked_api_access` is final: the spend limit of the month is reached.
///
/// A POST to `chat/completions` or `embeddings` only asks a question, so that it goes again after these and
/// after a broken connection. **If the first one was answered after all, its tokens are paid for twice.**
/// [`without_idempotent_paths`](Provider::without_idempotent_paths) takes it back.
///
/// No quota is declared, since it depends on the model and the plan, and is published.
///
/// A request that says what it uses, by `Cost::of("tokens", 900)`, waits for the published tokens, too.
pub fn groq() -> Provider {
    Provider::new("groq")
        .page("https://console.groq.com/docs/rate-limits")
        .add_partial_quota(PartialQuota::of_published_costs("tokens"))
        .per_credential([AUTHORIZATION])
        .add_retry_on([409])
        .unprocessed_on([498])
        .idempotent_paths(["chat/completions", "embeddings"])
        .final_codes(["blocked_api_access"])
        .codes_at(["error.code"])
}
