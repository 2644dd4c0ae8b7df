//! OpenAI, from these pages:
//!
//! * <https://platform.openai.com/docs/guides/rate-limits>
//! * <https://platform.openai.com/docs/guides/error-codes>

use http::header::AUTHORIZATION;

use crate::policy::Provider;

/// OpenAI: requests and tokens per minute, by model and tier.
///
/// * What is left of each is published in `x-ratelimit-remaining-requests` and `-tokens`, the resets
///   in durations such as `6m0s`. A refusal is a 429 with `retry-after-ms`, `retry-after` or these.
/// * A 429 with the code `insufficient_quota` is final: the remedy is to buy more.
/// * `x-should-retry` says whether another try is worth it, and the official clients obey it
///   (<https://github.com/openai/openai-python>).
///
/// No quota is declared, since it depends on the model and the tier, and is published.
pub fn openai() -> Provider {
    Provider::new("openai")
        .page("https://platform.openai.com/docs/guides/rate-limits")
        .per_credential([AUTHORIZATION])
        .should_retry_header("x-should-retry")
        .final_codes(["insufficient_quota"])
        .codes_at(["error.code", "error.type"])
}
