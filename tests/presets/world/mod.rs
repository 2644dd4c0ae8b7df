//! What the presets for well-known providers do about the responses that their pages describe.
//!
//! `cargo test --test presets world -- --nocapture` prints the tables.

mod ai;
mod calls;
mod chat;
mod cloud;
mod commerce;
mod crm;
mod forges;
mod models;
mod money;
mod packages;
mod page;
mod platforms;
mod scopes;
mod social;
mod watch;
mod work;

use crate::table::Done::{Accepted, AcceptedThenHeld, Final, HeldAsSaid, HeldAtLeast, Retried};
use crate::table::Table;
use tower_backoff::providers;

/// What a counter says: its headers, what is left, and when it is reset.
fn counter<'a>(
    [remaining, reset]: [&'a str; 2],
    left: &'a str,
    until: &'a str,
) -> [(&'a str, &'a str); 2] {
    [(remaining, left), (reset, until)]
}

const X_RATELIMIT: [&str; 2] = ["X-RateLimit-Remaining", "X-RateLimit-Reset"];
const RATELIMIT: [&str; 2] = ["ratelimit-remaining", "ratelimit-reset"];

/// 40 s after the moment of all rows, in epoch seconds.
const SOON: &str = "1613462600";
