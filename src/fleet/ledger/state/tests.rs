//! The rules of a ledger, one by one, and any interleaving of members in virtual time.

mod clock;
mod closing;
mod cold_start;
mod fleet;
mod granting;
mod interleavings;
mod learning;
mod leases;
mod member;
mod reopening;
mod said;
