//! Anthropic, from these pages and its official client:
//!
//! * <https://docs.anthropic.com/en/api/rate-limits>
//! * <https://docs.anthropic.com/en/api/errors>
//! * <https://github.com/anthropics/anthropic-sdk-python/blob/main/src/anthropic/_base_client.py>

use crate::policy::{PartialQuota, Provider};

/// Anthropic: requests, input tokens and output tokens per minute, by model and tier.
///
/// * What is left of each is published in `anthropic-ratelimit-*-remaining`, the resets in RFC 3339. A
///   refusal is a 429 `rate_limit_error` with `retry-after`.
/// * A 429 with `enforced_spend_limit_reached` at `error.details.error_code` is final: it ends with the
///   month, or with a higher tier.
/// * 529 `overloaded_error` means that the API is overloaded for all callers: the request was not taken, and
///   goes again by its own backoff.
/// * `x-should-retry` says whether another try is worth it. The official client obeys it for every method,
///   and also tries again after 408, 409 and every 5xx.
///
/// # What is sent a second time
///
/// A POST to `messages` or `messages/count_tokens` only asks a question, so that it goes again after 408,
/// 409, 5xx and a broken connection. **If the first one was answered after all, its tokens are paid for
/// twice.** [`without_idempotent_paths`](Provider::without_idempotent_paths) takes it back.
/// `messages/batches` and files create something, and are not among them.
///
/// No quota is declared, since it depends on the model and the tier, and is published. Tokens are a bucket
/// that refills all the time, so that a reset is later than `retry-after`.
///
/// A request that says what it uses, by `Cost::of("input-tokens", 700)` and the like, waits for the published tokens, too:
/// `tokens`, `input-tokens` and `output-tokens`.
pub fn anthropic() -> Provider {
    Provider::new("anthropic")
        .page("https://docs.anthropic.com/en/api/rate-limits")
        .add_partial_quota(PartialQuota::of_published_costs("tokens"))
        .add_partial_quota(PartialQuota::of_published_costs("input-tokens"))
        .add_partial_quota(PartialQuota::of_published_costs("output-tokens"))
        .per_credential(["x-api-key", "authorization"])
        .add_retry_on([409])
        .should_retry_header("x-should-retry")
        .should_retry_any_method()
        .idempotent_paths(["messages", "messages/count_tokens"])
        .unprocessed_on([529])
        .final_codes(["enforced_spend_limit_reached"])
        .codes_at(["error.details.error_code"])
}
