//! The gate: what its callers wait for, how many pass, and what it learns.

#[path = "../support/mod.rs"]
mod support;

mod bare_503;
mod buckets;
mod bursts;
mod circuit_breaker;
mod clock;
mod concurrency;
mod cost;
mod estimate;
mod far_away;
mod fast_path;
mod fleet;
mod ledger;
mod limiters;
mod liveness;
mod named_costs;
mod pacing;
mod partial_quotas;
mod priorities;
mod published;
mod quota;
mod redirect_slots;
mod several_gates;
mod stalled_waiters;
mod two_limits;
