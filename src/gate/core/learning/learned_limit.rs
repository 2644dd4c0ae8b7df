//! What a gate has learned of a limiter, for its users to see.

use std::fmt;
use std::time::Duration;

use crate::time::Rounded;

/// A limit that a gate has learned from refusals; see [`GateStatus`](crate::GateStatus).
///
/// It can grow, shrink and be forgotten. Its `Display` is "about 60 per 4.0 s, sure".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LearnedLimit {
    /// How many calls are let through in each window, or at once.
    pub calls: u32,
    /// The length of the window; `None` if concurrent calls are limited.
    pub window: Option<Duration>,
    /// Whether it was confirmed: the calls of a whole window were served, and no more were sent.
    pub is_sure: bool,
}

impl fmt::Display for LearnedLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.window {
            Some(window) => write!(f, "about {} per {}", self.calls, Rounded(window))?,
            None => write!(f, "about {} at once", self.calls)?,
        }
        f.write_str(if self.is_sure { ", sure" } else { ", unsure" })
    }
}
