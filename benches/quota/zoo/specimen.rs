//! One limiter in one regime: what it counts, says and does to the jobs of a cell.

use std::time::{Duration, SystemTime};

use http::StatusCode;
use tower_backoff::hint::Unit;
use tower_backoff::policy::Provider;

use super::class::{self, Class, Goal, Traits};
use super::dialect::{Dialect, Header, Tells};
use super::latency::Latency;
use super::limiter::{BLOCK, Limiter};
use super::regime::{Change, Lie, Regime};
use crate::limit::{Changing, Count, Limit, OtherClient};
use crate::response_format::{RefusalHint, noon};
use crate::rng;

/// How long the jobs of a cell should keep a client busy.
const TIME: f64 = 250.0;
/// The longest time of a cell, which slow limits reach with fewer jobs.
const MAX_TIME: f64 = 3_000.0;
/// The number of jobs, unless the limit is too high or too low for it.
const JOBS: f64 = 3_000.0;
const MIN_JOBS: f64 = 150.0;
const MAX_JOBS: f64 = 30_000.0;
/// The percentage of the limit that another client uses.
const OTHER_CLIENT_PERCENT: u32 = 30;

/// A limiter of the zoo in one regime.
#[derive(Clone, Debug)]
pub struct Specimen {
    /// `zoo/laravel/60s`.
    pub name: String,
    pub limiter: Limiter,
    pub dialect: Dialect,
    pub regime: Regime,
    /// Whether peers that are not compared cell by cell play as well.
    pub has_all_peers: bool,
}

/// What a limiter answers to one call.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: StatusCode,
    pub headers: Vec<Header>,
    pub body: Option<String>,
    pub hint: Option<RefusalHint>,
    /// How long the server holds the call before it answers.
    pub delay: Duration,
}

impl Specimen {
    pub fn jobs(&self) -> u32 {
        let rate = self.regime.rate();
        let jobs = (TIME * rate).ceil().clamp(JOBS, MAX_JOBS);
        jobs.min((MAX_TIME * rate).ceil().max(MIN_JOBS)) as u32
    }

    /// The calls at once of the clients of this cell.
    pub fn workers(&self) -> u32 {
        self.regime.workers
    }

    pub fn latency(&self) -> Latency {
        self.regime.latency
    }

    /// What the clocks of client and server show at the start of the run.
    pub fn clock(seed: u64) -> SystemTime {
        noon() + Self::past_noon(seed)
    }

    fn past_noon(seed: u64) -> Duration {
        Duration::from_millis((rng::uniform(3, seed, 0) * 60_000.0) as u64)
    }

    pub fn limit(&self, seed: u64) -> Box<dyn Limit> {
        let Regime { limit, window, .. } = self.regime;
        let build = |limit| self.limiter.limit(limit, window, Self::past_noon(seed));
        let mut model = build(limit);
        if let Some(change) = self.regime.changes {
            let later = match change {
                Change::Doubles => limit * 2,
                Change::Halves => limit.div_ceil(2),
            };
            let halfway = f64::from(self.jobs()) / self.regime.rate() / 2.0;
            model = Box::new(Changing::new(
                model,
                build(later),
                Duration::from_secs_f64(halfway),
            ));
        }
        if self.regime.has_other_client {
            let every = window * 100 / (limit * OTHER_CLIENT_PERCENT);
            model = Box::new(OtherClient::new(model, every));
        }
        model
    }

    /// Counts a call and writes the answer. `clock` is the wall clock of the server.
    pub fn reply(
        &self,
        limit: &mut dyn Limit,
        job: u32,
        now: Duration,
        clock: SystemTime,
    ) -> Reply {
        let mut count = limit.on_arrival(job, now);
        let parts = limit.parts();
        let window = self.regime.window;
        if count.admitted {
            return Reply {
                status: StatusCode::OK,
                headers: self.dialect.headers(count, &parts, window, now, clock),
                body: None,
                hint: None,
                delay: limit.delay(),
            };
        }
        count.resets_at = now + self.named(count, now);
        let status = StatusCode::from_u16(self.dialect.refusal());
        Reply {
            status: status.expect("a valid status"),
            headers: self.dialect.headers(count, &parts, window, now, clock),
            body: Some(self.dialect.body(count, window, now)),
            hint: Some(self.dialect.hint(count, now, clock)),
            delay: Duration::ZERO,
        }
    }

    /// The wait that a refusal names, which may be a lie.
    fn named(&self, count: Count, now: Duration) -> Duration {
        let rest = count.resets_at.saturating_sub(now);
        match self.regime.lies {
            None => rest,
            Some(Lie::Quarter) => rest / 4,
            Some(Lie::Zero) => Duration::ZERO,
        }
    }

    /// Whether a client can be told nothing: a 403 and milliseconds need a word.
    pub fn needs_words(&self) -> bool {
        self.dialect.refusal() == 403 || self.dialect == Dialect::FlexibleMillis
    }

    /// What a user who knows the limiter declares.
    pub fn provider(&self) -> Provider {
        let Regime { limit, window, .. } = self.regime;
        let quotas = self.limiter.quotas(limit, window);
        let provider = Provider::new("declared").quotas(quotas);
        match self.dialect {
            Dialect::Bare(403) if self.limiter == Limiter::Blocking => {
                provider.throttled_on([403], BLOCK)
            }
            Dialect::Bare(403) => provider.throttled_on([403], window),
            Dialect::Bare(503) => provider.throttled_on([503], Duration::from_secs(1)),
            Dialect::FlexibleMillis => provider.header_unit("retry-after", Unit::Millis),
            _ if self.dialect.tells() == Tells::CutWaits => provider.retry_after_rounded_down(),
            _ => provider,
        }
    }

    pub fn class(&self) -> Class {
        Class::of(self.limiter, self.dialect.tells(), &self.regime)
    }

    /// Whether a job of this minimum is too short for the goals of most classes.
    pub fn is_short(&self, minimum: Duration) -> bool {
        class::is_short(minimum)
    }

    /// The figures to reach, told nothing or with the limit declared.
    pub fn goal(&self, is_declared: bool, minimum: Duration) -> Goal {
        let traits = Traits {
            limiter: self.limiter,
            tells: self.dialect.tells(),
            regime: &self.regime,
            jobs: self.jobs(),
            minimum,
        };
        if is_declared {
            self.class().declared(&traits)
        } else {
            self.class().told_nothing(&traits)
        }
    }
}
