//! Records what a server sees during one run.

use std::time::Duration;

use http::StatusCode;

use crate::response_format::RefusalHint;
use crate::scenario::Scenario;

/// The shortest polite wait after a 429 that names no wait.
const BARE_429_WAIT: Duration = Duration::from_secs(60);

/// The record of one run. All moments are counted from its start.
#[derive(Clone, Debug, Default)]
pub struct Record {
    jobs: Vec<JobState>,
    /// All arrivals in order, with the status of the response.
    pub arrivals: Vec<(Duration, StatusCode)>,
    /// Responses that refuse a call because of the limit, 429 or 503.
    pub refusals: u32,
    /// Retries that arrived before the moment that a refusal of the same job named.
    pub early: u32,
    /// Retries that arrived within 60 s of a bare 429 to the same job.
    pub bare_early: u32,
    /// Refusals of calls that were sent before the first answer.
    pub salvo_refusals: u32,
    has_response: bool,
    /// Calls sent before the moment that an earlier response to any job had named.
    pub in_block: u32,
    /// The latest moment that each host has named in a response to any job.
    closed_until: Vec<Duration>,
    /// When each job was served.
    pub finished: Vec<Option<Duration>>,
    /// When each job was taken from the queue.
    pub started: Vec<Option<Duration>>,
}

/// The attempts of one job and the waits that it was told.
#[derive(Clone, Copy, Debug, Default)]
struct JobState {
    attempts: u32,
    /// Whether the last attempt was sent before the first answer.
    is_in_salvo: bool,
    not_before: Duration,
    not_before_bare: Duration,
}

impl Record {
    pub fn new(scenario: &Scenario) -> Self {
        let jobs = scenario.jobs() as usize;
        Self {
            jobs: vec![JobState::default(); jobs],
            closed_until: vec![Duration::ZERO; scenario.hosts as usize],
            finished: vec![None; jobs],
            started: vec![None; jobs],
            ..Self::default()
        }
    }

    /// Records that the client sends a call. Returns the number of the attempt, from 1.
    pub fn on_send(&mut self, job: u32, now: Duration) -> u32 {
        self.in_block += u32::from(now < *self.closed_until(job));
        let state = &mut self.jobs[job as usize];
        state.attempts += 1;
        state.is_in_salvo = !self.has_response;
        state.attempts
    }

    /// Records that a call reaches the server, and the response to it.
    pub fn on_arrival(
        &mut self,
        job: u32,
        now: Duration,
        status: StatusCode,
        hint: Option<RefusalHint>,
    ) {
        let state = &mut self.jobs[job as usize];
        self.early += u32::from(now < state.not_before);
        self.bare_early += u32::from(now < state.not_before_bare);
        self.refusals += u32::from(hint.is_some());
        self.salvo_refusals += u32::from(hint.is_some() && state.is_in_salvo);
        self.arrivals.push((now, status));
        match hint {
            Some(RefusalHint::NotBefore(moment)) => state.not_before = moment,
            Some(RefusalHint::Bare) => state.not_before_bare = now + BARE_429_WAIT,
            Some(RefusalHint::Overload) | None => {}
        }
    }

    /// Records that a response reaches the client.
    pub fn on_response(&mut self, job: u32, hint: Option<RefusalHint>) {
        self.has_response = true;
        if let Some(RefusalHint::NotBefore(moment)) = hint {
            let closed_until = self.closed_until(job);
            *closed_until = moment.max(*closed_until);
        }
    }

    /// The latest moment named by the host of a job.
    fn closed_until(&mut self, job: u32) -> &mut Duration {
        let host = job as usize % self.closed_until.len();
        &mut self.closed_until[host]
    }
}
