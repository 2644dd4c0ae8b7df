//! The oracle: a client that knows the limiter and sends each call so that it is served.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

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

/// Panics if the schedule of a cell is refused, or shorter than the rate of its limiter allows.
pub fn check(specimens: &[Specimen]) {
    for specimen in specimens {
        let schedule = schedule(specimen, 1);
        let mut limit = specimen.limit(1);
        let admits = |(now, job): &(Duration, u32)| limit.on_arrival(*job, *now).admitted;
        let name = &specimen.name;
        assert!(schedule.arrivals.iter().all(admits), "{name}: refused");
        assert!(schedule.makespan >= least(specimen), "{name}: too early");
    }
}

/// A bound from the rate alone: one window of calls is free, and another one where the clock cuts it.
fn least(specimen: &Specimen) -> Duration {
    if specimen.regime.changes.is_some() {
        return Duration::ZERO;
    }
    let windows = f64::from(specimen.jobs()) / f64::from(specimen.regime.limit) - 2.0;
    specimen.regime.window.mul_f64(windows.max(0.0))
}
