//! The cells as a person reads them.

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

/// One scenario: a headline and a row per contender.
pub fn print(scenario: &str, minimum: f64, cells: &[&Cell]) {
    println!("\n{scenario} (minimum {minimum:.3} s)");
    row(HEAD.map(str::to_owned));
    for cell in cells {
        row([
            cell.contender.to_owned(),
            format!("{:.3}", cell.time_ratio),
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

fn row(words: [String; 11]) {
    let [first, rest @ ..] = words;
    let rest: String = rest.iter().map(|word| format!("{word:>9}")).collect();
    println!("  {first:<34}{rest}");
}
