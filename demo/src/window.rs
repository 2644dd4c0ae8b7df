//! Fixed windows, as the providers count calls.

use std::time::Duration;

use tokio::time::Instant;

/// A limit per window, which starts with the first call after the previous window.
#[derive(Debug)]
pub(crate) struct Window {
    limit: u32,
    length: Duration,
    used: u32,
    ends: Option<Instant>,
}

/// The state of a limit after a call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Count {
    pub limit: u32,
    pub remaining: u32,
    pub resets_in: Duration,
    /// The call exceeded the limit.
    pub refused: bool,
}

impl Window {
    /// Creates a limit of which nothing is used.
    pub(crate) fn new((limit, length): (u32, Duration)) -> Self {
        Self {
            limit,
            length,
            used: 0,
            ends: None,
        }
    }

    fn begin(&mut self, now: Instant) {
        if self.ends.is_none_or(|ends| ends <= now) {
            self.ends = Some(now + self.length);
            self.used = 0;
        }
    }

    fn count(&self, now: Instant, refused: bool) -> Count {
        Count {
            limit: self.limit,
            remaining: self.limit - self.used,
            resets_in: self.ends.map_or(self.length, |ends| ends - now),
            refused,
        }
    }

    fn is_full(&self) -> bool {
        self.used == self.limit
    }
}

/// Counts a call in every window, or in none if one is full; returns the tightest state.
pub(crate) fn count(windows: &mut [Window], now: Instant) -> Count {
    windows.iter_mut().for_each(|window| window.begin(now));
    let refused = windows.iter().any(Window::is_full);
    if !refused {
        windows.iter_mut().for_each(|window| window.used += 1);
    }
    windows
        .iter()
        .map(|window| window.count(now, refused))
        .min_by_key(|count| count.remaining)
        .expect("every provider has a limit")
}
