//! A tower layer that waits as long as the server asked.
mod failure;
pub mod hint;
