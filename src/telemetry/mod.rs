//! Reports, observers, `tracing` events and metrics.

pub(crate) mod meter;
#[cfg(feature = "metrics")]
pub mod metrics;
mod observe;
mod report;
pub(crate) mod trace;

pub use observe::{Decision, LowQuota, Observer};
pub use report::{Report, ReportSlot, StopReason};
