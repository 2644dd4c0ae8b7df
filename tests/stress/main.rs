//! Many callers in virtual time: callers that are dropped anywhere, and random worlds.

#[path = "../support/mod.rs"]
mod support;

mod callers;
mod random_world;
