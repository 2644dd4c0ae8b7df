//! Airtable, from these pages:
//!
//! * <https://airtable.com/developers/web/api/rate-limits>
//! * <https://support.airtable.com/docs/managing-api-call-limits-in-airtable>

use std::time::Duration;

use crate::gate::Quota;
use crate::policy::Provider;

/// Airtable: 5 requests per second and base, and 50 per second and user over all bases.
///
/// * A refusal is a bare 429, and then nothing goes through for 30 s.
/// * The base is in the path, `/v0/{base}/{table}`, so that one does not wait for another.
/// * Some plans have a number of calls per month, too: `PUBLIC_API_BILLING_LIMIT_EXCEEDED` under a 429
///   is final, since it ends with the month.
///
/// Declared is the limit of a base, which is the tighter one for a user of up to ten bases at a time: a
/// call waits at one gate, and what all bases have spent together is not counted there.
pub fn airtable() -> Provider {
    Provider::new("airtable")
        .page("https://airtable.com/developers/web/api/rate-limits")
        .plan(Quota::per_second(5))
        .per_path_segment(1)
        .bare_429_wait(Duration::from_secs(30))
        .final_codes(["PUBLIC_API_BILLING_LIMIT_EXCEEDED"])
}
