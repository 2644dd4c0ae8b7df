//! A tower layer that waits as long as the server asked.
pub mod failure;
pub mod hint;
