//! The oracle: a client that knows the limiter and sends each call so that it is served.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use super::limiter::Limiter;
use super::specimen::Specimen;

/// When each call arrives, in order, and when the last answer is back.
struct Schedule {
    arrivals: Vec<(Duration, u32)>,
    makespan: Duration,
}

/// The least time from the start of a run to its last response.
pub fn minimum(specimen: &Specimen, seed: u64) -> Duration {
    schedule(specimen, seed).makespan
}

/// Sends each call as early as a worker has time and the limiter admits it.
fn schedule(specimen: &Specimen, seed: u64) -> Schedule {
    let latency = specimen.latency();
    let jobs = specimen.jobs();
    let mut limit = specimen.limit(seed);
    let first = specimen.workers().min(jobs);
    let ready = |job| Reverse((latency.there(seed, job, 1), job));
    let mut arriving: BinaryHeap<_> = (0..first).map(ready).collect();
    let mut next = first;
    let mut schedule = Schedule {
        arrivals: Vec::with_capacity(jobs as usize),
        makespan: Duration::ZERO,
    };
    let mut now = Duration::ZERO;
    while let Some(Reverse((arrives, job))) = arriving.pop() {
        now = limit.opens(now.max(arrives));
        let count = limit.on_arrival(job, now);
        assert!(count.admitted, "{}: the oracle is refused", specimen.name);
        schedule.arrivals.push((now, job));
        let ends = now + limit.delay() + latency.back(seed, job, 1);
        schedule.makespan = schedule.makespan.max(ends);
        if next < jobs {
            arriving.push(Reverse((ends + latency.there(seed, next, 1), next)));
            next += 1;
        }
    }
    schedule
}

/// Panics if the schedule of a cell is refused, or differs from what its rate alone says.
pub fn check(specimens: &[Specimen]) {
    for specimen in specimens {
        let schedule = schedule(specimen, 1);
        let mut limit = specimen.limit(1);
        let admits = |(now, job): &(Duration, u32)| limit.on_arrival(*job, *now).admitted;
        let name = &specimen.name;
        assert!(schedule.arrivals.iter().all(admits), "{name}: refused");
        if let Some((least, most)) = bounds(specimen) {
            let made = schedule.makespan;
            assert!(made >= least && made <= most, "{name}: {made:?}");
        }
    }
}

/// Bounds of the minimum from the rate alone, where nothing but the limiter holds calls back.
fn bounds(specimen: &Specimen) -> Option<(Duration, Duration)> {
    let regime = &specimen.regime;
    let held = match specimen.limiter {
        Limiter::Concurrent => regime.window,
        _ => Duration::ZERO,
    };
    let takes = regime.latency.mean() + held;
    let is_held_back = f64::from(regime.workers) < 4.0 * regime.rate() * takes.as_secs_f64();
    let differs = regime.changes.is_some() || regime.has_other_client || regime.is_pair;
    if differs || regime.latency.has_heavy_tail() || is_held_back {
        return None;
    }
    // One window of calls is free, and another one where a clock cuts it.
    let windows = f64::from(specimen.jobs()) / f64::from(regime.limit);
    let least = regime.window.mul_f64((windows - 2.0).max(0.0));
    let slowed = match specimen.limiter {
        // The last call of a full window has no place before the next one.
        Limiter::Counter | Limiter::CounterOfAll => {
            f64::from(regime.limit) / (f64::from(regime.limit) - 1.0).max(0.5)
        }
        _ => 1.0,
    };
    let most = regime.window.mul_f64(windows * slowed + 1.0) + 2 * regime.latency.mean();
    Some((least, most))
}
