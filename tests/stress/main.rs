//! Many callers in virtual time: callers that are dropped anywhere, random worlds, and the demo.

#[path = "../support/mod.rs"]
mod support;

mod callers;
mod demo;
mod random_world;
