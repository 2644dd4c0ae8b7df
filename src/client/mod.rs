//! Thin adapters around clients that are no tower services of `http` requests.
//!
//! hyper-util's pooling client needs none: put the layer around it. Nothing else in this crate knows that
//! these exist.

#[cfg(feature = "hyper")]
pub mod connection;
#[cfg(feature = "reqwest")]
pub mod reqwest;
#[cfg(feature = "reqwest-middleware")]
pub mod reqwest_middleware;
