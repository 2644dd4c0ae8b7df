//! The regimes of the zoo: a limit, a load and a network, and what differs from a base.

use std::time::Duration;

use super::latency::Latency;

/// What a species is played with.
#[derive(Clone, Debug)]
pub struct Regime {
    /// `60s`, or `60s/workers-8`.
    pub name: String,
    pub limit: u32,
    pub window: Duration,
    pub workers: u32,
    pub latency: Latency,
    /// Whether another client of the same key uses 30 % of the limit.
    pub has_other_client: bool,
    pub changes: Option<Change>,
    pub lies: Option<Lie>,
    /// Whether it differs in two factors from its base.
    pub is_pair: bool,
}

/// How the limit changes halfway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    Doubles,
    Halves,
}

/// The part of the truth that the waits of refusals name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lie {
    Quarter,
    Zero,
}

/// One difference from a base.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Factor {
    Workers(u32),
    Near,
    Far,
    HeavyTail,
    /// A window of this length in seconds.
    Window(u64),
    Limit(u32),
    OtherClient,
    Changes(Change),
    Lies(Lie),
}

impl Factor {
    /// All factors but the limits, which differ by base.
    pub const COMMON: [Self; 14] = [
        Self::Workers(1),
        Self::Workers(8),
        Self::Workers(1_000),
        Self::Near,
        Self::Far,
        Self::HeavyTail,
        Self::Window(1),
        Self::Window(4),
        Self::Window(10),
        Self::OtherClient,
        Self::Changes(Change::Doubles),
        Self::Changes(Change::Halves),
        Self::Lies(Lie::Quarter),
        Self::Lies(Lie::Zero),
    ];

    fn name(self) -> String {
        match self {
            Self::Workers(workers) => format!("workers-{workers}"),
            Self::Near => "5ms".to_owned(),
            Self::Far => "2s-away".to_owned(),
            Self::HeavyTail => "tail".to_owned(),
            Self::Window(seconds) => format!("window-{seconds}s"),
            Self::Limit(limit) => format!("limit-{limit}"),
            Self::OtherClient => "foreign".to_owned(),
            Self::Changes(Change::Doubles) => "doubles".to_owned(),
            Self::Changes(Change::Halves) => "halves".to_owned(),
            Self::Lies(Lie::Quarter) => "lies-quarter".to_owned(),
            Self::Lies(Lie::Zero) => "lies-zero".to_owned(),
        }
    }

    /// Whether both change the same property.
    pub fn is_like(self, other: Self) -> bool {
        let is_latency = |factor| matches!(factor, Self::Near | Self::Far | Self::HeavyTail);
        std::mem::discriminant(&self) == std::mem::discriminant(&other)
            || (is_latency(self) && is_latency(other))
    }
}

impl Regime {
    /// 600 calls in 60 s.
    pub fn minute() -> Self {
        Self::base("60s", 600, Duration::from_secs(60))
    }

    /// 20 calls in 2 s.
    pub fn two_seconds() -> Self {
        Self::base("2s", 20, Duration::from_secs(2))
    }

    /// 8 calls at once of 1 s each.
    pub fn eight_at_once() -> Self {
        Self::base("8", 8, Duration::from_secs(1))
    }

    /// 32 calls at once of 1 s each.
    pub fn many_at_once() -> Self {
        Self::base("32", 32, Duration::from_secs(1))
    }

    fn base(name: &str, limit: u32, window: Duration) -> Self {
        Self {
            name: name.to_owned(),
            limit,
            window,
            workers: 64,
            latency: Latency::NORMAL,
            has_other_client: false,
            changes: None,
            lies: None,
            is_pair: false,
        }
    }

    /// The same with one difference.
    pub fn with(&self, factor: Factor) -> Self {
        let mut regime = self.clone();
        regime.is_pair = !self.is_base();
        regime.name = format!("{}/{}", self.name, factor.name());
        match factor {
            Factor::Workers(workers) => regime.workers = workers,
            Factor::Near => regime.latency = Latency::NEAR,
            Factor::Far => regime.latency = Latency::FAR,
            Factor::HeavyTail => regime.latency = Latency::HEAVY_TAILED,
            Factor::Window(seconds) => {
                let window = Duration::from_secs(seconds);
                let rate = f64::from(self.limit) / self.window.as_secs_f64();
                // The base of 2 s keeps its limit, the one of a minute its rate.
                if self.window >= Duration::from_secs(10) {
                    regime.limit = (rate * window.as_secs_f64()) as u32;
                }
                regime.window = window;
            }
            Factor::Limit(limit) => regime.limit = limit,
            Factor::OtherClient => regime.has_other_client = true,
            Factor::Changes(change) => regime.changes = Some(change),
            Factor::Lies(lie) => regime.lies = Some(lie),
        }
        regime
    }

    /// Whether no factor differs.
    pub fn is_base(&self) -> bool {
        !self.name.contains('/')
    }

    /// The calls per second that the limit allows.
    pub fn rate(&self) -> f64 {
        f64::from(self.limit) / self.window.as_secs_f64()
    }
}
