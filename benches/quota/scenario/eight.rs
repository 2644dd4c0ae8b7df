//! The eight scenarios in which everybody takes part.

use std::time::Duration;

use tower_backoff::providers;

use super::{Counting, Load, Scenario};
use crate::wording::Wording;

/// All of them, in the order of the table.
pub fn eight() -> Vec<Scenario> {
    let minute = Duration::from_secs(60);
    let snippets = Counting::Window(20, minute);
    let lemlist = Counting::Window(20, Duration::from_secs(2));
    let penalty = Counting::Penalty(20, minute, Duration::from_secs(30));
    let every_20_ms = Load::Open(30_000, Duration::from_millis(20));
    vec![
        Scenario::closed("wolfeo", Counting::Window(600, minute), Wording::Bare)
            .preset(providers::wolfeo),
        Scenario::closed("lemlist", lemlist, Wording::Lemlist).preset(providers::lemlist),
        Scenario::closed("snippets", snippets, Wording::RetryAfter).preset(providers::snippets_ai),
        Scenario::closed(
            "enrichengine",
            Counting::Window(100, minute),
            Wording::Epoch,
        )
        .preset(providers::enrich_engine),
        Scenario::outage("outage", Load::Closed(3_000)),
        Scenario::outage("outage-open", every_20_ms),
        Scenario {
            fails_percent: 10,
            ..Scenario::closed("flaky", Counting::Nothing, Wording::Overload)
        },
        Scenario::closed("penalty", penalty, Wording::RetryAfter).preset(providers::snippets_ai),
    ]
}
