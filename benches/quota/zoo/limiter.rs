//! How the limiters of the zoo count.

use std::time::Duration;

use tower_backoff::Quota;

use crate::limit::{
    AlignedWindow, BlockingWindow, Concurrency, FixedWindow, Limit, SlidingCounter, SlidingLog,
    TokenBucket, TwoWindows, WholeTokens,
};

/// How long mod_evasive blocks, by default.
pub const BLOCK: Duration = Duration::from_secs(10);

/// A way to count `limit` calls in a `window`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limiter {
    /// A window that begins with a call.
    Fixed,
    /// A window aligned to the clock.
    Aligned,
    Log,
    Counter,
    /// A sliding counter that counts refused calls, too.
    CounterOfAll,
    Bucket(Burst),
    /// A bucket that delays calls to its pace.
    Queue(Burst),
    /// A bucket that refills by whole tokens.
    WholeTokens,
    /// `limit` calls at once, each of which takes `window`.
    Concurrent,
    /// A quarter of the calls in a fifth of the window, and all calls in the window.
    Two,
    /// A fixed window that each refused call begins anew.
    Renewed,
    /// A fixed window, and a block that each refused call begins anew.
    Blocking,
}

/// The size of a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Burst {
    Whole,
    Tenth,
    Calls(u32),
}

impl Burst {
    pub fn calls(self, limit: u32) -> u32 {
        match self {
            Self::Whole => limit,
            Self::Tenth => (limit / 10).max(1),
            Self::Calls(calls) => calls.min(limit),
        }
    }
}

impl Limiter {
    /// A limit of this kind. `clock` is what the clock shows at the start of the run.
    pub fn limit(self, limit: u32, window: Duration, clock: Duration) -> Box<dyn Limit> {
        match self {
            Self::Fixed => Box::new(FixedWindow::new(limit, window)),
            Self::Aligned => {
                let passed = clock.as_nanos() % window.as_nanos();
                let ends = window - Duration::from_nanos(passed as u64);
                Box::new(AlignedWindow::new(limit, window, ends))
            }
            Self::Log => Box::new(SlidingLog::new(limit, window)),
            Self::Counter => Box::new(SlidingCounter::new(limit, window)),
            Self::CounterOfAll => Box::new(SlidingCounter::new(limit, window).counting_refusals()),
            Self::Bucket(burst) => Box::new(TokenBucket::of(burst.calls(limit), window / limit)),
            Self::Queue(burst) => {
                let bucket = TokenBucket::of(burst.calls(limit), window / limit);
                Box::new(bucket.delaying())
            }
            Self::WholeTokens => Box::new(WholeTokens::new(limit, window / limit)),
            Self::Concurrent => Box::new(Concurrency::new(limit, window)),
            Self::Two => {
                let windows =
                    two(limit, window).map(|(calls, length)| FixedWindow::new(calls, length));
                Box::new(TwoWindows::new(windows))
            }
            Self::Renewed => Box::new(FixedWindow::new(limit, window).renewed_by_refusals()),
            Self::Blocking => Box::new(BlockingWindow::new(limit, window, BLOCK)),
        }
    }

    /// What a user who knows the limit declares.
    pub fn quotas(self, limit: u32, window: Duration) -> Vec<Quota> {
        let quota = || Quota::new(limit, window);
        match self {
            Self::Counter | Self::CounterOfAll => vec![quota().paced()],
            Self::Bucket(burst) | Self::Queue(burst) => vec![quota().burst(burst.calls(limit))],
            Self::WholeTokens => vec![quota().burst(limit)],
            Self::Concurrent => vec![Quota::concurrent(limit)],
            _ => {
                let windows = self.windows(limit, window).into_iter();
                windows
                    .map(|(calls, length)| Quota::new(calls, length))
                    .collect()
            }
        }
    }

    /// The calls and the length of each window.
    pub fn windows(self, limit: u32, window: Duration) -> Vec<(u32, Duration)> {
        match self {
            Self::Two => two(limit, window).to_vec(),
            _ => vec![(limit, window)],
        }
    }

    /// Whether it counts the calls of a window, the same in each.
    pub fn is_window(self) -> bool {
        matches!(
            self,
            Self::Fixed | Self::Aligned | Self::Log | Self::Two | Self::Renewed | Self::Blocking
        )
    }

    /// Whether it holds the calls of one interval only.
    pub fn is_strict(self, limit: u32) -> bool {
        matches!(self, Self::Bucket(burst) | Self::Queue(burst) if burst.calls(limit) == 1)
    }
}

/// The short and the long one of two limits at once.
fn two(limit: u32, window: Duration) -> [(u32, Duration); 2] {
    [(limit.div_ceil(4), window / 5), (limit, window)]
}
