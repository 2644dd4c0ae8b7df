//! What each preset does about the responses that its page describes.

#[path = "../support/mod.rs"]
mod support;

mod bare_wait;
#[cfg(feature = "serde")]
mod config_file;
mod frameworks;
mod provider_rules;
mod providers;
mod table;
mod world;
