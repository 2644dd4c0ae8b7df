//! Real clients beneath the layer, and real or scripted servers.
//!
//! `octocrab/` is a package of its own, because octocrab has many dependencies.

#[path = "../support/mod.rs"]
mod support;

#[cfg(feature = "hyper")]
mod connections;
#[cfg(feature = "hyper")]
mod grpc;
#[cfg(feature = "hyper")]
mod grpc_calls;
#[cfg(feature = "testing")]
mod loopback;
#[cfg(feature = "reqwest-middleware")]
mod reqwest;
mod scripted_servers;
#[cfg(all(feature = "hyper", feature = "rustls"))]
mod tls;
