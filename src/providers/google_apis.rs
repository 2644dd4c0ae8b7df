//! Google APIs, from these pages:
//!
//! * <https://developers.google.com/workspace/drive/api/guides/limits>
//! * <https://cloud.google.com/apis/design/errors>, for the body of their errors

use crate::hint::Field;
use crate::policy::Provider;

/// Google APIs such as Drive, Calendar and Gmail: requests per minute, by project and by user.
///
/// * A refusal is a 403 whose reason is `rateLimitExceeded`, `userRateLimitExceeded` or `quotaExceeded`, or a
///   429. Any other 403 is final.
/// * It names no wait in a header. Newer services name one in the body: the `retryDelay` of a
///   `google.rpc.RetryInfo`, such as `37s`. Gmail names a moment in its message: `Retry after 2026-01-01T00:04:03Z`.
///
/// `quotaExceeded` is also what Calendar answers to a user who has created too much in a short time, which
/// can last for hours. No quota is declared, since each API has its own.
pub fn google_apis() -> Provider {
    Provider::new("google-apis")
        .page("https://developers.google.com/workspace/drive/api/guides/limits")
        .per_credential(["x-goog-api-key", "authorization"])
        .wait_from(Field::json("error.details.*.retryDelay"))
        .add_wait_from(Field::after("Retry after "))
        .throttled_codes([
            "rateLimitExceeded",
            "userRateLimitExceeded",
            "quotaExceeded",
        ])
        .codes_at(["error.errors.*.reason"])
}
