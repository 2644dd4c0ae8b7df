//! Measures a call that succeeds at once, beside the bare service and other retry crates.
//!
//! Gate and quota are active. The floor of all retrying is one copy of the request.
//!
//! ```sh
//! cargo bench --bench overhead
//! cargo bench --bench overhead -- --json
//! ```
//!
//! Allocations and instructions are exact. Nanoseconds depend on the machine and its load, so the
//! contenders take turns, and only the ratio counts.

mod allocations;
mod contender;
mod copy;
mod fleet;
mod instructions;
mod lineup;
mod mock;
mod peers;
mod tower_policy;

use std::time::Instant;

use contender::Contender;
use serde::Serialize;

/// The figures of one contender. `over_bare` is a difference, `time_ratio` one of nanoseconds.
#[derive(Debug, Serialize)]
struct Row {
    contender: &'static str,
    instructions: Option<u64>,
    instructions_over_bare: Option<i64>,
    allocations: u64,
    allocations_over_bare: i64,
    future_bytes: Option<usize>,
    nanoseconds: f64,
    time_ratio: f64,
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let mut contenders = lineup::all();
    if let [word, number, calls] = words.as_slice() {
        if word == instructions::OPTION {
            let number: usize = number.parse().expect("a number");
            (contenders[number].run)(calls.parse().expect("a number"));
            return;
        }
    }
    let rows = measure(&mut contenders);
    if words.iter().any(|word| word == "--json") {
        rows.iter().for_each(print_json);
    } else {
        print_table(&rows);
    }
}

fn measure(contenders: &mut [Contender]) -> Vec<Row> {
    let times = nanoseconds(contenders);
    let mut rows: Vec<Row> = Vec::new();
    for (number, contender) in contenders.iter_mut().enumerate() {
        let allocations = allocations(contender);
        let instructions = instructions::per_call(number);
        let bare = rows.first();
        let fewer = bare.and_then(|bare| bare.instructions).or(instructions);
        let over = |more: u64, less: u64| more as i64 - less as i64;
        rows.push(Row {
            contender: contender.name,
            instructions,
            instructions_over_bare: instructions.zip(fewer).map(|(a, b)| over(a, b)),
            allocations,
            allocations_over_bare: over(allocations, bare.map_or(allocations, |b| b.allocations)),
            future_bytes: contender.future_bytes,
            nanoseconds: times[number],
            time_ratio: times[number] / times[0],
        });
    }
    rows
}

/// Allocations per call, in a loop that has run before.
fn allocations(contender: &mut Contender) -> u64 {
    const CALLS: u64 = 1_000;
    (contender.run)(CALLS);
    let before = allocations::count();
    (contender.run)(CALLS);
    (allocations::count() - before) / CALLS
}

/// The median of many short turns, so that a change of load hits all contenders alike.
fn nanoseconds(contenders: &mut [Contender]) -> Vec<f64> {
    const TURNS: usize = 301;
    const CALLS: u64 = 1_000;
    let mut turns = vec![Vec::with_capacity(TURNS); contenders.len()];
    for _ in 0..TURNS {
        for (turns, contender) in turns.iter_mut().zip(&mut *contenders) {
            let start = Instant::now();
            (contender.run)(CALLS);
            turns.push(start.elapsed().as_nanos() as f64 / CALLS as f64);
        }
    }
    turns.into_iter().map(median).collect()
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_unstable_by(f64::total_cmp);
    figures[figures.len() / 2]
}

fn print_json(row: &Row) {
    println!("{}", serde_json::to_string(row).expect("figures are JSON"));
}

fn print_table(rows: &[Row]) {
    println!("a call that succeeds at once: the bare service, and what each adds to it");
    let head = ["instructions", "allocations", "future", "ns", "times bare"];
    let head: String = head.iter().map(|word| format!("{word:>14}")).collect();
    println!("{:<30}{head}", "");
    for row in rows {
        let bare = row.contender == "bare";
        let instructions = if bare {
            row.instructions.map(|n| n as i64)
        } else {
            row.instructions_over_bare
        };
        let allocations = if bare {
            row.allocations as i64
        } else {
            row.allocations_over_bare
        };
        let sign = if bare { "" } else { "+" };
        println!(
            "{:<30}{:>14}{:>14}{:>14}{:>14.0}{:>14.2}",
            row.contender,
            instructions.map_or_else(|| "no valgrind".to_owned(), |n| format!("{sign}{n}")),
            format!("{sign}{allocations}"),
            row.future_bytes
                .map_or_else(|| "boxed".to_owned(), |bytes| format!("{bytes} B")),
            row.nanoseconds,
            row.time_ratio,
        );
    }
}
