//! Simulates one contender in one scenario with one seed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use crate::contender::{Client, Contender, Setup};
use crate::minimum;
use crate::record::Record;
use crate::scenario::{Load, Scenario};
use crate::server::Server;

/// A run ends at this multiple of its minimum, even if jobs are unfinished.
const MAX_TIME_RATIO: u32 = 20;

/// The outcome of a run.
#[derive(Clone, Debug)]
pub struct Run {
    pub record: Record,
    /// The moment when the last job ended, or the run was cut off.
    pub makespan: Duration,
    pub minimum: Duration,
    pub needed: u32,
}

impl Run {
    /// The number of jobs that were given up, or unfinished when the run was cut off.
    pub fn lost(&self) -> u32 {
        self.record
            .finished
            .iter()
            .filter(|done| done.is_none())
            .count() as u32
    }
}

/// Runs all jobs in virtual time.
pub fn simulate(scenario: &Scenario, contender: &Contender, seed: u64) -> Run {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without sockets always starts");
    runtime.block_on(async {
        let setup = Setup {
            scenario: scenario.clone(),
            server: Server::start(scenario, seed),
            seed,
        };
        let client = (contender.client)(&setup);
        let minimum = minimum::of(scenario, seed);
        let work = work(scenario, &client, &setup.server);
        // The record shows whether all jobs finished.
        let _ = timeout(MAX_TIME_RATIO * minimum, work).await;
        Run {
            makespan: setup.server.now(),
            record: setup.server.with_record(std::mem::take),
            minimum,
            needed: scenario.needed(seed),
        }
    })
}

async fn work(scenario: &Scenario, client: &Client, server: &Server) {
    let mut tasks = JoinSet::new();
    match scenario.load {
        Load::Closed(jobs) => {
            let next = Arc::new(AtomicU32::new(0));
            for _ in 0..scenario.workers() {
                let worker = worker(client.clone(), server.clone(), Arc::clone(&next), jobs);
                tasks.spawn(worker);
            }
        }
        Load::Open(jobs, every) => {
            let start = Instant::now();
            for job in 0..jobs {
                sleep_until(start + every * job).await;
                tasks.spawn(call(client.clone(), server.clone(), job));
            }
        }
    }
    while tasks.join_next().await.is_some() {}
}

async fn worker(client: Client, server: Server, next: Arc<AtomicU32>, jobs: u32) {
    loop {
        let job = next.fetch_add(1, Relaxed);
        if job >= jobs {
            return;
        }
        call(client.clone(), server.clone(), job).await;
    }
}

async fn call(client: Client, server: Server, job: u32) {
    let started = server.now();
    server.with_record(|record| record.started[job as usize] = Some(started));
    let outcome = client(job).await;
    if outcome.is_ok_and(|status| status.is_success()) {
        let finished = server.now();
        server.with_record(|record| record.finished[job as usize] = Some(finished));
    }
}
