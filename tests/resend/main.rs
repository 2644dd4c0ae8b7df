//! What is sent a second time, when, and what is not.

#[path = "../support/mod.rs"]
mod support;

mod edges;
#[cfg(feature = "hyper")]
mod failure_queue;
#[cfg(feature = "hyper")]
mod failure_race;
#[cfg(feature = "hyper")]
mod failure_wire;
mod keys;
mod not_sent;
mod passing_on;
#[cfg(feature = "rustls")]
mod permanent;
#[cfg(feature = "reqwest-middleware")]
mod redirects;
#[cfg(feature = "hyper")]
mod sending;
mod waiting;
