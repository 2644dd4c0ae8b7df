//! monday.com, from these pages:
//!
//! * <https://developer.monday.com/api-reference/docs/rate-limits>
//! * <https://developer.monday.com/api-reference/docs/error-handling>
//! * <https://support.monday.com/hc/en-us/articles/26471164460690-API-Rate-Limits>
//! * <https://developer.monday.com/api-reference/changelog/new-descriptive-field-limit-exceeded-error>

use http::header::AUTHORIZATION;

use crate::hint::Field;
use crate::policy::Provider;

/// monday.com: complexity per minute, calls per minute and day, calls at once.
///
/// * A refusal is a 429 with `Retry-After`, in some answers with `error_data.retry_in_seconds` in the body.
///   In the oldest form it is a 200 with `ComplexityException` whose message names the seconds.
/// * `DAILY_LIMIT_EXCEEDED` ends at midnight UTC.
/// * Refused calls count, too.
///
/// The bodies of 200s are looked into, up to 64 KiB. No quota is declared, since it depends on the plan.
pub fn monday() -> Provider {
    Provider::new("monday")
        .page("https://developer.monday.com/api-reference/docs/rate-limits")
        .per_credential([AUTHORIZATION])
        .inspect_bodies_of([200])
        .wait_from(Field::json("error_data.retry_in_seconds"))
        .add_wait_from(Field::after("reset in "))
        .add_wait_from(Field::midnight("DAILY_LIMIT_EXCEEDED", "UTC0"))
        .throttled_codes([
            "ComplexityException",
            "COMPLEXITY_BUDGET_EXHAUSTED",
            "DAILY_LIMIT_EXCEEDED",
            "FIELD_LIMIT_EXCEEDED",
            "IP_RATE_LIMIT_EXCEEDED",
            "maxConcurrencyExceeded",
        ])
        .codes_at(["error_code", "errors.*.extensions.code"])
}
