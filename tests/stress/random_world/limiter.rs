//! How a server counts.

use std::collections::VecDeque;
use std::time::Duration;

use super::rng::Rng;

/// What a limiter says to a call that arrives.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ruling {
    pub(crate) allowed: bool,
    /// Until the next one may come, if it is refused.
    pub(crate) wait: Duration,
    pub(crate) limit: u64,
    pub(crate) left: u64,
    /// Until all is back.
    pub(crate) reset: Duration,
}

/// One of the kinds of limiters that there are.
#[derive(Clone, Debug)]
pub(crate) enum Limiter {
    None,
    /// Windows that begin with their first call, or with the clock.
    Window {
        limit: u64,
        length: Duration,
        aligned: bool,
        begun: Duration,
        count: u64,
    },
    /// Each call counts for just a window.
    Log {
        limit: u64,
        length: Duration,
        times: VecDeque<Duration>,
    },
    /// A slot is back after this time.
    Bucket {
        burst: u64,
        each: Duration,
        full_at: Duration,
    },
    /// At most this many in flight.
    Concurrent {
        limit: u64,
        held: u64,
    },
}

impl Limiter {
    pub(crate) fn any(rng: &mut Rng) -> Self {
        let limit = rng.one_of(&[1, 3, 10, 30, 60, 200]);
        let length = Duration::from_secs(rng.one_of(&[1, 2, 10, 60]));
        match rng.within(0..6) {
            0 => Self::None,
            1 | 2 => Self::Window {
                limit,
                length,
                aligned: rng.happens(300),
                begun: Duration::ZERO,
                count: 0,
            },
            3 => Self::Log {
                limit,
                length,
                times: VecDeque::new(),
            },
            4 => Self::Bucket {
                burst: limit.div_ceil(10),
                each: length / limit as u32,
                full_at: Duration::ZERO,
            },
            _ => Self::Concurrent {
                limit: limit.min(30),
                held: 0,
            },
        }
    }

    /// A call arrives so long after the world began.
    pub(crate) fn arrives(&mut self, now: Duration) -> Ruling {
        match self {
            Self::None => Ruling::of(true, Duration::ZERO, 1_000, 999, Duration::ZERO),
            Self::Window {
                limit,
                length,
                aligned,
                begun,
                count,
            } => {
                if now >= *begun + *length || *count == 0 {
                    let into = (now.as_nanos() % length.as_nanos()) as u64;
                    let aligned_to = now - Duration::from_nanos(into);
                    (*begun, *count) = (if *aligned { aligned_to } else { now }, 0);
                }
                let reset = (*begun + *length).saturating_sub(now);
                let allowed = *count < *limit;
                *count += u64::from(allowed);
                Ruling::of(allowed, reset, *limit, *limit - *count, reset)
            }
            Self::Log {
                limit,
                length,
                times,
            } => {
                while times.front().is_some_and(|first| *first + *length <= now) {
                    times.pop_front();
                }
                let allowed = (times.len() as u64) < *limit;
                if allowed {
                    times.push_back(now);
                }
                let rest = |time: Option<&Duration>| {
                    let until = time.map(|time| *time + *length);
                    until.unwrap_or(now).saturating_sub(now)
                };
                let (first, last) = (rest(times.front()), rest(times.back()));
                Ruling::of(allowed, first, *limit, *limit - times.len() as u64, last)
            }
            Self::Bucket {
                burst,
                each,
                full_at,
            } => {
                let full = (*full_at).max(now) + *each;
                let allowed = full - now <= *each * *burst as u32;
                if allowed {
                    *full_at = full;
                }
                let missing = full_at.saturating_sub(now);
                let wait = (missing + *each).saturating_sub(*each * *burst as u32);
                let left =
                    *burst - (missing.as_nanos().div_ceil(each.as_nanos()) as u64).min(*burst);
                Ruling::of(allowed, wait, *burst, left, missing)
            }
            Self::Concurrent { limit, held } => {
                let allowed = *held < *limit;
                *held += u64::from(allowed);
                let soon = Duration::from_secs(1);
                Ruling::of(allowed, soon, *limit, *limit - *held, soon)
            }
        }
    }

    /// A call that was allowed is answered, or its caller has gone.
    pub(crate) fn leaves(&mut self) {
        if let Self::Concurrent { held, .. } = self {
            *held = held.saturating_sub(1);
        }
    }
}

impl Ruling {
    fn of(allowed: bool, wait: Duration, limit: u64, left: u64, reset: Duration) -> Self {
        Self {
            allowed,
            wait,
            limit,
            left,
            reset,
        }
    }
}
