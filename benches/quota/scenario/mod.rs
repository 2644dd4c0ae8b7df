//! Scenarios: a server, its limit and the jobs to do.

mod eight;
mod extra;

pub use eight::eight;
pub use extra::extra;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tower_backoff::policy::Provider;

use crate::limit::{
    AlignedWindow, FixedWindow, Limit, OtherClient, PerHost, SlidingCounter, SlidingLog,
    TokenBucket, TwoWindows, Unlimited,
};
use crate::response_format::{ResponseFormat, noon};
use crate::rng;
use crate::zoo::Specimen;

/// The number of tasks that drain a closed queue.
pub const WORKERS: u32 = 64;

/// A server and the jobs that a client has for it.
#[derive(Clone, Debug)]
pub struct Scenario {
    pub name: String,
    /// Whether it is one of the eight, in which the peers take part.
    pub is_one_of_eight: bool,
    pub algorithm: Algorithm,
    pub format: ResponseFormat,
    /// How long the server answers every call with a 503, from the start of the run.
    pub outage: Duration,
    /// The percentage of admitted calls that the server answers with a 500.
    pub fails_percent: u64,
    pub load: Load,
    /// The preset of a provider like this server, if this crate has one.
    pub preset: Option<fn() -> Provider>,
    /// The percentage of the limit that another client of the same key uses.
    pub other_client_percent: u32,
    /// How far the server's clock is ahead, in seconds.
    pub clock_ahead: i32,
    /// Whether every third response lacks its limit headers.
    pub omits_headers: bool,
    /// The latency of every tenth job, if its endpoint is slow.
    pub slow: Option<Duration>,
    /// The number of hosts, which the jobs address in turn.
    pub hosts: u32,
    /// The limiter, latency and clock of a cell of the zoo, in place of those above.
    pub specimen: Option<Arc<Specimen>>,
}

/// How a server counts: a number of calls in a length of time.
#[derive(Clone, Copy, Debug)]
pub enum Algorithm {
    Unlimited,
    /// A window that begins with a call.
    FixedWindow(u32, Duration),
    /// A window aligned to the clock; its phase depends on the seed.
    AlignedWindow(u32, Duration),
    /// The times of all calls within the last window.
    SlidingLog(u32, Duration),
    /// The count of this window, plus a share of the count of the last one.
    SlidingCounter(u32, Duration),
    /// A bucket of tokens that refills evenly.
    TokenBucket(u32, Duration),
    /// Two windows at once.
    TwoWindows((u32, Duration), (u32, Duration)),
    /// A fixed window, and the time that a call adds to it after the first refusal.
    Penalty(u32, Duration, Duration),
}

/// How jobs arrive.
#[derive(Clone, Copy, Debug)]
pub enum Load {
    /// 64 workers drain a queue of this many jobs.
    Closed(u32),
    /// This many jobs start at this interval, whether or not the earlier ones are finished.
    Open(u32, Duration),
}

impl Scenario {
    fn closed(name: &str, algorithm: Algorithm, format: ResponseFormat) -> Self {
        Self {
            name: name.to_owned(),
            is_one_of_eight: true,
            algorithm,
            format,
            outage: Duration::ZERO,
            fails_percent: 0,
            load: Load::Closed(3_000),
            preset: None,
            other_client_percent: 0,
            clock_ahead: 0,
            omits_headers: false,
            slow: None,
            hosts: 1,
            specimen: None,
        }
    }

    /// The scenario of one cell of the zoo.
    pub fn of_specimen(specimen: Specimen) -> Self {
        Self {
            is_one_of_eight: false,
            load: Load::Closed(specimen.jobs()),
            specimen: Some(Arc::new(specimen.clone())),
            ..Self::closed(&specimen.name, Algorithm::Unlimited, ResponseFormat::Bare)
        }
    }

    fn preset(mut self, preset: fn() -> Provider) -> Self {
        self.preset = Some(preset);
        self
    }

    fn outage(name: &str, load: Load) -> Self {
        let algorithm = Algorithm::FixedWindow(100, Duration::from_secs(1));
        Self {
            outage: Duration::from_secs(300),
            load,
            ..Self::closed(name, algorithm, ResponseFormat::Overload)
        }
    }

    pub fn jobs(&self) -> u32 {
        match self.load {
            Load::Closed(jobs) | Load::Open(jobs, _) => jobs,
        }
    }

    /// The number of tasks that drain a closed queue.
    pub fn workers(&self) -> u32 {
        let specimen = self.specimen.as_ref();
        specimen.map_or(WORKERS, |specimen| specimen.workers())
    }

    /// What the clock of the client shows at the start of the run.
    pub fn clock(&self, seed: u64) -> SystemTime {
        if self.specimen.is_some() {
            Specimen::clock(seed)
        } else {
            noon()
        }
    }

    pub fn limit(&self, seed: u64) -> Box<dyn Limit> {
        if let Some(specimen) = &self.specimen {
            return specimen.limit(seed);
        }
        let limit: Box<dyn Limit> = match self.algorithm {
            Algorithm::Unlimited => Box::new(Unlimited),
            Algorithm::FixedWindow(limit, length) if self.hosts > 1 => {
                Box::new(PerHost::new(self.hosts, FixedWindow::new(limit, length)))
            }
            Algorithm::FixedWindow(limit, length) => Box::new(FixedWindow::new(limit, length)),
            Algorithm::AlignedWindow(limit, length) => Box::new(AlignedWindow::new(
                limit,
                length,
                first_window(seed, length),
            )),
            Algorithm::SlidingLog(limit, length) => Box::new(SlidingLog::new(limit, length)),
            Algorithm::SlidingCounter(limit, length) => {
                Box::new(SlidingCounter::new(limit, length))
            }
            Algorithm::TokenBucket(limit, length) => Box::new(TokenBucket::new(limit, length)),
            Algorithm::TwoWindows(first, second) => {
                let windows =
                    [first, second].map(|(limit, length)| FixedWindow::new(limit, length));
                Box::new(TwoWindows::new(windows))
            }
            Algorithm::Penalty(limit, length, penalty) => {
                Box::new(FixedWindow::new(limit, length).with_penalty(penalty))
            }
        };
        match self.algorithm.rate() {
            Some((calls, length)) if self.other_client_percent > 0 => {
                let every = length * 100 / (calls * self.other_client_percent);
                Box::new(OtherClient::new(limit, every))
            }
            _ => limit,
        }
    }

    /// The host that a job is for.
    pub fn host(&self, job: u32) -> u32 {
        job % self.hosts
    }

    /// The latency of an attempt there and back.
    pub fn latency(&self, seed: u64, job: u32, attempt: u32) -> (Duration, Duration) {
        if let Some(specimen) = &self.specimen {
            let latency = specimen.latency();
            let there = latency.there(seed, job, attempt);
            return (there, latency.back(seed, job, attempt));
        }
        let half = self.half_latency(seed, job, attempt);
        (half, half)
    }

    fn half_latency(&self, seed: u64, job: u32, attempt: u32) -> Duration {
        match self.slow {
            Some(latency) if job % 10 == 0 => latency / 2,
            _ => rng::half_latency(seed, job, attempt),
        }
    }

    /// Whether the server answers this attempt with a 500.
    pub fn fails(&self, seed: u64, job: u32, attempt: u32) -> bool {
        rng::is_hit(1, seed, job, attempt, self.fails_percent)
    }

    /// The number of requests of a client that is never refused.
    pub fn needed(&self, seed: u64) -> u32 {
        (0..self.jobs()).map(|job| self.attempts(seed, job)).sum()
    }

    /// The number of attempts of a job that is never refused.
    pub fn attempts(&self, seed: u64, job: u32) -> u32 {
        let served = |attempt: &u32| !self.fails(seed, job, *attempt);
        (1..).find(served).expect("not every attempt fails")
    }
}

impl Algorithm {
    /// The calls and the length of an algorithm with a single limit.
    pub fn rate(self) -> Option<(u32, Duration)> {
        match self {
            Self::Unlimited | Self::TwoWindows(..) => None,
            Self::FixedWindow(limit, length)
            | Self::AlignedWindow(limit, length)
            | Self::SlidingLog(limit, length)
            | Self::SlidingCounter(limit, length)
            | Self::TokenBucket(limit, length)
            | Self::Penalty(limit, length, _) => Some((limit, length)),
        }
    }
}

/// How long the first aligned window lasts from the start of the run.
pub fn first_window(seed: u64, length: Duration) -> Duration {
    length.mul_f64(rng::uniform(3, seed, 0))
}
