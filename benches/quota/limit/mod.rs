//! How servers count.

mod bucket;
mod counter;
mod foreign;
mod grid;
mod log;
mod pair;
mod scopes;
mod window;

pub use bucket::Bucket;
pub use counter::Counter;
pub use foreign::Foreign;
pub use grid::Grid;
pub use log::Log;
pub use pair::Pair;
pub use scopes::Scopes;
pub use window::Window;

use std::time::Duration;

/// What a server knows about its limit once a call has arrived.
#[derive(Clone, Copy, Debug)]
pub struct Count {
    /// Whether the call is served.
    pub taken: bool,
    pub limit: u32,
    pub remaining: u32,
    /// When the window ends, the block is over, or the next call would be served.
    pub resets: Duration,
}

/// A limit at work. Calls are told in the order of their arrival.
pub trait Limit: Send {
    fn arrives(&mut self, job: u32, now: Duration) -> Count;
}

/// No limit at all.
#[derive(Clone, Copy, Debug)]
pub struct Unlimited;

impl Limit for Unlimited {
    fn arrives(&mut self, _: u32, now: Duration) -> Count {
        Count {
            taken: true,
            limit: 0,
            remaining: 0,
            resets: now,
        }
    }
}
