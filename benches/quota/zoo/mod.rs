//! The zoo: models of limiters that others wrote, each in many regimes.

mod class;
mod dialect;
mod latency;
mod limiter;
mod oracle;
mod regime;
mod species;
mod specimen;

pub use class::{Class, Figures};
pub use limiter::Limiter;
pub use oracle::{check, minimum};
pub use species::{all, small};
pub use specimen::Specimen;
