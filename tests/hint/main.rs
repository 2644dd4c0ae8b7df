//! What a response says about when to come back.

mod corpus;
mod counters;
mod hostile;
mod reading;
mod rows;
