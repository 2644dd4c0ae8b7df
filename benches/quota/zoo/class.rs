//! The classes of limiters, and the figures to reach in each.

use std::time::Duration;

use serde::{Serialize, Serializer};

use super::dialect::Tells;
use super::limiter::Limiter;
use super::regime::Regime;

/// A row of the table of goals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    LongWindow,
    ShortWindow,
    WholeSecondResets,
    SlidingCounter,
    Bucket,
    StrictBucket,
    Concurrency,
    Bare429,
    Bare503,
    OtherClient,
    HeavyTail,
    /// Changing limits, hints that lie and pairs of factors: only finished, with no promise broken.
    Unlisted,
}

/// The figures to reach; where there is none, the jobs have to be finished.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Goal {
    pub time: Option<f64>,
    pub requests: Option<f64>,
}

impl Goal {
    fn of(time: f64, requests: f64) -> Self {
        Self {
            time: Some(time),
            requests: Some(requests),
        }
    }
}

/// What is measured in the zoo only.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Figures {
    pub class: Class,
    pub goal: Goal,
    /// Whether the job is too short for the goals of most classes.
    pub is_short: bool,
    /// Requests over needed, without the refusals of the first salvo.
    pub requests_less_salvo: f64,
    /// Refusals of calls that were sent before the first answer.
    pub salvo_refusals: f64,
}

impl Serialize for Class {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// What the goal of a cell depends on.
#[derive(Clone, Debug)]
pub struct Traits<'a> {
    pub limiter: Limiter,
    pub tells: Tells,
    pub regime: &'a Regime,
    pub jobs: u32,
    /// The least time of all jobs.
    pub minimum: Duration,
}

/// The least time of a cell that is not short. 3,000 jobs of a base take a little less than 250 s.
const LONG_ENOUGH: Duration = Duration::from_secs(235);

/// Whether a job of this minimum is too short for the goals of most classes.
pub fn is_short(minimum: Duration) -> bool {
    minimum < LONG_ENOUGH
}

impl Class {
    /// All classes, in the order of the table.
    pub const ALL: [Self; 12] = [
        Self::LongWindow,
        Self::ShortWindow,
        Self::WholeSecondResets,
        Self::SlidingCounter,
        Self::Bucket,
        Self::StrictBucket,
        Self::Concurrency,
        Self::Bare429,
        Self::Bare503,
        Self::OtherClient,
        Self::HeavyTail,
        Self::Unlisted,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::LongWindow => "window of 10 s and more",
            Self::ShortWindow => "window of 1 to 5 s",
            Self::WholeSecondResets => "whole-second resets",
            Self::SlidingCounter => "sliding counter",
            Self::Bucket => "bucket",
            Self::StrictBucket => "bucket of one call",
            Self::Concurrency => "concurrent calls",
            Self::Bare429 => "bare 429",
            Self::Bare503 => "bare 503",
            Self::OtherClient => "another client uses 30 %",
            Self::HeavyTail => "heavy tail",
            Self::Unlisted => "unlisted",
        }
    }

    pub fn of(limiter: Limiter, tells: Tells, regime: &Regime) -> Self {
        let is_bare = matches!(tells, Tells::Nothing(429 | 503));
        let is_named_window = limiter.is_window() && !is_bare;
        if regime.changes.is_some() || regime.lies.is_some() || regime.is_pair {
            return Self::Unlisted;
        }
        if regime.latency.has_heavy_tail() {
            return if is_named_window {
                Self::HeavyTail
            } else {
                Self::Unlisted
            };
        }
        if regime.has_other_client {
            return if is_named_window {
                Self::OtherClient
            } else {
                Self::Unlisted
            };
        }
        match (limiter, tells) {
            (_, Tells::Nothing(429)) => Self::Bare429,
            (Limiter::Concurrent, _) => Self::Concurrency,
            _ if limiter.is_strict(regime.limit) => Self::StrictBucket,
            (_, Tells::Nothing(503)) => Self::Bare503,
            (Limiter::Counter | Limiter::CounterOfAll, _) => Self::SlidingCounter,
            (Limiter::Bucket(_) | Limiter::Queue(_) | Limiter::WholeTokens, _) => Self::Bucket,
            (_, Tells::WholeSeconds) => Self::WholeSecondResets,
            _ if regime.window >= Duration::from_secs(10) => Self::LongWindow,
            _ => Self::ShortWindow,
        }
    }

    /// The goal of a client that is told nothing.
    pub fn told_nothing(self, cell: &Traits<'_>) -> Goal {
        let window = cell.regime.window.as_secs_f64();
        let is_cut = cell.tells == Tells::CutWaits;
        let is_short = is_short(cell.minimum);
        match self {
            Self::LongWindow => Goal::of(1.05, 1.05),
            Self::ShortWindow if is_short || cell.jobs <= 300 => Goal::of(1.11, 1.35),
            Self::ShortWindow if is_cut => Goal::of(1.31, 1.10),
            Self::ShortWindow => Goal::of(1.10, 1.06),
            Self::WholeSecondResets => Goal::of((window + 1.0) / window + 0.05, 1.05),
            Self::SlidingCounter if cell.tells == Tells::WholeSeconds => Goal::default(),
            Self::SlidingCounter if is_cut => Goal::of(1.30, 1.20),
            Self::SlidingCounter => Goal::of(1.12, 1.20),
            Self::Bucket => Goal::of(1.25, 1.20),
            Self::StrictBucket if cell.spread_in_intervals() < 1.0 => {
                Goal::of(1.10 * (1.0 + cell.spread_in_intervals()), 1.05)
            }
            Self::Concurrency if cell.is_far() => Goal::default(),
            Self::Concurrency => Goal::of(1.50, 1.08),
            Self::Bare429 if is_short || cell.is_strict_beyond(0.2) => Goal::default(),
            Self::Bare429 if cell.is_counter() => Goal::of(3.3, 1.10),
            Self::Bare429 => Goal::of(3.1, 1.10),
            Self::Bare503 => Goal::of(1.15, 1.10),
            Self::OtherClient if window >= 10.0 => Goal::of(1.02, 1.03),
            Self::OtherClient => Goal::of(1.30, 1.08),
            Self::HeavyTail if window >= 10.0 => Goal::of(1.20, 1.05),
            Self::HeavyTail => Goal::of(1.55, 1.15),
            Self::StrictBucket | Self::Unlisted => Goal::default(),
        }
    }

    /// The goal of a client that declares the limit.
    pub fn declared(self, cell: &Traits<'_>) -> Goal {
        let window = cell.regime.window.as_secs_f64();
        let first_window = 1.0 + window / cell.minimum.as_secs_f64();
        let strict = 1.11 * (1.0 + cell.spread_in_intervals());
        let is_aligned = cell.limiter == Limiter::Aligned;
        match self {
            Self::LongWindow if is_aligned => Goal::of(first_window.max(1.03), 1.00),
            Self::LongWindow => Goal::of(1.03, 1.00),
            Self::ShortWindow => {
                let latency = cell.regime.latency.mean().as_secs_f64().min(0.25);
                Goal::of(1.03 + latency / window, 1.00)
            }
            Self::WholeSecondResets => Goal::of(1.05, 1.00),
            Self::SlidingCounter => Goal::of(1.16, 1.00),
            Self::Bucket | Self::Bare503 => Goal::of(1.03, 1.00),
            Self::StrictBucket if cell.spread_in_intervals() < 1.0 => Goal::of(strict, 1.01),
            Self::Concurrency if cell.is_far() => Goal::default(),
            Self::Concurrency => Goal::of(1.25, 1.00),
            Self::Bare429 if cell.is_strict_beyond(1.0) => Goal::default(),
            Self::Bare429 if cell.limiter.is_strict(cell.regime.limit) => Goal::of(strict, 1.01),
            Self::Bare429 if cell.is_counter() => Goal::of(1.20, 1.00),
            Self::Bare429 if is_aligned => Goal::of(first_window.max(1.06), 1.00),
            Self::Bare429 => Goal::of(1.06, 1.00),
            Self::OtherClient if window >= 10.0 => Goal::of(1.02, 1.02),
            Self::OtherClient => Goal::of(1.15, 1.10),
            Self::HeavyTail if window >= 10.0 => Goal::of(1.05, 1.00),
            Self::HeavyTail => Goal::of(1.15, 1.12),
            Self::StrictBucket | Self::Unlisted => Goal::default(),
        }
    }
}

impl Traits<'_> {
    /// The spread of one way in intervals of a strict bucket.
    fn spread_in_intervals(&self) -> f64 {
        let interval = self.regime.window.as_secs_f64() / f64::from(self.regime.limit);
        self.regime.latency.spread().as_secs_f64() / interval
    }

    fn is_strict_beyond(&self, intervals: f64) -> bool {
        self.limiter.is_strict(self.regime.limit) && self.spread_in_intervals() >= intervals
    }

    /// Whether calls at once are on their way for longer than a fourth of what they take.
    fn is_far(&self) -> bool {
        self.regime.latency.mean() > self.regime.window / 4
    }

    fn is_counter(&self) -> bool {
        matches!(self.limiter, Limiter::Counter | Limiter::CounterOfAll)
    }
}
