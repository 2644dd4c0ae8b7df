//! A token bucket that refills by whole tokens, as vsthrottle of Varnish.

use std::time::Duration;

use super::{Count, Limit};

/// Counts the tokens since the last served call, and forgets the part of a token that is left over.
#[derive(Clone, Debug)]
pub struct WholeTokens {
    size: u32,
    token: Duration,
    tokens: u32,
    last_served: Duration,
}

impl WholeTokens {
    /// A bucket of `size` tokens, one of which refills in `token`.
    pub fn new(size: u32, token: Duration) -> Self {
        Self {
            size,
            token,
            tokens: size,
            last_served: Duration::ZERO,
        }
    }
}

impl Limit for WholeTokens {
    fn on_arrival(&mut self, _: u32, now: Duration) -> Count {
        let refilled = (now - self.last_served).as_nanos() / self.token.as_nanos();
        let tokens = self.size.min(self.tokens + refilled as u32);
        let admitted = tokens > 0;
        if admitted {
            self.tokens = tokens - 1;
            self.last_served = now;
        }
        Count {
            admitted,
            limit: self.size,
            remaining: self.tokens,
            resets_at: self.last_served + self.token,
        }
    }

    fn opens(&mut self, now: Duration) -> Duration {
        if self.tokens > 0 {
            now
        } else {
            now.max(self.last_served + self.token)
        }
    }
}
