//! The theoretical minimum: the makespan of a client that knows everything in advance.
//!
//! [`check`] compares it with fixed figures, so that an edit of the model cannot pass unseen.

use std::time::Duration;

use crate::rng;
use crate::scenario::{Algorithm, Load, Scenario, WORKERS, first_window};
use crate::zoo;

const HALF_LATENCY: Duration = Duration::from_millis(25);
const LATENCY: Duration = Duration::from_millis(50);

/// The least time from the start of a run to its last response.
pub fn of(scenario: &Scenario, seed: u64) -> Duration {
    if let Some(specimen) = &scenario.specimen {
        return zoo::minimum(specimen, seed);
    }
    let drained = match scenario.algorithm {
        Algorithm::Unlimited => by_latency(scenario, seed),
        Algorithm::FixedWindow(limit, length) if scenario.hosts > 1 => {
            by_host(scenario, limit, length)
        }
        Algorithm::FixedWindow(limit, length)
        | Algorithm::SlidingLog(limit, length)
        | Algorithm::Penalty(limit, length, _) => {
            by_windows(scenario, scenario.jobs(), limit, length)
        }
        Algorithm::AlignedWindow(limit, length) => {
            // The first window has begun before the run.
            let passed = length - first_window(seed, length);
            let whole = by_windows(scenario, scenario.jobs(), limit, length);
            whole.saturating_sub(passed + HALF_LATENCY)
        }
        // In the long run a sliding counter admits as many calls as a token bucket.
        Algorithm::TokenBucket(limit, length) | Algorithm::SlidingCounter(limit, length) => {
            let later = scenario.jobs().saturating_sub(limit);
            HALF_LATENCY + length / limit * later + HALF_LATENCY
        }
        Algorithm::TwoWindows((few, short), (many, long)) => {
            let windows = (scenario.jobs() - 1) / many;
            let rest = scenario.jobs() - windows * many;
            long * windows + by_windows(scenario, rest, few, short)
        }
    };
    match scenario.load {
        Load::Closed(_) => drained,
        Load::Open(jobs, every) => drained.max(every * (jobs - 1) + LATENCY),
    }
}

/// Full windows without a pause. The last one takes a round of all workers after the other.
fn by_windows(scenario: &Scenario, jobs: u32, limit: u32, length: Duration) -> Duration {
    let windows = jobs.div_ceil(limit);
    let last = jobs - (windows - 1) * limit;
    let rounds = match scenario.load {
        Load::Closed(_) => last.div_ceil(WORKERS),
        Load::Open(..) => 1,
    };
    let first = scenario.outage.max(HALF_LATENCY);
    first + length * (windows - 1) + HALF_LATENCY + LATENCY * (rounds - 1)
}

/// Windows per host. The last host gets its first call after all others.
fn by_host(scenario: &Scenario, limit: u32, length: Duration) -> Duration {
    let each = scenario.jobs() / scenario.hosts;
    let called = match scenario.load {
        Load::Open(_, every) => every * (scenario.hosts - 1),
        Load::Closed(_) => Duration::ZERO,
    };
    called + length * ((each - 1) / limit) + LATENCY
}

/// The latencies of all needed calls, spread evenly over the workers.
fn by_latency(scenario: &Scenario, seed: u64) -> Duration {
    let job = |job| {
        let attempts = 1..=scenario.attempts(seed, job);
        attempts.map(move |attempt| 2 * rng::half_latency(seed, job, attempt))
    };
    (0..scenario.jobs()).flat_map(job).sum::<Duration>() / WORKERS
}

/// The expected minimum of each scenario in seconds, and its tolerance.
const EXPECTED: [(&str, f64, f64); 8] = [
    ("wolfeo", 240.500, 0.0005),
    ("lemlist", 298.050, 0.0005),
    ("snippets", 8_940.050, 0.0005),
    ("enrichengine", 1_740.100, 0.0005),
    ("outage", 329.08, 0.01),
    ("outage-open", 600.030, 0.0005),
    ("flaky", 3.12, 0.1),
    ("penalty", 8_940.050, 0.0005),
];

/// Panics if a minimum differs from the expected one.
pub fn check(scenarios: &[Scenario]) {
    for (name, seconds, within) in EXPECTED {
        let scenario = scenarios.iter().find(|each| each.name == name);
        let scenario = scenario.expect("the eight are all there");
        let computed = of(scenario, 1).as_secs_f64();
        let exact = (computed - seconds).abs() <= within;
        assert!(exact, "minimum of {name}: {computed}, not {seconds}");
    }
}
