//! Clocks, moments, timers and random bits, which decisions are given as arguments.

mod clock;
mod moment;
mod rng;
mod rounded;
pub(crate) mod sys;

#[cfg_attr(not(feature = "test-util"), allow(unreachable_pub))]
pub use clock::Clock;

pub(crate) use clock::{Timer, later};
pub(crate) use moment::{Due, Length, Moment, Slices, nanos};
pub(crate) use rng::{Rng, up_to};
pub(crate) use rounded::Rounded;
pub(crate) use sys::Instant;
