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

/// Whether the packages beside this one are there, with which some of the tests compare a page. The package of a
/// registry has none of them.
fn is_repository() -> bool {
    let found = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/recipes")).exists();
    if !found {
        eprintln!("skipped: this test needs the whole repository, and this is the package alone");
    }
    found
}
