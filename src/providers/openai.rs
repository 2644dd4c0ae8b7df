//! OpenAI, from these pages and its official client:
//!
//! * <https://platform.openai.com/docs/guides/rate-limits>
//! * <https://platform.openai.com/docs/guides/error-codes>
//! * <https://help.openai.com/en/articles/6614457-troubleshooting-api-usage-and-spend-limits>
//! * <https://github.com/openai/openai-python/blob/main/src/openai/_base_client.py>

use http::header::AUTHORIZATION;

use crate::policy::{PartialQuota, Provider};

/// OpenAI: requests and tokens per minute, by model and tier.
///
/// * What is left of each is published in `x-ratelimit-remaining-requests` and `-tokens`, the resets in
///   durations such as `6m0s`. A refusal is a 429 with `retry-after-ms`, `retry-after` or these.
/// * A 429 with the code of a spent balance or of a spend limit is final: the remedy is to buy more, to raise
///   the limit, or next month.
/// * 503 with the code `server_is_overloaded` means that there is no capacity for this request. It goes
///   again, whatever the method, and no other call waits.
/// * `x-should-retry` says whether another try is worth it. The official client obeys it for every method.
/// * The official client also tries again after 408, 409 and every 5xx.
///
/// # What is sent a second time
///
/// A POST to `chat/completions`, `completions`, `embeddings` or `moderations` only asks a question, so that
/// it goes again after 408, 409, 5xx and a broken connection. **If the first one was answered after all, its
/// tokens are paid for twice**, and with `store` a completion is stored twice.
/// [`without_idempotent_paths`](Provider::without_idempotent_paths) takes it back.
///
/// `/responses` is not among them: it stores the response by default, adds to a conversation, runs in the
/// background and calls tools that act. Nor are fine-tuning, batches and files, which create something. There
/// say [`Idempotent`](crate::Idempotent) on the requests that may be sent twice.
///
/// No quota is declared, since it depends on the model and the tier, and is published.
///
/// A request that says what it uses, by `Cost::of("tokens", 900)`, waits for the published tokens, too.
pub fn openai() -> Provider {
    Provider::new("openai")
        .page("https://platform.openai.com/docs/guides/rate-limits")
        .add_partial_quota(PartialQuota::of_published_costs("tokens"))
        .per_credential([AUTHORIZATION])
        .add_retry_on([409])
        .should_retry_header("x-should-retry")
        .should_retry_any_method()
        .idempotent_paths([
            "chat/completions",
            "completions",
            "embeddings",
            "moderations",
        ])
        .retried_codes(["server_is_overloaded"])
        .final_codes([
            "insufficient_quota",
            "credit_balance_exhausted",
            "organization_usage_limit_exceeded",
            "organization_spend_limit_exceeded",
            "project_spend_limit_exceeded",
        ])
        .codes_at(["error.code", "error.type"])
}
