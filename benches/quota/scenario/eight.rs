//! The eight scenarios in which the peers take part.

use std::time::Duration;

use tower_backoff::providers;

use super::{Algorithm, Load, Scenario};
use crate::response_format::ResponseFormat;

/// All eight, in the order of the table.
pub fn eight() -> Vec<Scenario> {
    let minute = Duration::from_secs(60);
    let snippets = Algorithm::FixedWindow(20, minute);
    let lemlist = Algorithm::FixedWindow(20, Duration::from_secs(2));
    let penalty = Algorithm::Penalty(20, minute, Duration::from_secs(30));
    let every_20_ms = Load::Open(30_000, Duration::from_millis(20));
    vec![
        Scenario::closed(
            "wolfeo",
            Algorithm::FixedWindow(600, minute),
            ResponseFormat::Bare,
        )
        .preset(providers::wolfeo),
        Scenario::closed("lemlist", lemlist, ResponseFormat::Lemlist).preset(providers::lemlist),
        Scenario::closed("snippets", snippets, ResponseFormat::RetryAfter)
            .preset(providers::snippets_ai),
        Scenario::closed(
            "enrichengine",
            Algorithm::FixedWindow(100, minute),
            ResponseFormat::Epoch,
        )
        .preset(providers::enrich_engine),
        Scenario::outage("outage", Load::Closed(3_000)),
        Scenario::outage("outage-open", every_20_ms),
        Scenario {
            fails_percent: 10,
            ..Scenario::closed("flaky", Algorithm::Unlimited, ResponseFormat::Overload)
        },
        Scenario::closed("penalty", penalty, ResponseFormat::RetryAfter)
            .preset(providers::snippets_ai),
    ]
}
