//! What a provider allows in a window of time.

use std::time::Duration;

/// A limit on the calls in any window of a length, as a provider's page states it.
///
/// ```
/// use std::time::Duration;
/// use tower_backoff::Quota;
///
/// let lemlist = Quota::new(20, Duration::from_secs(2));
/// assert_eq!(Quota::per_minute(600), Quota::new(600, Duration::from_secs(60)));
/// # let _ = lemlist;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Quota {
    limit: u32,
    /// `None` limits the calls in flight.
    window: Option<Duration>,
    pub(super) slack: Duration,
    spread: Spread,
    pub(super) per_call: bool,
    /// How much of it only urgent calls may have.
    pub(super) for_urgent: u32,
}

/// How much of one quota is used; see [`GateStatus`](crate::GateStatus).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct QuotaUsage {
    /// How much is used.
    pub used: u32,
    /// How much there is.
    pub limit: u32,
    /// The length of the window; `None` for concurrent calls, or if only the server knows it.
    pub window: Option<Duration>,
}

/// How the calls of a window may lie in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Spread {
    Anyhow,
    /// No more than this many at once.
    Bursts(u32),
    /// One at a time.
    Evenly,
}

impl Quota {
    /// Allows `limit` calls in any `window`.
    ///
    /// # Panics
    ///
    /// If either is zero: a key that may never be used needs no client.
    pub const fn new(limit: u32, window: Duration) -> Self {
        assert!(
            limit > 0 && !window.is_zero(),
            "a quota needs a limit and a window above zero: write Quota::new(20, 2 s)"
        );
        Self {
            limit,
            window: Some(window),
            slack: Self::SLACK,
            spread: Spread::Anyhow,
            per_call: false,
            for_urgent: 0,
        }
    }

    /// Allows `limit` concurrent calls.
    ///
    /// Each holds its slot until the body of its response has ended or was dropped, and counts as one, whatever its
    /// [`Cost`](crate::Cost).
    ///
    /// ```
    /// use tower_backoff::{Quota, policy::Provider};
    ///
    /// let acme = Provider::new("acme").quotas([Quota::concurrent(5), Quota::per_minute(600)]);
    /// # let _ = acme;
    /// ```
    ///
    /// # Panics
    ///
    /// If `limit` is zero.
    pub const fn concurrent(limit: u32) -> Self {
        assert!(
            limit > 0,
            "no calls at once is no calls at all: write concurrent(1)"
        );
        Self {
            limit,
            window: None,
            slack: Self::SLACK,
            spread: Spread::Anyhow,
            per_call: true,
            for_urgent: 0,
        }
    }

    /// Counts each call as one, whatever its [`Cost`](crate::Cost).
    ///
    /// For providers that limit calls beside tokens.
    ///
    /// ```
    /// use tower_backoff::{Quota, policy::Provider};
    ///
    /// let tokens = Quota::per_minute(30_000);
    /// let calls = Quota::per_minute(500).per_call();
    /// let acme = Provider::new("acme").quotas([tokens, calls]);
    /// # let _ = acme;
    /// ```
    #[must_use]
    pub const fn per_call(mut self) -> Self {
        self.per_call = true;
        self
    }

    /// Keeps a part of the quota for calls with [`Priority::Urgent`](crate::Priority).
    ///
    /// The other calls wait once only this much is left.
    ///
    /// ```
    /// use tower_backoff::Quota;
    ///
    /// let mostly_for_imports = Quota::per_minute(600).reserved_for_urgent(50);
    /// # let _ = mostly_for_imports;
    /// ```
    ///
    /// # Panics
    ///
    /// If nothing would be left for the other calls.
    #[must_use]
    pub const fn reserved_for_urgent(mut self, calls: u32) -> Self {
        assert!(
            calls < self.limit,
            "a quota that is reserved as a whole sends no other call: reserve less than its limit"
        );
        self.for_urgent = calls;
        self
    }

    const SLACK: Duration = Duration::from_millis(250);

    /// How long after it was sent the server may still count a call, if no response says that it has.
    ///
    /// A slot is free again one window after the head of the response, or after this.
    ///
    /// # Default
    ///
    /// 250 ms.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_backoff::Quota;
    ///
    /// let far_away = Quota::per_second(10).slack(Duration::from_secs(1));
    /// assert_eq!(Quota::per_second(10).slack(Duration::from_millis(250)), Quota::per_second(10));
    /// # let _ = far_away;
    /// ```
    #[must_use]
    pub const fn slack(mut self, slack: Duration) -> Self {
        self.slack = slack;
        self
    }

    /// Allows bursts of `calls`, refilled evenly: a token bucket smaller than the quota.
    ///
    /// A call whose [`Cost`](crate::Cost) is higher is sent alone. On their way calls come closer to each other: single
    /// calls, `burst(1)`, are kept apart by a margin that follows the round trip, and after a refusal larger bursts are,
    /// too. The margin is at most the [`slack`](Self::slack).
    ///
    /// ```
    /// use tower_backoff::Quota;
    ///
    /// let bucket = Quota::per_minute(600).burst(10);
    /// # let _ = bucket;
    /// ```
    ///
    /// # Panics
    ///
    /// If `calls` is zero.
    #[must_use]
    pub const fn burst(mut self, calls: u32) -> Self {
        assert!(
            calls > 0,
            "a burst of zero sends nothing: write burst(1) for one call at a time"
        );
        assert!(
            self.window.is_some(),
            "calls at once have no window to spread over: write burst() on a quota per minute"
        );
        self.spread = Spread::Bursts(calls);
        self
    }

    /// Paces calls evenly over the window: for servers that count by a sliding counter.
    ///
    /// There the last window weighs in the one that runs, so that a client which spends every call is refused where
    /// one window ends and the next begins. So one call less than the quota is sent per window; of a quota of one
    /// call, every other window has one. The window is taken to be longer by its [`slack`](Self::slack), by which
    /// calls may come closer to each other on their way, or by an eighth if that is less. After a call that costs
    /// more than one, the next one waits as many intervals.
    ///
    /// A bucket that holds a single call is another thing: `burst(1)`.
    ///
    /// ```
    /// use tower_backoff::Quota;
    ///
    /// let sliding_counter = Quota::per_minute(60).paced();
    /// assert_ne!(sliding_counter, Quota::per_minute(60).burst(1));
    /// ```
    ///
    /// # Panics
    ///
    /// If it limits the calls at once.
    #[must_use]
    pub const fn paced(mut self) -> Self {
        assert!(
            self.window.is_some(),
            "calls at once have no window to spread over: write paced() on a quota per minute"
        );
        self.spread = Spread::Evenly;
        self
    }

    /// Whether calls are counted, and not their costs.
    pub(crate) const fn is_per_call(&self) -> bool {
        self.per_call
    }

    /// How long after it was sent a call counts at the latest.
    pub(crate) const fn slack_time(&self) -> Duration {
        self.slack
    }

    /// How many calls of a window a server allows at once, and how long it takes until it allows as many again.
    /// One that counts by a sliding counter allows all of them.
    pub(crate) fn burst_and_refill(&self) -> Option<(u32, Duration)> {
        let window = self.window?;
        Some(match self.spread {
            Spread::Bursts(calls) if calls < self.limit => (calls, window / self.limit * calls),
            _ => (self.limit, window),
        })
    }

    /// How the calls of a window may lie in it.
    pub(super) fn spread(&self) -> Spread {
        self.spread
    }

    /// Allows `limit` calls in any second.
    pub const fn per_second(limit: u32) -> Self {
        Self::new(limit, Duration::from_secs(1))
    }

    /// Allows `limit` calls in any minute.
    pub const fn per_minute(limit: u32) -> Self {
        Self::new(limit, Duration::from_secs(60))
    }

    /// Allows `limit` calls in any hour.
    pub const fn per_hour(limit: u32) -> Self {
        Self::new(limit, Duration::from_secs(60 * 60))
    }

    /// Allows `limit` calls in any 24 hours.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_backoff::Quota;
    ///
    /// assert_eq!(Quota::per_day(2_000), Quota::new(2_000, Duration::from_secs(24 * 60 * 60)));
    /// ```
    ///
    /// The window slides. A limit that ends at midnight is
    /// [`Field::midnight`](crate::hint::Field::midnight).
    pub const fn per_day(limit: u32) -> Self {
        Self::new(limit, Duration::from_secs(24 * 60 * 60))
    }

    /// The number of calls.
    pub const fn limit(&self) -> u32 {
        self.limit
    }

    /// The length of the window; `None` if it limits concurrent calls.
    pub const fn window(&self) -> Option<Duration> {
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
        assert!(std::panic::catch_unwind(|| Quota::per_second(1).burst(0)).is_err());
        assert!(std::panic::catch_unwind(|| Quota::concurrent(0)).is_err());
        assert!(std::panic::catch_unwind(|| Quota::concurrent(2).paced()).is_err());
    }
}
