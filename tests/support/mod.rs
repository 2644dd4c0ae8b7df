//! Servers that misbehave on purpose, clients to meet them, and a mock that keeps a diary.

// Every test binary compiles its own copy and uses the part it needs.
#![allow(dead_code, unreachable_pub)]

pub mod alone;
pub mod client;
pub mod h2;
pub mod listener;
pub mod log;
pub mod mock;
pub mod paused;
pub mod uploads;
pub mod wire;

/// What tower's own layers return.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
