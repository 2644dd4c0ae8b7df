//! Binance, from these pages:
//!
//! * <https://developers.binance.com/docs/binance-spot-api-docs/rest-api/limits>
//! * <https://developers.binance.com/docs/binance-spot-api-docs/errors>

use std::time::Duration;

use crate::gate::Quota;
use crate::hint::{Field, Unit};
use crate::policy::Provider;

/// Binance, spot: 6,000 of weight per minute and address, over all of its hosts.
///
/// * What an endpoint weighs is for [`cost_by`](crate::RetryLayer::cost_by) to say; how much was used
///   comes back in `X-MBX-USED-WEIGHT-1M`.
/// * A refusal is a 429 with the code -1003 (-1015 for orders) and `Retry-After` in seconds. Who goes on
///   is banned, by a 418: for two minutes first, for three days at last. The end is in `Retry-After`,
///   or in the body in epoch milliseconds; where it is in neither, it is two minutes, and longer each
///   time.
/// * 403 comes from the firewall, for an unknown time: final.
/// * After a 5xx the order may have been placed, so that it is sent again only if that is safe.
pub fn binance() -> Provider {
    Provider::new("binance")
        .page("https://developers.binance.com/docs/binance-spot-api-docs/rest-api/limits")
        .plan(Quota::per_minute(6_000))
        .shared_across_hosts()
        .throttled_on([418], Duration::from_secs(2 * 60))
        .throttled_codes(["-1003", "-1015"])
        .codes_at(["code", "error.code"])
        .wait_from(Field::json("error.data.retryAfter").unit(Unit::EpochMillis))
        .add_wait_from(Field::after("banned until ").unit(Unit::EpochMillis))
        .final_on([403])
}
