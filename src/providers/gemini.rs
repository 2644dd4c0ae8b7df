//! Gemini, from these pages:
//!
//! * <https://ai.google.dev/gemini-api/docs/rate-limits>
//! * <https://cloud.google.com/apis/design/errors>, for the body of its errors
//! * <https://github.com/google-gemini/gemini-cli>, for what its official client does about them

use crate::hint::Field;
use crate::policy::Provider;

/// Gemini: requests and tokens per minute and requests per day, by project, model and tier.
///
/// * A refusal is a 429 with the status `RESOURCE_EXHAUSTED`, and names the wait only in the body: the
///   `retryDelay` of a `google.rpc.RetryInfo`, such as `37s`. That of `streamGenerateContent` is an array around
///   the same.
/// * The requests per day are counted anew at midnight in California, which no response says: if it
///   names a quota with `PerDay` in it, the seconds of its `retryDelay` are too few, and midnight counts.
/// * The model is in the path, `/v1beta/models/{model}:{method}`, so that one does not wait for another.
///   What is made for OpenAI's clients has it in the body: tell models apart with
///   [`scope_by`](crate::RetryLayer::scope_by).
///
/// No quota is declared, since it depends on the model and the tier.
pub fn gemini() -> Provider {
    Provider::new("gemini")
        .page("https://ai.google.dev/gemini-api/docs/rate-limits")
        .per_credential(["x-goog-api-key", "authorization"])
        .per_path_segment(2)
        .wait_from(Field::midnight("PerDay", "PST8PDT,M3.2.0,M11.1.0"))
        .add_wait_from(Field::json("error.details.*.retryDelay"))
        .add_wait_from(Field::json("*.error.details.*.retryDelay"))
        .throttled_codes(["RESOURCE_EXHAUSTED"])
        .codes_at(["error.status", "*.error.status"])
}
