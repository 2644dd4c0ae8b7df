//! Prints the figures as tables.

use crate::cell::Cell;

const HEAD: [&str; 11] = [
    "contender",
    "time",
    "requests",
    "refusals",
    "lost",
    "early",
    "bare",
    "in block",
    "p50 s",
    "p99 s",
    "peak/s",
];

/// Prints one scenario: a headline and a row per contender.
pub fn print(scenario: &str, minimum: f64, cells: &[&Cell]) {
    println!("\n{scenario} (minimum {minimum:.3} s)");
    row(HEAD.map(str::to_owned));
    for cell in cells {
        row([
            cell.contender.to_owned(),
            time(cell.time_ratio),
            format!("{:.3}", cell.requests_ratio),
            cell.refusals.to_string(),
            cell.lost.to_string(),
            cell.early.to_string(),
            cell.bare_early.to_string(),
            cell.in_block.to_string(),
            format!("{:.2}", cell.p50_s),
            format!("{:.2}", cell.p99_s),
            cell.peak_per_s.to_string(),
        ]);
    }
}

/// Prints what the columns mean, and how the bench differs from production.
pub fn print_legend() {
    println!("{LEGEND}");
}

const LEGEND: &str = "
time      makespan over the theoretical minimum; never: unfinished at 20 times the minimum
requests  sent over needed
lost      jobs given up or unfinished; where there are many, the time says little
early     retries that arrived before the moment that a refusal of the same job had named
bare      retries that arrived within 60 s of a bare 429 to the same job
in block  calls sent before the moment that an earlier response to any job had named
p50 p99   seconds that a finished job took
peak/s    the largest number of arrivals within any second

The contenders are the crates themselves, with their defaults and with jitter; +patient: 50 attempts,
waits of at most 60 s before jitter, no budget. tower::retry has no default policy: its
ExponentialBackoff and its TpsBudget, and the same with Retry-After read by hand. Random numbers that
cannot be seeded are drawn by this bench: those of reqwest-retry, which waits by the system's clock and
here in virtual time, and those of tower-resilience-retry.";

fn time(ratio: f64) -> String {
    if ratio >= 19.999 {
        "never".to_owned()
    } else {
        format!("{ratio:.3}")
    }
}

fn row(words: [String; 11]) {
    let [first, rest @ ..] = words;
    let rest: String = rest.iter().map(|word| format!("{word:>9}")).collect();
    println!("  {first:<34}{rest}");
}
