//! The eight scenarios, as values.

use std::time::Duration;

use tower_backoff::policy::Provider;
use tower_backoff::providers;

use crate::chance;
use crate::limit::{Limit, Unlimited, Window};
use crate::minimum;
use crate::wording::Wording;

/// How many tasks drain a closed queue.
pub const WORKERS: u32 = 64;

/// A server and the work that is to be done with it.
#[derive(Clone, Debug)]
pub struct Scenario {
    pub name: &'static str,
    pub counting: Counting,
    pub wording: Wording,
    /// For so long everything is answered by a 503.
    pub outage: Duration,
    /// So many percent of the served calls are answered by a 500.
    pub fails_percent: u64,
    pub load: Load,
    /// What this crate knows about the provider, if there is one like it.
    pub preset: Option<fn() -> Provider>,
}

/// How a server counts.
#[derive(Clone, Copy, Debug)]
pub enum Counting {
    Nothing,
    Window(u32, Duration),
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
    fn closed(name: &'static str, counting: Counting, wording: Wording) -> Self {
        Self {
            name,
            counting,
            wording,
            outage: Duration::ZERO,
            fails_percent: 0,
            load: Load::Closed(3_000),
            preset: None,
        }
    }

    fn preset(mut self, preset: fn() -> Provider) -> Self {
        self.preset = Some(preset);
        self
    }

    fn outage(name: &'static str, load: Load) -> Self {
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

    pub fn limit(&self) -> Box<dyn Limit> {
        match self.counting {
            Counting::Nothing => Box::new(Unlimited),
            Counting::Window(limit, length) => Box::new(Window::new(limit, length)),
            Counting::Penalty(limit, length, penalty) => {
                Box::new(Window::new(limit, length).punishing(penalty))
            }
        }
    }

    /// Whether this attempt is served by a 500.
    pub fn fails(&self, seed: u64, job: u32, attempt: u32) -> bool {
        chance::falls(1, seed, job, attempt, self.fails_percent)
    }

    /// How long a client would take that knew everything.
    pub fn minimum(&self, seed: u64) -> Duration {
        minimum::of(self, seed)
    }

    /// How many requests it would send.
    pub fn needed(&self, seed: u64) -> u32 {
        (0..self.jobs()).map(|job| self.attempts(seed, job)).sum()
    }

    /// How many attempts a job takes if none is refused.
    pub fn attempts(&self, seed: u64, job: u32) -> u32 {
        let served = |attempt: &u32| !self.fails(seed, job, *attempt);
        (1..).find(served).expect("not every attempt fails")
    }
}

/// The eight of the design.
pub fn eight() -> Vec<Scenario> {
    let minute = Duration::from_secs(60);
    let snippets = Counting::Window(20, minute);
    let lemlist = Counting::Window(20, Duration::from_secs(2));
    let penalty = Counting::Penalty(20, minute, Duration::from_secs(30));
    let every_20_ms = Load::Open(30_000, Duration::from_millis(20));
    vec![
        Scenario::closed("wolfeo", Counting::Window(600, minute), Wording::Bare)
            .preset(providers::wolfeo),
        Scenario::closed("lemlist", lemlist, Wording::Lemlist).preset(providers::lemlist),
        Scenario::closed("snippets", snippets, Wording::RetryAfter).preset(providers::snippets_ai),
        Scenario::closed(
            "enrichengine",
            Counting::Window(100, minute),
            Wording::Epoch,
        )
        .preset(providers::enrich_engine),
        Scenario::outage("outage", Load::Closed(3_000)),
        Scenario::outage("outage-open", every_20_ms),
        Scenario {
            fails_percent: 10,
            ..Scenario::closed("flaky", Counting::Nothing, Wording::Overload)
        },
        Scenario::closed("penalty", penalty, Wording::RetryAfter).preset(providers::snippets_ai),
    ]
}
