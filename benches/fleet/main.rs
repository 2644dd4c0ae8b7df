//! Judges processes that share a quota: one API, one Redis, members that are programs of their own, and faults.
//!
//! ```sh
//! cargo bench --bench fleet                       # every scenario, once
//! cargo bench --bench fleet -- --only plain --runs 5
//! cargo bench --bench fleet -- --only kill-redis --seconds 20 --json
//! ```
//!
//! It starts `redis-server` (or `valkey-server`) on a free loopback port. Each figure is the median of its runs.

mod api;
mod processes;
mod redis;
mod scenario;

use std::process::ExitCode;

use scenario::{Contender, Scenario};

/// What the command line asks for.
struct Options {
    only: Option<String>,
    contender: Option<String>,
    runs: usize,
    json: bool,
}

impl Options {
    fn from_args() -> Self {
        let words: Vec<String> = std::env::args().skip(1).collect();
        let value = |name: &str| {
            let at = words.iter().position(|word| word == name)?;
            words.get(at + 1).cloned()
        };
        Self {
            only: value("--only"),
            contender: value("--contender"),
            runs: value("--runs")
                .and_then(|runs| runs.parse().ok())
                .unwrap_or(1),
            json: words.iter().any(|word| word == "--json"),
        }
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::from_args();
    let member = match processes::build_member() {
        Ok(member) => member,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    if !options.json {
        println!("{}", scenario::Row::HEAD);
    }
    for scenario in Scenario::all() {
        if options
            .only
            .as_ref()
            .is_some_and(|only| *only != scenario.name)
        {
            continue;
        }
        for contender in Contender::ALL {
            let is_wanted = match &options.contender {
                Some(name) => contender.name() == name,
                None => contender == Contender::Ledger || scenario.has_peers,
            };
            if !is_wanted {
                continue;
            }
            match scenario.median(&member, contender, options.runs).await {
                Ok(row) if options.json => println!("{}", row.json()),
                Ok(row) => println!("{row}"),
                Err(error) => eprintln!("{}: {error}", scenario.name),
            }
        }
    }
    ExitCode::SUCCESS
}
