//! Adapters for clients that are not tower services of `http` requests.
//!
//! hyper-util's pooling client needs no adapter: put the layer around it. Nothing else in this crate uses this
//! module.

#[cfg(feature = "hyper")]
pub mod connection;
#[cfg(feature = "reqwest")]
pub mod reqwest;
#[cfg(feature = "reqwest-middleware")]
pub mod reqwest_middleware;
