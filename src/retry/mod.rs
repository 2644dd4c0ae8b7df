//! Settings that decide whether and when one call is sent again, and what it costs.

mod backoff;
mod budget;
mod circuit_breaker;
mod cost;
mod patience;
mod priority;

pub use backoff::{Backoff, Jitter};
pub use budget::Budget;
pub use circuit_breaker::CircuitBreaker;
pub use cost::Cost;
pub use patience::{Deadline, Idempotent, Patience};
pub use priority::Priority;

pub(crate) use backoff::positive_jitter;
pub(crate) use budget::{PaidRetry, RetryLedger};
