//! Calls at a distance from each other: as declared, or as refusals have shown that it is needed.

mod detector;
mod pacer;

pub(crate) use detector::{LearnableQuota, PacingDetector};
pub(crate) use pacer::{Pacer, interval_for};
