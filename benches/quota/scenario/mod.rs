//! Scenarios, as values.

mod besides;
mod eight;

pub use besides::besides;
pub use eight::eight;

use std::time::Duration;

use tower_backoff::policy::Provider;

use crate::chance;
use crate::limit::{Bucket, Counter, Foreign, Grid, Limit, Log, Pair, Scopes, Unlimited, Window};
use crate::wording::Wording;

/// How many tasks drain a closed queue.
pub const WORKERS: u32 = 64;

/// A server and the work that is to be done with it.
#[derive(Clone, Debug)]
pub struct Scenario {
    pub name: String,
    /// Whether it is one of the eight, in which the peers take part.
    pub is_one_of_eight: bool,
    pub counting: Counting,
    pub wording: Wording,
    /// For so long everything is answered by a 503.
    pub outage: Duration,
    /// So many percent of the served calls are answered by a 500.
    pub fails_percent: u64,
    pub load: Load,
    /// What this crate knows about the provider, if there is one like it.
    pub preset: Option<fn() -> Provider>,
    /// So many percent of the limit are used by somebody else.
    pub foreign_percent: u32,
    /// How far the server's clock is ahead, in seconds.
    pub clock_ahead: i32,
    /// Every third response is without its headers.
    pub forgets_headers: bool,
    /// Every tenth job goes to an endpoint that takes so long.
    pub slow: Option<Duration>,
    /// How many hosts there are; the jobs go to one after the other.
    pub scopes: u32,
}

/// How a server counts. So many, in so long.
#[derive(Clone, Copy, Debug)]
pub enum Counting {
    Nothing,
    /// Windows that begin with a call.
    Window(u32, Duration),
    /// Windows that begin by the clock, at a moment that depends on the seed.
    Grid(u32, Duration),
    /// The calls of the last window.
    Log(u32, Duration),
    /// Two counters, the older one weighed.
    Counter(u32, Duration),
    /// A bucket of tokens.
    Bucket(u32, Duration),
    /// Two windows at once.
    Pair((u32, Duration), (u32, Duration)),
    /// A window, and what a call costs that arrives while the block lasts.
    Penalty(u32, Duration, Duration),
}

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub enum Load {
    /// 64 workers drain a queue of so many jobs.
    Closed(u32),
    /// So many jobs, one after the other at this distance, whatever became of the last.
    Open(u32, Duration),
}

impl Scenario {
    fn closed(name: &str, counting: Counting, wording: Wording) -> Self {
        Self {
            name: name.to_owned(),
            is_one_of_eight: true,
            counting,
            wording,
            outage: Duration::ZERO,
            fails_percent: 0,
            load: Load::Closed(3_000),
            preset: None,
            foreign_percent: 0,
            clock_ahead: 0,
            forgets_headers: false,
            slow: None,
            scopes: 1,
        }
    }

    fn preset(mut self, preset: fn() -> Provider) -> Self {
        self.preset = Some(preset);
        self
    }

    fn outage(name: &str, load: Load) -> Self {
        let counting = Counting::Window(100, Duration::from_secs(1));
        Self {
            outage: Duration::from_secs(300),
            load,
            ..Self::closed(name, counting, Wording::Overload)
        }
    }

    pub fn jobs(&self) -> u32 {
        match self.load {
            Load::Closed(jobs) | Load::Open(jobs, _) => jobs,
        }
    }

    pub fn limit(&self, seed: u64) -> Box<dyn Limit> {
        let limit: Box<dyn Limit> = match self.counting {
            Counting::Nothing => Box::new(Unlimited),
            Counting::Window(limit, length) if self.scopes > 1 => {
                Box::new(Scopes::new(self.scopes, Window::new(limit, length)))
            }
            Counting::Window(limit, length) => Box::new(Window::new(limit, length)),
            Counting::Grid(limit, length) => {
                Box::new(Grid::new(limit, length, first_window(seed, length)))
            }
            Counting::Log(limit, length) => Box::new(Log::new(limit, length)),
            Counting::Counter(limit, length) => Box::new(Counter::new(limit, length)),
            Counting::Bucket(limit, length) => Box::new(Bucket::new(limit, length)),
            Counting::Pair(first, second) => {
                let windows = [first, second].map(|(limit, length)| Window::new(limit, length));
                Box::new(Pair::new(windows))
            }
            Counting::Penalty(limit, length, penalty) => {
                Box::new(Window::new(limit, length).punishing(penalty))
            }
        };
        match self.counting.rate() {
            Some((calls, length)) if self.foreign_percent > 0 => {
                let every = length * 100 / (calls * self.foreign_percent);
                Box::new(Foreign::new(limit, every))
            }
            _ => limit,
        }
    }

    /// The host that a job is for.
    pub fn scope(&self, job: u32) -> u32 {
        job % self.scopes
    }

    /// Half the latency of an attempt.
    pub fn half_latency(&self, seed: u64, job: u32, attempt: u32) -> Duration {
        match self.slow {
            Some(latency) if job % 10 == 0 => latency / 2,
            _ => chance::half_latency(seed, job, attempt),
        }
    }

    /// Whether this attempt is served by a 500.
    pub fn fails(&self, seed: u64, job: u32, attempt: u32) -> bool {
        chance::falls(1, seed, job, attempt, self.fails_percent)
    }

    /// How many requests a client sends that is never refused.
    pub fn needed(&self, seed: u64) -> u32 {
        (0..self.jobs()).map(|job| self.attempts(seed, job)).sum()
    }

    /// How many attempts a job takes if none is refused.
    pub fn attempts(&self, seed: u64, job: u32) -> u32 {
        let served = |attempt: &u32| !self.fails(seed, job, *attempt);
        (1..).find(served).expect("not every attempt fails")
    }
}

impl Counting {
    /// How many calls in how long, for those that count one thing.
    pub fn rate(self) -> Option<(u32, Duration)> {
        match self {
            Self::Nothing | Self::Pair(..) => None,
            Self::Window(limit, length)
            | Self::Grid(limit, length)
            | Self::Log(limit, length)
            | Self::Counter(limit, length)
            | Self::Bucket(limit, length)
            | Self::Penalty(limit, length, _) => Some((limit, length)),
        }
    }
}

/// How long the first window of a grid still lasts.
pub fn first_window(seed: u64, length: Duration) -> Duration {
    length.mul_f64(chance::part(3, seed, 0))
}
