//! The places where one provider names its waits, and the order in which they are read.

mod display;
mod field;
mod midnight;
mod rules;
mod used_up;
#[cfg(feature = "serde")]
mod written;

pub use field::Field;

pub(crate) use rules::Rules;
#[cfg(feature = "serde")]
pub(crate) use written::WrittenUsage;
