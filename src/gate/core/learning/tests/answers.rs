//! What a server says of its limiter, and a gate that does as it is told.

use std::time::Duration;

use crate::hint::Remaining;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// How a server tells what it knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wording {
    /// The wait in milliseconds.
    Exactly,
    /// The wait in whole seconds, rounded up.
    Seconds,
    /// The wait in whole seconds, rounded down.
    CutSeconds,
    /// The wait, and with each answer what is left.
    Left,
    /// A quarter of the wait, in whole seconds.
    Quarter,
    /// A wait of zero.
    Zero,
    /// A 429 that names no wait.
    Bare429,
    /// A 503 that names no wait.
    Bare503,
}

#[derive(Debug)]
pub(super) struct LimiterAnswer {
    pub(super) refused: Option<WordedWait>,
    pub(super) counter: Option<Remaining>,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum WordedWait {
    Named(Duration),
    /// This long, and twice as long with each further closing, up to the second.
    Floor(Duration, Duration),
}

impl Wording {
    pub(super) fn answer(self, wait: Duration, left: Option<u32>) -> LimiterAnswer {
        let up = |wait: Duration, unit: u64| {
            Duration::from_millis(wait.as_micros().div_ceil(u128::from(unit) * 1_000) as u64 * unit)
        };
        let named = match self {
            Self::Exactly => WordedWait::Named(up(wait, 1)),
            Self::Seconds | Self::Left => WordedWait::Named(up(wait, 1_000)),
            Self::CutSeconds => WordedWait::Named(Duration::from_secs(wait.as_secs())),
            Self::Quarter => WordedWait::Named(up(wait / 4, 1_000)),
            Self::Zero => WordedWait::Named(Duration::ZERO),
            Self::Bare429 => WordedWait::Floor(MINUTE, 15 * MINUTE),
            Self::Bare503 => WordedWait::Floor(SECOND, 30 * SECOND),
        };
        LimiterAnswer {
            refused: (!wait.is_zero()).then_some(named),
            counter: left
                .filter(|_| self == Self::Left)
                .map(|remaining| Remaining {
                    limit: None,
                    remaining,
                    resets_in: None,
                    coarseness: Duration::ZERO,
                }),
        }
    }
}

/// A gate that does nothing but wait as it is told.
#[derive(Debug, Default)]
pub(super) struct PlainClosing {
    pub(super) until: Duration,
    pub(super) generation: u32,
    /// Closings without a served call between.
    pub(super) streak: u32,
}

impl PlainClosing {
    /// Closes for what a refusal of a call says that was sent in this generation.
    pub(super) fn close(
        &mut self,
        sent_in: u32,
        wait: WordedWait,
        round_trip: Duration,
        now: Duration,
    ) {
        let is_news = sent_in == self.generation;
        self.streak += u32::from(is_news);
        self.generation += u32::from(is_news || now >= self.until);
        let wait = match wait {
            WordedWait::Named(wait) if wait < round_trip => {
                WordedWait::Floor(round_trip, 30 * SECOND)
            }
            wait => wait,
        };
        let wait = match wait {
            WordedWait::Named(wait) => wait,
            WordedWait::Floor(least, most) => {
                (least * (1 << self.streak.saturating_sub(1).min(10))).min(most)
            }
        };
        self.until = self.until.max(now + wait);
    }
}
