//! The rate limiters of servers.

mod aligned_window;
mod blocking_window;
mod changing;
mod concurrency;
mod fixed_window;
mod other_client;
mod per_host;
mod sliding_counter;
mod sliding_log;
mod token_bucket;
mod two_windows;
mod whole_tokens;

pub use aligned_window::AlignedWindow;
pub use blocking_window::BlockingWindow;
pub use changing::Changing;
pub use concurrency::Concurrency;
pub use fixed_window::FixedWindow;
pub use other_client::OtherClient;
pub use per_host::PerHost;
pub use sliding_counter::SlidingCounter;
pub use sliding_log::SlidingLog;
pub use token_bucket::TokenBucket;
pub use two_windows::TwoWindows;
pub use whole_tokens::WholeTokens;

use std::time::Duration;

/// The state of a limit after an arrival.
#[derive(Clone, Copy, Debug)]
pub struct Count {
    /// Whether the limit admits the call.
    pub admitted: bool,
    pub limit: u32,
    pub remaining: u32,
    /// When the window ends, the block ends, or the next call is admitted.
    pub resets_at: Duration,
}

/// A rate limiter. Calls arrive in the order of time.
pub trait Limit: Send {
    fn on_arrival(&mut self, job: u32, now: Duration) -> Count;

    /// The earliest moment from `now` on at which it admits the next call.
    fn opens(&mut self, now: Duration) -> Duration {
        now
    }

    /// How long the server holds the call that was admitted last.
    fn delay(&self) -> Duration {
        Duration::ZERO
    }

    /// The state of each of several limits after the last arrival, if there are several.
    fn parts(&self) -> Vec<Count> {
        Vec::new()
    }
}

/// Admits every call.
#[derive(Clone, Copy, Debug)]
pub struct Unlimited;

impl Limit for Unlimited {
    fn on_arrival(&mut self, _: u32, now: Duration) -> Count {
        Count {
            admitted: true,
            limit: 0,
            remaining: 0,
            resets_at: now,
        }
    }
}
