//! The setting of the circuit breaker that each gate has.

use std::time::Duration;

/// When the circuit breaker of a scope opens, so that its calls wait for a probe.
///
/// The circuit breaker of a gate opens after five failures in a row that span at least a second, if no call of the
/// scope succeeded in the last ten seconds. So a broken route never stops its host. Connection failures and the
/// statuses 502, 503, 504 and 520 to 529 are failures. 500 and 501, statuses that the policy calls final, and errors
/// of the caller's own layers ([`Unsent`](crate::failure::Unsent)) are not. While it is open, one probe at growing
/// intervals (1 s to 8 s) tests whether the server is back; a call to a path that has not failed since is a probe at
/// once. The first success closes it, and the rate of calls then grows gradually.
///
/// # Default
///
/// `CircuitBreaker::after(5).lasting(1 s).unless_served_within(10 s)`.
///
/// ```
/// use std::time::Duration;
/// use tower_backoff::{CircuitBreaker, RetryLayer, providers};
///
/// let spelled_out = CircuitBreaker::after(5)
///     .lasting(Duration::from_secs(1))
///     .unless_served_within(Duration::from_secs(10));
/// assert_eq!(spelled_out, CircuitBreaker::default());
///
/// let without = RetryLayer::new(providers::wolfeo()).circuit_breaker(CircuitBreaker::off());
/// # let _ = without;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CircuitBreaker {
    /// `None` if it never opens.
    pub(crate) failures: Option<u32>,
    pub(crate) lasting: Duration,
    pub(crate) served_within: Duration,
}

impl CircuitBreaker {
    /// Creates a circuit breaker that opens after this many failures in a row.
    ///
    /// # Panics
    ///
    /// If `failures` is zero.
    pub const fn after(failures: u32) -> Self {
        assert!(
            failures > 0,
            "a circuit breaker that opens without a failure never closes: write CircuitBreaker::off() for none"
        );
        Self {
            failures: Some(failures),
            lasting: Duration::from_secs(1),
            served_within: Duration::from_secs(10),
        }
    }

    /// Creates a circuit breaker that never opens: each retry waits for its own backoff alone.
    pub const fn off() -> Self {
        Self {
            failures: None,
            ..Self::after(1)
        }
    }

    /// Sets the shortest time that the failures must span. The default is 1 s.
    ///
    /// Failures at the same moment are often one event.
    #[must_use]
    pub const fn lasting(mut self, span: Duration) -> Self {
        self.lasting = span;
        self
    }

    /// Keeps it closed if a call of the scope succeeded within this time. The default is 10 s.
    #[must_use]
    pub const fn unless_served_within(mut self, span: Duration) -> Self {
        self.served_within = span;
        self
    }
}

impl Default for CircuitBreaker {
    fn default() -> Self {
        Self::after(5)
    }
}
