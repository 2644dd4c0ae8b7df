//! Anthropic, from these pages:
//!
//! * <https://docs.anthropic.com/en/api/rate-limits>
//! * <https://docs.anthropic.com/en/api/errors>

use crate::policy::Provider;

/// Anthropic: requests, input tokens and output tokens per minute, by model and tier.
///
/// * What is left of each is published in `anthropic-ratelimit-*-remaining`, the resets in RFC 3339. A
///   refusal is a 429 `rate_limit_error` with `retry-after`.
/// * 529 `overloaded_error` means that the API is overloaded for all callers: the request was not
///   taken, and goes again by its own backoff.
/// * `x-should-retry` says whether another try is worth it, and the official clients obey it
///   (<https://github.com/anthropics/anthropic-sdk-python>).
///
/// No quota is declared, since it depends on the model and the tier, and is published. Tokens are a
/// bucket that refills all the time, so that a reset is later than `retry-after`.
pub fn anthropic() -> Provider {
    Provider::new("anthropic")
        .page("https://docs.anthropic.com/en/api/rate-limits")
        .per_credential(["x-api-key", "authorization"])
        .should_retry_header("x-should-retry")
        .unprocessed_on([529])
}
