//! One run: five providers, five clients, five queues, and a screen.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::timeout;
use tower::Layer;
use tower_backoff::{BoxError, GateStatus, Gates, RetryLayer};

use super::chance;
use super::clock::Wall;
use super::desk::Desk;
use super::in_process::InProcess;
use super::loopback::{self, Server};
use super::options::Options;
use super::providers::{ALL, Provider};
use super::queue::{Queue, WORKERS};
use super::screen::{LOOK_EVERY, Screen};
use super::tally::Tally;

/// One provider and the queue in front of it.
#[derive(Debug)]
pub(crate) struct Run {
    pub provider: &'static Provider,
    pub jobs: u32,
    pub tally: Arc<Tally>,
    gates: Gates,
}

/// Runs all five at once, until every queue is empty.
pub(crate) async fn all(options: Options) -> Result<Vec<Run>, BoxError> {
    let runs: Vec<Run> = ALL.iter().map(|each| Run::new(each, options)).collect();
    let wall = Wall::start(options.real);
    let mut workers = JoinSet::new();
    let mut servers = Vec::new();
    let mut screen = Screen::new(options, &runs);
    for run in &runs {
        servers.extend(run.start(options, wall, &mut workers).await?);
    }
    let mut all_done = pin!(empty(workers));
    loop {
        match timeout(LOOK_EVERY, all_done.as_mut()).await {
            Ok(all_well) => break all_well?,
            Err(_) => screen.look(&runs, wall),
        }
    }
    screen.end(&runs, wall.elapsed());
    Ok(runs)
}

/// Waits for all workers. One that panicked is an error.
async fn empty(mut workers: JoinSet<()>) -> Result<(), BoxError> {
    while let Some(left) = workers.join_next().await {
        left?;
    }
    Ok(())
}

impl Run {
    fn new(provider: &'static Provider, options: Options) -> Self {
        let jobs = if options.quick {
            provider.quick_jobs
        } else {
            provider.jobs
        };
        Self {
            provider,
            jobs,
            tally: Arc::default(),
            gates: Gates::new(),
        }
    }

    /// Creates the desk and the client, and starts the workers.
    async fn start(
        &self,
        options: Options,
        wall: Wall,
        workers: &mut JoinSet<()>,
    ) -> Result<Option<Server>, BoxError> {
        let desk = Desk::open(self.provider, self.jobs, wall, &self.tally);
        if options.real {
            let server = Server::start(desk).await?;
            let client = self.layer().layer(loopback::client());
            let queue = self.queue(format!("http://{}", server.addr), wall);
            queue.drain(&client, workers);
            return Ok(Some(server));
        }
        let layer = self.layer().clock(wall.for_client()).seed(1);
        let client = layer.layer(InProcess::new(desk));
        let queue = self.queue("https://api.example.com".to_owned(), wall);
        queue.drain(&client, workers);
        Ok(None)
    }

    /// Creates the layer: all that a program of your own needs.
    fn layer(&self) -> RetryLayer {
        RetryLayer::new((self.provider.preset)())
            .patience(Duration::from_secs(60 * 60))
            .gates(&self.gates)
    }

    fn queue(&self, base: String, wall: Wall) -> Queue {
        Queue {
            base,
            jobs: self.jobs,
            tally: Arc::clone(&self.tally),
            wall,
        }
    }

    /// Returns the state of the gate; `None` before the first call.
    pub(crate) fn gate(&self) -> Option<GateStatus> {
        self.gates.snapshot().pop()
    }

    /// Whether no job was lost and no request was early.
    pub(crate) fn went_well(&self) -> bool {
        self.tally.answered.get() == self.jobs && self.tally.early.get() == 0
    }

    /// Returns the shortest possible time for all jobs.
    ///
    /// It consists of full windows without a pause in between. The calls of the last window are sent in rounds of all
    /// workers, each with the shortest latency.
    pub(crate) fn at_best(&self) -> Duration {
        let (limit, window) = self.provider.windows[0];
        let needed = chance::requests_needed(self.jobs);
        let full = (needed - 1) / limit;
        let rounds = (needed - full * limit).div_ceil(WORKERS);
        window * full + Duration::from_millis(50) * rounds
    }
}
