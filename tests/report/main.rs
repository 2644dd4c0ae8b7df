//! What the layer reports: to callers, observers, logs and metrics.

#[path = "../support/mod.rs"]
mod support;

#[cfg(feature = "tracing")]
mod events;
mod house;
mod index;
mod links;
#[cfg(feature = "tracing")]
mod low_quota;
#[cfg(feature = "metrics")]
mod metrics;
mod recipes;
mod servers;
mod telling;
