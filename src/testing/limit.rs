//! How a test server counts: which calls it admits, and when it admits the next one.

use std::collections::VecDeque;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::time::Moment;

#[cfg(test)]
mod tests;

/// A limit that a test server enforces: a number of calls, and how they are counted.
///
/// Refused calls do not count, unless [`lengthened_by_refusals`](Self::lengthened_by_refusals) says so.
///
/// ```
/// use std::time::Duration;
/// use tower_backoff::testing::Limit;
///
/// let minute = Duration::from_secs(60);
/// let limits = [
///     Limit::fixed_window(60, minute),     // Laravel, express-rate-limit
///     Limit::aligned_window(60, minute),   // rack-attack, django-ratelimit
///     Limit::sliding_log(60, minute),      // Django REST framework
///     Limit::sliding_counter(60, minute),  // Symfony, Cloudflare
///     Limit::token_bucket(60, minute, 10), // nginx, governor
///     Limit::concurrent(8),                // nginx limit_conn, tower's load_shed
/// ];
/// # let _ = limits;
/// ```
#[derive(Clone, Debug)]
pub struct Limit {
    calls: u32,
    /// Zero for concurrent calls.
    window: Duration,
    counter: CallCounter,
    counts_refusals: bool,
}

#[derive(Clone, Debug)]
enum CallCounter {
    Fixed {
        ends: Moment,
        count: u32,
    },
    Aligned {
        /// The number of the window since the epoch.
        number: u128,
        ends: Moment,
        count: u32,
    },
    Log(VecDeque<Moment>),
    Weighted {
        /// The beginning of the window. The first one begins with a call, and the others follow without a gap.
        starts: Option<Moment>,
        last: u32,
        count: u32,
    },
    /// A token is as many units as the window has nanoseconds.
    ///
    /// So each nanosecond adds `calls` units, and nothing is rounded.
    Bucket {
        burst: u32,
        level: u128,
        at: Moment,
    },
    /// When the calls in flight have arrived.
    Concurrent(VecDeque<Moment>),
}

/// What a limit knows after it was asked about a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LimitState {
    pub(super) limit: u32,
    pub(super) remaining: u32,
    pub(super) window: Duration,
    /// When the window ends or, without one, when the next call is admitted.
    pub(super) resets_at: Moment,
}

impl Limit {
    /// Counts calls in a window that begins with the first call after the last window ended.
    ///
    /// # Panics
    ///
    /// If either is zero, as with all limits.
    pub fn fixed_window(calls: u32, window: Duration) -> Self {
        let counter = CallCounter::Fixed {
            ends: Moment::START,
            count: 0,
        };
        Self::new(calls, window, counter)
    }

    /// Counts calls in windows that the wall clock begins, such as each full minute.
    pub fn aligned_window(calls: u32, window: Duration) -> Self {
        let counter = CallCounter::Aligned {
            number: 0,
            ends: Moment::START,
            count: 0,
        };
        Self::new(calls, window, counter)
    }

    /// Remembers the time of each call, and admits a number of calls in any window of this length.
    pub fn sliding_log(calls: u32, window: Duration) -> Self {
        Self::new(calls, window, CallCounter::Log(VecDeque::new()))
    }

    /// Counts calls in windows, and adds the share of the last window that a sliding one would cover.
    ///
    /// A client that spends all of each window is refused at the beginning of the next one.
    pub fn sliding_counter(calls: u32, window: Duration) -> Self {
        let counter = CallCounter::Weighted {
            starts: None,
            last: 0,
            count: 0,
        };
        Self::new(calls, window, counter)
    }

    /// Admits a burst of calls at once, and refills evenly at the rate of `calls` in a `window`.
    pub fn token_bucket(calls: u32, window: Duration, burst: u32) -> Self {
        assert!(burst > 0, "a bucket of no token admits no call: write 1");
        let counter = CallCounter::Bucket {
            burst,
            level: u128::from(burst) * window.as_nanos(),
            at: Moment::START,
        };
        Self::new(calls, window, counter)
    }

    /// Admits a number of calls at once.
    ///
    /// In process a call ends with its response, over loopback with the head of its response.
    pub fn concurrent(calls: u32) -> Self {
        let counter = CallCounter::Concurrent(VecDeque::new());
        Self::checked(calls, Duration::ZERO, counter)
    }

    #[track_caller]
    fn new(calls: u32, window: Duration, counter: CallCounter) -> Self {
        assert!(
            !window.is_zero(),
            "a limit needs a window above zero: write Limit::fixed_window(60, 60 s)"
        );
        Self::checked(calls, window, counter)
    }

    #[track_caller]
    fn checked(calls: u32, window: Duration, counter: CallCounter) -> Self {
        assert!(
            calls > 0,
            "a limit of no calls admits none: use Server::fail_when for a server that is down"
        );
        /// A century, so that no sum overflows.
        const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);
        Self {
            calls,
            window: window.min(LONGEST),
            counter,
            counts_refusals: false,
        }
    }

    /// Lets refused calls count, so that a client that keeps asking is kept out longer.
    ///
    /// A fixed window begins anew with each refused call (`continueExceeding` of fastify, mod_evasive), and a sliding log or
    /// counter counts it (HAProxy). The other limits stay as they are.
    #[must_use]
    pub fn lengthened_by_refusals(mut self) -> Self {
        self.counts_refusals = true;
        self
    }

    /// Forgets what no longer counts. `wall` is what the wall clock shows at `now`.
    pub(super) fn advance(&mut self, now: Moment, wall: SystemTime) {
        let length = self.window;
        match &mut self.counter {
            CallCounter::Fixed { ends, count } => {
                if now >= *ends {
                    (*ends, *count) = (now + length, 0);
                }
            }
            CallCounter::Aligned {
                number,
                ends,
                count,
            } => {
                let since = wall.duration_since(UNIX_EPOCH).unwrap_or_default();
                let current = since.as_nanos() / length.as_nanos();
                if current != *number || now >= *ends {
                    let passed = since.as_nanos() % length.as_nanos();
                    *ends = now + nanoseconds(length.as_nanos() - passed);
                    (*number, *count) = (current, 0);
                }
            }
            CallCounter::Log(admitted) => {
                while admitted.front().is_some_and(|at| *at + length <= now) {
                    admitted.pop_front();
                }
            }
            CallCounter::Weighted {
                starts,
                last,
                count,
            } => {
                let begun = *starts.get_or_insert(now);
                let passed = now.since(begun).as_nanos() / length.as_nanos();
                if passed > 0 {
                    *last = if passed == 1 { *count } else { 0 };
                    *count = 0;
                    *starts = Some(begun + nanoseconds(passed * length.as_nanos()));
                }
            }
            CallCounter::Bucket { burst, level, at } => {
                let full = u128::from(*burst) * length.as_nanos();
                let refill = now.since(*at).as_nanos() * u128::from(self.calls);
                (*level, *at) = ((*level + refill).min(full), now);
            }
            CallCounter::Concurrent(_) => {}
        }
    }

    /// Whether the next call is admitted. The limit must have been advanced to `now`.
    pub(super) fn has_room(&self, now: Moment) -> bool {
        let calls = self.calls;
        match &self.counter {
            CallCounter::Fixed { count, .. } | CallCounter::Aligned { count, .. } => *count < calls,
            CallCounter::Log(times) | CallCounter::Concurrent(times) => {
                times.len() < calls as usize
            }
            CallCounter::Weighted { .. } => {
                self.weight(now) + self.window.as_nanos()
                    <= u128::from(calls) * self.window.as_nanos()
            }
            CallCounter::Bucket { level, .. } => *level >= self.window.as_nanos(),
        }
    }

    /// Counts an admitted call.
    pub(super) fn take(&mut self, now: Moment) {
        let token = self.window.as_nanos();
        match &mut self.counter {
            CallCounter::Fixed { count, .. }
            | CallCounter::Aligned { count, .. }
            | CallCounter::Weighted { count, .. } => *count += 1,
            CallCounter::Log(times) | CallCounter::Concurrent(times) => times.push_back(now),
            CallCounter::Bucket { level, .. } => *level = level.saturating_sub(token),
        }
    }

    /// Notes that it has refused a call.
    pub(super) fn on_refusal(&mut self, now: Moment) {
        if !self.counts_refusals {
            return;
        }
        match &mut self.counter {
            CallCounter::Fixed { ends, .. } => *ends = now + self.window,
            CallCounter::Weighted { count, .. } => *count = count.saturating_add(1),
            CallCounter::Log(times) => {
                // The newest as many as the limit keep the next call out; older ones do not matter.
                times.pop_front();
                times.push_back(now);
            }
            CallCounter::Aligned { .. }
            | CallCounter::Bucket { .. }
            | CallCounter::Concurrent(_) => {}
        }
    }

    /// Notes the end of a call that arrived at this moment.
    pub(super) fn release(&mut self, arrived: Moment) {
        if let CallCounter::Concurrent(times) = &mut self.counter {
            if let Some(at) = times.iter().position(|at| *at == arrived) {
                times.remove(at);
            }
        }
    }

    /// What is left, and until when. `takes` is how long a call is in flight.
    pub(super) fn state(&self, now: Moment, takes: Duration) -> LimitState {
        let left = |count: u32| self.calls.saturating_sub(count);
        let count_of = |times: &VecDeque<Moment>| u32::try_from(times.len()).unwrap_or(u32::MAX);
        let first = |times: &VecDeque<Moment>| times.front().copied().unwrap_or(now);
        let mut window = self.window;
        let (limit, remaining, resets_at) = match &self.counter {
            CallCounter::Fixed { ends, count } | CallCounter::Aligned { ends, count, .. } => {
                (self.calls, left(*count), *ends)
            }
            CallCounter::Log(times) => (
                self.calls,
                left(count_of(times)),
                first(times) + self.window,
            ),
            CallCounter::Concurrent(times) => {
                (self.calls, left(count_of(times)), first(times) + takes)
            }
            CallCounter::Weighted { .. } => {
                let weighed = self.weight(now).div_ceil(self.window.as_nanos());
                let weighed = u32::try_from(weighed).unwrap_or(u32::MAX);
                (self.calls, left(weighed), self.next_place(now))
            }
            CallCounter::Bucket { burst, level, .. } => {
                let token = self.window.as_nanos();
                let missing = token.saturating_sub(*level);
                let wait = nanoseconds(missing.div_ceil(u128::from(self.calls)));
                let tokens = u32::try_from(level / token).unwrap_or(u32::MAX);
                // The time in which an empty bucket fills.
                window = nanoseconds(u128::from(*burst) * token / u128::from(self.calls));
                (*burst, tokens, now + wait)
            }
        };
        LimitState {
            limit,
            remaining,
            window,
            resets_at: resets_at.max(now),
        }
    }

    /// The calls that a sliding counter sees now, times its window.
    fn weight(&self, now: Moment) -> u128 {
        let CallCounter::Weighted {
            starts: Some(starts),
            last,
            count,
        } = self.counter
        else {
            return 0;
        };
        let rest = self.window.saturating_sub(now.since(starts));
        u128::from(last) * rest.as_nanos() + u128::from(count) * self.window.as_nanos()
    }

    /// When a sliding counter admits the next call, if no other arrives.
    fn next_place(&self, now: Moment) -> Moment {
        let CallCounter::Weighted {
            starts: Some(starts),
            last,
            count,
        } = self.counter
        else {
            return now;
        };
        let length = self.window.as_nanos();
        // With `others` calls that weigh in, a window has room once `others * rest <= (room - 1) * length`.
        let opens = |starts: Moment, others: u32, room: u32| {
            let rest = (u128::from(room - 1) * length)
                .checked_div(u128::from(others))
                .map_or(length, |rest| rest.min(length));
            starts + nanoseconds(length - rest)
        };
        if count < self.calls {
            opens(starts, last, self.calls - count).max(now)
        } else {
            opens(starts + self.window, count, self.calls)
        }
    }
}

/// A duration of this many nanoseconds, at most 584 years.
fn nanoseconds(count: u128) -> Duration {
    Duration::from_nanos(u64::try_from(count).unwrap_or(u64::MAX))
}
