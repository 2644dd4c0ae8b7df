//! Drains a backlog in virtual time, beside the theoretical minimum and other retry crates.
//!
//! ```sh
//! cargo bench --bench quota
//! cargo bench --bench quota -- --only eight
//! cargo bench --bench quota -- --only wolfeo,lemlist/ --contender ours,ours+preset --seeds 1
//! cargo bench --bench quota -- --json
//! cargo bench --bench quota -- --svg docs/quota.svg
//! ```

mod cell;
mod contender;
mod drawing;
mod limit;
mod lineup;
mod minimum;
mod options;
mod ours;
mod peers;
mod record;
mod response_format;
mod rng;
mod run;
mod scenario;
mod server;
mod table;

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use cell::Cell;
use contender::Contender;
use options::{Options, names};
use run::Run;
use scenario::Scenario;

fn main() {
    let options = Options::read();
    let eight = scenario::eight();
    minimum::check(&eight);
    eprintln!("minimum ok");
    if let Some(path) = &options.svg {
        // The working directory of a bench is its package, not the root.
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
        std::fs::write(path, drawing::draw()).expect("a path that can be written");
        return;
    }
    let chosen: Vec<_> = eight
        .into_iter()
        .chain(scenario::extra())
        .filter(|each| options.selects(each))
        .collect();
    let cells = simulate(&options, &chosen);
    if options.json {
        cells.iter().for_each(print_json);
        return;
    }
    for scenario in &chosen {
        let minimum = minimum::of(scenario, 1).as_secs_f64();
        let cells: Vec<_> = cells
            .iter()
            .filter(|cell| cell.scenario == scenario.name)
            .collect();
        if !cells.is_empty() {
            table::print(&scenario.name, minimum, &cells);
        }
    }
    table::print_legend();
}

fn print_json(cell: &Cell) {
    println!("{}", serde_json::to_string(cell).expect("figures are JSON"));
}

/// Simulates every run, on all cores. Each has a thread, a runtime and a virtual time of its own.
fn simulate(options: &Options, scenarios: &[Scenario]) -> Vec<Cell> {
    let pairs = pairs(options, scenarios);
    let seeds = options.seeds as usize;
    let runs: Vec<Mutex<Option<Run>>> =
        (0..pairs.len() * seeds).map(|_| Mutex::default()).collect();
    let next = AtomicUsize::new(0);
    let work = || {
        loop {
            let n = next.fetch_add(1, Relaxed);
            let Some(slot) = runs.get(n) else { return };
            let (scenario, contender) = &pairs[n / seeds];
            let run = run::simulate(scenario, contender, (n % seeds) as u64 + 1);
            *slot.lock().expect("each slot has one writer") = Some(run);
        }
    };
    std::thread::scope(|scope| {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        (0..cores).for_each(|_| drop(scope.spawn(work)));
    });
    let mut runs = runs.into_iter().filter_map(|run| run.into_inner().ok()?);
    pairs
        .iter()
        .map(|(scenario, contender)| {
            let runs: Vec<Run> = runs.by_ref().take(seeds).collect();
            Cell::new(&scenario.name, contender.name, &runs)
        })
        .collect()
}

fn pairs<'a>(options: &Options, scenarios: &'a [Scenario]) -> Vec<(&'a Scenario, Contender)> {
    let contenders = lineup::all();
    let chosen = contenders
        .iter()
        .filter(|each| names(&options.contenders, each.name));
    let chosen: Vec<_> = chosen.copied().collect();
    scenarios
        .iter()
        .flat_map(|scenario| chosen.iter().map(move |contender| (scenario, *contender)))
        .filter(|(scenario, contender)| (contender.takes_part)(scenario))
        .collect()
}
