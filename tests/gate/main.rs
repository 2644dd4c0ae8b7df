//! The gate: what its callers wait for, how many pass, and what it learns.

#[path = "../support/mod.rs"]
mod support;

mod buckets;
mod circuit_breaker;
mod clock;
mod fleet;
mod limiters;
mod loitering;
mod moving;
mod places;
mod prices;
mod published;
mod quota;
mod redirect_slots;
mod rush;
mod short_way;
mod spacing;
