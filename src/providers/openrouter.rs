//! OpenRouter, from these pages:
//!
//! * <https://openrouter.ai/docs/api_reference/limits>
//! * <https://openrouter.ai/docs/api/reference/errors-and-debugging>

use http::header::AUTHORIZATION;

use crate::hint::Field;
use crate::policy::Provider;

/// OpenRouter: credits, and requests per minute and per day for free models.
///
/// * A refusal is a 429 with `X-RateLimit-Remaining` and `-Reset`, in some answers only in the body, under
///   `error.metadata.headers`. It may also come from the provider of the model.
/// * On 429, 503 and a 402 for what is in flight `Retry-After` names the seconds. A 402 without it is final:
///   the credits are spent, or the request costs more than the budget.
///
/// No quota is declared, since models that are paid for have none. Free ones have 20 requests per minute.
pub fn openrouter() -> Provider {
    Provider::new("openrouter")
        .page("https://openrouter.ai/docs/api_reference/limits")
        .per_credential([AUTHORIZATION])
        .wait_from(Field::json("error.metadata.headers.X-RateLimit-Reset"))
}
