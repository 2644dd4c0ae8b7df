//! How servers count.

mod aligned_window;
mod fixed_window;
mod other_client;
mod per_host;
mod sliding_counter;
mod sliding_log;
mod token_bucket;
mod two_windows;

pub use aligned_window::AlignedWindow;
pub use fixed_window::FixedWindow;
pub use other_client::OtherClient;
pub use per_host::PerHost;
pub use sliding_counter::SlidingCounter;
pub use sliding_log::SlidingLog;
pub use token_bucket::TokenBucket;
pub use two_windows::TwoWindows;

use std::time::Duration;

/// What a server knows about its limit once a call has arrived.
#[derive(Clone, Copy, Debug)]
pub struct Count {
    /// Whether the call is served.
    pub admitted: bool,
    pub limit: u32,
    pub remaining: u32,
    /// When the window ends, the block is over, or the next call would be served.
    pub resets_at: Duration,
}

/// A limit at work. Calls are told in the order of their arrival.
pub trait Limit: Send {
    fn on_arrival(&mut self, job: u32, now: Duration) -> Count;
}

/// No limit at all.
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
