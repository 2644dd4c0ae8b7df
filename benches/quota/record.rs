//! What a server writes down about one run.

use std::time::Duration;

use http::StatusCode;

use crate::response_format::RefusalHint;
use crate::scenario::Scenario;

/// After a 429 that says nothing, coming back sooner than this is impolite.
const AFTER_A_BARE_429: Duration = Duration::from_secs(60);

/// The books of one run. All moments are counted from its start.
#[derive(Clone, Debug, Default)]
pub struct Record {
    jobs: Vec<JobState>,
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
    closed_until: Vec<Duration>,
    /// When each job was done.
    pub finished: Vec<Option<Duration>>,
    /// When each job was taken from the queue, or arrived.
    pub started: Vec<Option<Duration>>,
}

/// What the server knows about one job.
#[derive(Clone, Copy, Debug, Default)]
struct JobState {
    attempts: u32,
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

    /// A call leaves the client. Returns which attempt of its job it is, from 1.
    pub fn on_send(&mut self, job: u32, now: Duration) -> u32 {
        self.in_block += u32::from(now < *self.closed_until(job));
        let state = &mut self.jobs[job as usize];
        state.attempts += 1;
        state.attempts
    }

    /// It reaches the server and is answered so.
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
        self.arrivals.push((now, status));
        match hint {
            Some(RefusalHint::NotBefore(moment)) => state.not_before = moment,
            Some(RefusalHint::Bare) => state.not_before_bare = now + AFTER_A_BARE_429,
            Some(RefusalHint::Overload) | None => {}
        }
    }

    /// The answer reaches the client.
    pub fn on_response(&mut self, job: u32, hint: Option<RefusalHint>) {
        if let Some(RefusalHint::NotBefore(moment)) = hint {
            let closed_until = self.closed_until(job);
            *closed_until = moment.max(*closed_until);
        }
    }

    /// Jobs go to one host after the other.
    fn closed_until(&mut self, job: u32) -> &mut Duration {
        let host = job as usize % self.closed_until.len();
        &mut self.closed_until[host]
    }
}
