//! The figures of one contender in one scenario, each the median over the seeds.

use std::time::Duration;

use serde::Serialize;

use crate::contender::Contender;
use crate::run::Run;
use crate::scenario::Scenario;
use crate::zoo::Figures;

/// The most refusals of the first salvo that a requests ratio leaves out.
const MAX_SALVO: u32 = 256;

/// One row of a table.
#[derive(Clone, Debug, Serialize)]
pub struct Cell {
    pub scenario: String,
    pub contender: &'static str,
    pub time_ratio: f64,
    pub requests_ratio: f64,
    pub refusals: f64,
    pub lost: f64,
    pub early: f64,
    pub bare_early: f64,
    pub in_block: f64,
    pub p50_s: f64,
    pub p99_s: f64,
    pub peak_per_s: f64,
    /// What is measured in the zoo only.
    #[serde(flatten)]
    pub zoo: Option<Figures>,
}

impl Cell {
    /// Takes the median of each figure over all runs.
    pub fn new(scenario: &Scenario, contender: &Contender, runs: &[Run]) -> Self {
        let median = |figure: fn(&Run) -> f64| median(runs.iter().map(figure).collect());
        Self {
            scenario: scenario.name.clone(),
            contender: contender.name,
            time_ratio: median(|run| run.makespan.as_secs_f64() / run.minimum.as_secs_f64()),
            requests_ratio: median(|run| run.record.arrivals.len() as f64 / f64::from(run.needed)),
            refusals: median(|run| run.record.refusals.into()),
            lost: median(|run| run.lost().into()),
            early: median(|run| run.record.early.into()),
            bare_early: median(|run| run.record.bare_early.into()),
            in_block: median(|run| run.record.in_block.into()),
            p50_s: median(|run| percentile(run, 50)),
            p99_s: median(|run| percentile(run, 99)),
            peak_per_s: median(peak),
            zoo: zoo_figures(scenario, contender, runs),
        }
    }
}

/// The figures of a cell of the zoo.
fn zoo_figures(scenario: &Scenario, contender: &Contender, runs: &[Run]) -> Option<Figures> {
    let specimen = scenario.specimen.as_ref()?;
    let figures = |figure: fn(&Run) -> f64| median(runs.iter().map(figure).collect());
    Some(Figures {
        class: specimen.class(),
        goal: specimen.goal(contender.is_declared, runs[0].minimum),
        is_short: specimen.is_short(runs[0].minimum),
        requests_less_salvo: figures(|run| {
            let salvo = run.record.salvo_refusals.min(MAX_SALVO) as usize;
            (run.record.arrivals.len() - salvo) as f64 / f64::from(run.needed)
        }),
        salvo_refusals: figures(|run| run.record.salvo_refusals.into()),
    })
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_unstable_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// A percentile of the time that a finished job took, in seconds.
fn percentile(run: &Run, percent: usize) -> f64 {
    let jobs = run.record.started.iter().zip(&run.record.finished);
    let mut took: Vec<Duration> = jobs
        .filter_map(|(started, finished)| Some((*finished)?.saturating_sub((*started)?)))
        .collect();
    took.sort_unstable();
    let last = took.len().saturating_sub(1);
    let rank = (took.len() * percent).div_ceil(100).saturating_sub(1);
    took.get(rank.min(last)).map_or(0.0, Duration::as_secs_f64)
}

/// The largest number of arrivals within any second.
fn peak(run: &Run) -> f64 {
    let arrivals = &run.record.arrivals;
    let mut first = 0;
    let mut most = 0;
    for (last, (now, _)) in arrivals.iter().enumerate() {
        while arrivals[first].0 + Duration::from_secs(1) <= *now {
            first += 1;
        }
        most = most.max(last + 1 - first);
    }
    most as f64
}
