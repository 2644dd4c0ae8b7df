//! Processes that share one quota, each a copy of the program that starts them: for the demo of this package and that of Redis.
//!
//! The parent serves an API over loopback, starts the processes and judges them. What they share is up to the example.

use std::process::Stdio;
use std::time::{Duration, Instant};
use std::{env, io};

use http::Request;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tower::{Layer, ServiceExt};
use tower_backoff::policy::Provider;
use tower_backoff::testing::{Limit, Server};
use tower_backoff::{BoxError, Quota, RetryLayer};

/// The API allows this many calls in any second.
pub const QUOTA: u32 = 200;
const WORKERS: usize = 25;
/// The first seconds, in which the processes find each other, are not judged.
const WARM_UP: Duration = Duration::from_secs(2);
const JUDGED: Duration = Duration::from_secs(5);

/// What the processes have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shares {
    /// Nothing: each spends the quota as if it were alone.
    Nothing,
    /// The ledger at this path or address.
    Ledger(String),
}

/// How many processes are started, and how many of them are killed while they work.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    processes: usize,
    killed: usize,
}

impl Plan {
    /// Reads the command line: two numbers, four and none if they are missing.
    pub fn from_args() -> Self {
        let mut numbers = env::args().skip(1).filter_map(|word| word.parse().ok());
        let processes = numbers.next().unwrap_or(4).max(1);
        let killed = numbers.next().unwrap_or(0).min(processes - 1);
        Self { processes, killed }
    }
}

/// What a copy of the program is asked to do.
#[derive(Clone, Debug)]
pub struct Member {
    id: usize,
    api: String,
    /// What it shares with the others.
    pub shares: Shares,
}

impl Member {
    /// Reads the command line: `None` is the parent.
    pub fn from_args() -> Option<Self> {
        let mut args = env::args().skip(1);
        if args.next()? != "--member" {
            return None;
        }
        let id = args.next()?.parse().ok()?;
        let api = args.next()?;
        let shares = args.next().map_or(Shares::Nothing, Shares::Ledger);
        Some(Self { id, api, shares })
    }

    /// The layer of a process without a fleet.
    pub fn layer() -> RetryLayer {
        let acme = Provider::new("acme").quota(Quota::per_second(QUOTA));
        RetryLayer::new(acme).patience(Duration::from_secs(600))
    }

    /// Lets 25 workers call one after the other, and prints how many calls were served.
    ///
    /// # Errors
    ///
    /// If a call fails.
    pub async fn work(self, layer: RetryLayer) -> Result<(), BoxError> {
        let client = Client::builder(TokioExecutor::new()).build_http::<String>();
        let client = layer.layer(client);
        let judged_from = Instant::now() + WARM_UP;
        let ends = judged_from + JUDGED;
        let workers: Vec<_> = (0..WORKERS)
            .map(|_| {
                let (client, api) = (client.clone(), self.api.clone());
                tokio::spawn(async move {
                    let mut served = 0_u32;
                    while Instant::now() < ends {
                        let request = Request::get(&api).body(String::new())?;
                        let response = client.clone().oneshot(request).await?;
                        let now = Instant::now();
                        let is_judged = now >= judged_from && now < ends;
                        served += u32::from(is_judged && response.status() == 200);
                    }
                    Ok::<_, BoxError>(served)
                })
            })
            .collect();
        let mut served = 0;
        for worker in workers {
            served += worker.await??;
        }
        println!("{} {served}", self.id);
        Ok(())
    }
}

/// What came of one run.
#[derive(Clone, Debug)]
pub struct Outcome {
    refused: usize,
    served: Vec<u32>,
}

impl Outcome {
    /// How much of the quota was used.
    pub fn used(&self) -> f64 {
        let served: u32 = self.served.iter().sum();
        f64::from(served) / (f64::from(QUOTA) * JUDGED.as_secs_f64())
    }

    /// How many calls were refused for each one that was served.
    pub fn refused(&self) -> f64 {
        let served: u32 = self.served.iter().sum();
        self.refused as f64 / f64::from(served.max(1))
    }

    /// How equal the parts of the processes are: 1 is equal (Jain's index).
    pub fn fairness(&self) -> f64 {
        let parts = self.served.iter().map(|served| f64::from(*served));
        let (sum, squares) = parts.fold((0.0, 0.0), |(sum, squares), part| {
            (sum + part, squares + part * part)
        });
        if squares == 0.0 {
            return 1.0;
        }
        sum * sum / (self.served.len() as f64 * squares)
    }
}

/// Starts the processes, and prints one line for each.
///
/// # Errors
///
/// If a process cannot be started, or fails.
pub async fn play(name: &str, plan: Plan, shares: &Shares) -> Result<Outcome, BoxError> {
    let server = Server::new(Limit::sliding_log(QUOTA, Duration::from_secs(1)));
    let loopback = server.serve().await?;
    let processes = plan.processes;
    println!("{name}: {processes} processes with {WORKERS} workers, {QUOTA} calls a second");
    let processes: io::Result<Vec<_>> = (1..=processes)
        .map(|id| start(id, &loopback.url("/"), shares))
        .collect();
    let mut processes = processes?;
    if plan.killed > 0 {
        tokio::time::sleep(WARM_UP).await;
        for mut process in processes.drain(..plan.killed) {
            process.kill().await?;
        }
        println!("  {} of them are killed", plan.killed);
    }
    let mut served = Vec::new();
    for mut process in processes {
        let output = process.stdout.take().ok_or("a process without output")?;
        let mut lines = BufReader::new(output).lines();
        let line = lines.next_line().await?.ok_or("a process that failed")?;
        let (id, count) = line.split_once(' ').ok_or("a line that is none of ours")?;
        let count = count.parse()?;
        println!(
            "  process {id}: {} served a second",
            count / JUDGED.as_secs() as u32
        );
        served.push(count);
        process.wait().await?;
    }
    Ok(Outcome {
        refused: server.refusals(),
        served,
    })
}

fn start(id: usize, api: &str, shares: &Shares) -> io::Result<Child> {
    let mut command = Command::new(env::current_exe()?);
    command.args(["--member", &id.to_string(), api]);
    if let Shares::Ledger(ledger) = shares {
        command.arg(ledger);
    }
    command.stdout(Stdio::piped()).kill_on_drop(true).spawn()
}

/// Prints what came of the runs, side by side.
pub fn print_table(outcomes: &[(&str, Outcome)]) {
    println!(
        "\n{:<24} {:>9} {:>6} {:>9}",
        "", "refused", "use", "fairness"
    );
    for (name, outcome) in outcomes {
        println!(
            "{name:<24} {:>9.3} {:>6.2} {:>9.3}",
            outcome.refused(),
            outcome.used(),
            outcome.fairness()
        );
    }
}
