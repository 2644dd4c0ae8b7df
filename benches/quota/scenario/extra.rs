//! More scenarios, for this crate alone.
//!
//! They cover other ways to count, other users of the key, wrong clocks, missing headers, slow
//! endpoints and many hosts.

use std::time::Duration;

use tower_backoff::Quota;
use tower_backoff::policy::Provider;
use tower_backoff::providers::{self, daily_event_insurance::Tier};

use super::{Algorithm, Load, Scenario, eight};
use crate::response_format::ResponseFormat;

/// All of them. `wolfeo/grid` is the scenario `wolfeo` with one difference, `grid`.
pub fn extra() -> Vec<Scenario> {
    let mut all = vec![thousand_at_once(), two_windows(), many_scopes()];
    for name in ["wolfeo", "lemlist", "snippets", "enrichengine"] {
        all.extend(counted_otherwise(name));
        all.push(Scenario {
            other_client_percent: 30,
            ..like(name, "foreign")
        });
    }
    for name in ["lemlist", "snippets", "enrichengine"] {
        for (what, clock_ahead) in [("ahead", 90), ("behind", -90)] {
            all.push(Scenario {
                clock_ahead,
                ..like(name, what)
            });
        }
        all.push(Scenario {
            omits_headers: true,
            ..like(name, "forgetful")
        });
    }
    all.push(Scenario {
        slow: Some(Duration::from_secs(3)),
        ..like("lemlist", "slow")
    });
    all
}

fn like(name: &str, what: &str) -> Scenario {
    let eight = eight().into_iter().find(|each| each.name == name);
    Scenario {
        name: format!("{name}/{what}"),
        is_one_of_eight: false,
        ..eight.expect("one of the eight")
    }
}

fn counted_otherwise(name: &str) -> impl Iterator<Item = Scenario> {
    type Way = fn(u32, Duration) -> Algorithm;
    let ways: [(&str, Way); 4] = [
        ("grid", Algorithm::AlignedWindow),
        ("log", Algorithm::SlidingLog),
        ("counter", Algorithm::SlidingCounter),
        ("bucket", Algorithm::TokenBucket),
    ];
    ways.into_iter().map(move |(what, way)| {
        let scenario = like(name, what);
        let (limit, length) = scenario.algorithm.rate().expect("a quota");
        Scenario {
            algorithm: way(limit, length),
            ..scenario
        }
    })
}

/// 1,000 callers at the same moment, against a limit of 50 per second.
fn thousand_at_once() -> Scenario {
    let second = Duration::from_secs(1);
    Scenario {
        load: Load::Open(1_000, Duration::ZERO),
        preset: Some(|| Provider::new("fifty").quota(Quota::per_second(50))),
        is_one_of_eight: false,
        ..Scenario::closed(
            "thousand",
            Algorithm::TokenBucket(50, second),
            ResponseFormat::RetryAfter,
        )
    }
}

/// Two limits at once: 50 per minute and 1,000 per hour.
fn two_windows() -> Scenario {
    let minute = Duration::from_secs(60);
    let algorithm = Algorithm::TwoWindows((50, minute), (1_000, 60 * minute));
    Scenario {
        load: Load::Closed(1_500),
        preset: Some(|| providers::daily_event_insurance().quotas(Tier::Production)),
        is_one_of_eight: false,
        ..Scenario::closed("two-windows", algorithm, ResponseFormat::RetryAfter)
    }
}

/// 10,000 hosts with a limit of 2 per minute each, and three calls for each of them.
fn many_scopes() -> Scenario {
    let algorithm = Algorithm::FixedWindow(2, Duration::from_secs(60));
    Scenario {
        load: Load::Open(30_000, Duration::from_millis(1)),
        hosts: 10_000,
        preset: Some(|| Provider::new("two").quota(Quota::per_minute(2))),
        is_one_of_eight: false,
        ..Scenario::closed("scopes", algorithm, ResponseFormat::RetryAfter)
    }
}
