//! Bodies: requests that are sent again, and refusals that are drained or handed back.

#[path = "../support/mod.rs"]
mod support;

mod late_bodies;
#[cfg(target_os = "linux")]
mod refusal_memory;
#[cfg(feature = "hyper")]
mod refusals;
mod replay_body;
#[cfg(feature = "hyper")]
mod shared_streams;
#[cfg(all(feature = "hyper", target_os = "linux"))]
mod upload_memory;
#[cfg(feature = "hyper")]
mod uploads;
