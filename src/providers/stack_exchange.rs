//! Stack Exchange: <https://api.stackexchange.com/docs/throttle>.

use crate::gate::Quota;
use crate::hint::Field;
use crate::policy::Provider;

/// Stack Exchange: 30 requests per second and address, and 10,000 per day.
///
/// * A served answer may have a `backoff` in its body: these seconds must pass before the same method
///   is called again. All other calls of the host wait, too.
/// * A refusal is an error `throttle_violation` (502 in the body, whatever the status), whose message
///   names the seconds: `more requests available in 38123 seconds`.
/// * What comes back above 30 per second is undefined, and lasts from 30 s to a few minutes.
///
/// The bodies of 200s are looked into, up to 64 KiB: ask for pages that are no larger.
pub fn stack_exchange() -> Provider {
    Provider::new("stack-exchange")
        .page("https://api.stackexchange.com/docs/throttle")
        .plan(Quota::per_second(30))
        .inspect_bodies_of([200])
        .pause_from(Field::json("backoff"))
        .throttled_codes(["throttle_violation"])
        .codes_at(["error_name"])
        .wait_from(Field::after("more requests available in "))
}
