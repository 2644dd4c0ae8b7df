//! Stripe: <https://docs.stripe.com/rate-limits> and <https://docs.stripe.com/error-low-level>.

use http::header::AUTHORIZATION;

use crate::gate::Quota;
use crate::policy::Provider;

/// Stripe: 100 requests per second in live mode, 25 in a sandbox, and limits on requests at once.
///
/// * A single endpoint has 25 per second, unless its page says otherwise.
/// * A refusal is a 429 that names no wait. It can be by a limit of a second, or by one of an hour or a day,
///   which some objects have besides, so that it waits as any bare one. Where only those of a second matter:
///   `.bare_429_wait(Duration::from_secs(1))`.
/// * A 429 with the code `lock_timeout` is no limit: another request holds the same object, so that only this
///   call has to come again.
/// * `Stripe-Should-Retry` answers the question itself: `true` on a 409 whose first request is still on its
///   way, for example.
/// * A POST is safe to send again with an `Idempotency-Key`.
///
/// In a sandbox say `.quota(Quota::per_second(25))`.
pub fn stripe() -> Provider {
    Provider::new("stripe")
        .page("https://docs.stripe.com/rate-limits")
        .plan(Quota::per_second(100))
        .per_credential([AUTHORIZATION])
        .should_retry_header("stripe-should-retry")
        .retried_codes(["lock_timeout"])
        .codes_at(["error.code"])
}
