//! What a server writes down about one run.

use std::time::Duration;

use http::StatusCode;

use crate::scenario::Scenario;
use crate::wording::Told;

/// After a 429 that says nothing, coming back sooner than this is impolite.
const AFTER_A_BARE_429: Duration = Duration::from_secs(60);

/// The books of one run. All moments are counted from its start.
#[derive(Clone, Debug, Default)]
pub struct Books {
    visits: Vec<Visits>,
    /// All arrivals in order, and the statuses they met.
    pub arrivals: Vec<(Duration, StatusCode)>,
    /// 429s, and 503s for the limit.
    pub refusals: u32,
    /// Retries that came before the time that was told to the same job.
    pub early: u32,
    /// Retries that came within a minute of a bare 429 to the same job.
    pub bare_early: u32,
    /// Calls that were sent although an answer that was there already, to whatever job, had said to
    /// stay away for longer.
    pub in_block: u32,
    /// What the client as a whole has been told so far, by each host.
    heard: Vec<Duration>,
    /// When each job was done.
    pub done: Vec<Option<Duration>>,
    /// When each job was taken from the queue, or arrived.
    pub taken: Vec<Option<Duration>>,
}

/// What the server knows about one job.
#[derive(Clone, Copy, Debug, Default)]
struct Visits {
    attempts: u32,
    not_before: Duration,
    not_before_politely: Duration,
}

impl Books {
    pub fn of(scenario: &Scenario) -> Self {
        let jobs = scenario.jobs() as usize;
        Self {
            visits: vec![Visits::default(); jobs],
            heard: vec![Duration::ZERO; scenario.scopes as usize],
            done: vec![None; jobs],
            taken: vec![None; jobs],
            ..Self::default()
        }
    }

    /// A call leaves the client. Returns which attempt of its job it is, from 1.
    pub fn sent(&mut self, job: u32, now: Duration) -> u32 {
        self.in_block += u32::from(now < *self.heard_by(job));
        let visits = &mut self.visits[job as usize];
        visits.attempts += 1;
        visits.attempts
    }

    /// It reaches the server and is answered so.
    pub fn arrived(&mut self, job: u32, now: Duration, status: StatusCode, told: Option<Told>) {
        let visits = &mut self.visits[job as usize];
        self.early += u32::from(now < visits.not_before);
        self.bare_early += u32::from(now < visits.not_before_politely);
        self.refusals += u32::from(told.is_some());
        self.arrivals.push((now, status));
        match told {
            Some(Told::NotBefore(moment)) => visits.not_before = moment,
            Some(Told::Nothing) => visits.not_before_politely = now + AFTER_A_BARE_429,
            Some(Told::Overload) | None => {}
        }
    }

    /// The answer reaches the client.
    pub fn heard(&mut self, job: u32, told: Option<Told>) {
        if let Some(Told::NotBefore(moment)) = told {
            let heard = self.heard_by(job);
            *heard = moment.max(*heard);
        }
    }

    /// Jobs go to one host after the other.
    fn heard_by(&mut self, job: u32) -> &mut Duration {
        let scope = job as usize % self.heard.len();
        &mut self.heard[scope]
    }
}
