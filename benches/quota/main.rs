//! Drains a backlog in virtual time, beside the theoretical minimum and other retry crates.
//!
//! ```sh
//! cargo bench --bench quota
//! cargo bench --bench quota -- --only eight
//! cargo bench --bench quota -- --only wolfeo,lemlist/ --contender ours,ours+preset --seeds 1
//! cargo bench --bench quota -- --only zoo/laravel/
//! cargo bench --bench quota -- --only zoo --zoo
//! cargo bench --bench quota -- --json
//! cargo bench --bench quota -- --svg docs/quota.svg
//! cargo bench --bench quota -- --svg-learning docs/learning.svg
//! ```

mod cell;
mod contender;
mod drawing;
mod drawing_learning;
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
mod summary;
mod table;
mod zoo;

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use cell::Cell;
use contender::Contender;
use options::{Options, names};
use scenario::Scenario;

fn main() {
    let options = Options::read();
    let eight = scenario::eight();
    minimum::check(&eight);
    eprintln!("minimum ok");
    let is_picture = options.svg.is_some() || options.svg_learning.is_some();
    options
        .svg
        .iter()
        .for_each(|path| write(path, drawing::draw()));
    let learning = options.svg_learning.iter();
    learning.for_each(|path| write(path, drawing_learning::draw()));
    if is_picture {
        return;
    }
    let specimens = if options.plays_whole_zoo {
        zoo::all()
    } else {
        zoo::small()
    };
    zoo::check(&specimens);
    eprintln!("oracle of the zoo ok");
    let chosen: Vec<_> = eight
        .into_iter()
        .chain(scenario::extra())
        .chain(specimens.into_iter().map(Scenario::of_specimen))
        .filter(|each| options.selects(each))
        .collect();
    let cells = simulate(&options, &chosen);
    if options.json {
        cells.iter().for_each(print_json);
        return;
    }
    for scenario in chosen.iter().filter(|each| options.has_table(each)) {
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
    summary::print(&cells);
}

/// Writes a picture to a path that is relative to the root.
fn write(path: &str, picture: String) {
    // The working directory of a bench is its package.
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    std::fs::write(path, picture).expect("a path that can be written");
}

fn print_json(cell: &Cell) {
    println!("{}", serde_json::to_string(cell).expect("figures are JSON"));
}

/// Simulates every cell, on all cores. Each run has a runtime and a virtual time of its own.
fn simulate(options: &Options, scenarios: &[Scenario]) -> Vec<Cell> {
    let pairs = pairs(options, scenarios);
    let cells: Vec<Mutex<Option<Cell>>> = pairs.iter().map(|_| Mutex::default()).collect();
    let next = AtomicUsize::new(0);
    let work = || {
        loop {
            let n = next.fetch_add(1, Relaxed);
            let Some(slot) = cells.get(n) else { return };
            let (scenario, contender) = &pairs[n];
            let seeds = 1..=options.seeds(scenario);
            let runs: Vec<_> = seeds
                .map(|seed| run::simulate(scenario, contender, seed))
                .collect();
            let cell = Cell::new(scenario, contender, &runs);
            *slot.lock().expect("each slot has one writer") = Some(cell);
        }
    };
    std::thread::scope(|scope| {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        (0..cores).for_each(|_| drop(scope.spawn(work)));
    });
    let cells = cells.into_iter();
    cells.filter_map(|cell| cell.into_inner().ok()?).collect()
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
