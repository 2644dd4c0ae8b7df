//! A tower layer that waits as long as the server asked, retries what is safe, and keeps all callers
//! of one API behind one gate.

mod backoff;
pub mod body;
mod budget;
mod call;
mod clock;
mod dice;
mod error;
pub mod failure;
mod future;
mod gate;
pub mod hint;
mod layer;
mod observe;
mod patience;
pub mod policy;
pub mod providers;
mod report;
mod scope;
mod service;
mod trace;

pub use backoff::{Backoff, Jitter};
pub use budget::Budget;
#[cfg(feature = "test-util")]
pub use clock::Clock;
pub use error::{BoxError, NotBefore};
pub use future::ResponseFuture;
pub use gate::{GateStatus, Gates, Quota};
pub use layer::RetryLayer;
pub use observe::{Decision, Observer};
pub use patience::{Deadline, Idempotent, Patience};
pub use report::{Ended, Report, ReportSlot};
pub use scope::Scope;
pub use service::Retry;
