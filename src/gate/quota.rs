//! What a provider allows in a window of time.

use std::time::Duration;

/// So many calls in any window of this length, as a provider's page says.
///
/// ```
/// use std::time::Duration;
/// use tower_backoff::Quota;
///
/// let lemlist = Quota::new(20, Duration::from_secs(2));
/// assert_eq!(Quota::per_minute(600), Quota::new(600, Duration::from_secs(60)));
/// # let _ = lemlist;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    limit: u32,
    window: Duration,
}

impl Quota {
    /// `limit` calls in any `window`.
    ///
    /// # Panics
    ///
    /// If either is zero: a key that may never be used needs no client.
    pub const fn new(limit: u32, window: Duration) -> Self {
        assert!(
            limit > 0 && !window.is_zero(),
            "a quota needs a limit and a window above zero: write Quota::new(20, 2 s)"
        );
        Self { limit, window }
    }

    /// `limit` calls in any second.
    pub const fn per_second(limit: u32) -> Self {
        Self::new(limit, Duration::from_secs(1))
    }

    /// `limit` calls in any minute.
    pub const fn per_minute(limit: u32) -> Self {
        Self::new(limit, Duration::from_secs(60))
    }

    /// `limit` calls in any hour.
    pub const fn per_hour(limit: u32) -> Self {
        Self::new(limit, Duration::from_secs(60 * 60))
    }

    /// How many.
    pub const fn limit(&self) -> u32 {
        self.limit
    }

    /// In how long.
    pub const fn window(&self) -> Duration {
        self.window
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_of_nothing_cannot_be_said() {
        assert!(std::panic::catch_unwind(|| Quota::per_minute(0)).is_err());
        assert!(std::panic::catch_unwind(|| Quota::new(1, Duration::ZERO)).is_err());
    }
}
