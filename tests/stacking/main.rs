//! Tower manners: where the layer can stand, what it holds, and what it demands.

#[path = "../support/mod.rs"]
mod support;

mod holding;
mod layers;
mod no_runtime;
#[cfg(feature = "testing")]
mod own_tests;
mod two_gates;
