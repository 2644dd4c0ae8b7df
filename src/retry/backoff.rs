//! Exponential backoff with jitter, for retries whose wait no server names.

use std::time::Duration;

use crate::time::up_to;

/// Exponential backoff: each retry waits up to twice as long as the one before.
///
/// It times the retries of failures (5xx, broken connections). It never shortens a wait that a server named. The
/// minimum wait after a 429 without a header is another setting,
/// [`Provider::bare_429_wait`](crate::policy::Provider::bare_429_wait).
///
/// # Default
///
/// A base of 50 ms (as in tower), at most 30 s, and [`Jitter::Full`]:
///
/// ```
/// use std::time::Duration;
/// use tower_backoff::{Backoff, Jitter};
///
/// let default = Backoff::exponential(Duration::from_millis(50))
///     .max_delay(Duration::from_secs(30))
///     .jitter(Jitter::Full);
/// assert_eq!(Backoff::default(), default);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    base: Duration,
    max_delay: Duration,
    jitter: Jitter,
}

/// How waits are randomized, so that many calls do not retry at the same time.
///
/// ```
/// use std::time::Duration;
/// use tower_backoff::{Backoff, Jitter};
///
/// let backoff = Backoff::exponential(Duration::from_millis(250)).jitter(Jitter::Equal);
/// assert!(backoff.wait(0, Duration::ZERO, 0) >= Duration::from_millis(125));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Jitter {
    /// Between zero and the whole wait. This spreads calls best, and is the default.
    #[default]
    Full,
    /// Between half of the wait and the whole wait.
    Equal,
    /// Between the base and three times the previous wait.
    Decorrelated,
    /// Exactly the wait. For a single caller, or for tests.
    None,
}

impl Default for Backoff {
    fn default() -> Self {
        Self::exponential(Self::BASE)
    }
}

impl Backoff {
    const BASE: Duration = Duration::from_millis(50);
    const MAX_DELAY: Duration = Duration::from_secs(30);

    /// Creates a backoff that doubles from `base` up to 30 s, with full jitter.
    ///
    /// If `base` is longer than 30 s, it is the longest wait, too.
    ///
    /// # Panics
    ///
    /// If `base` is zero: that would be a loop without a pause.
    pub const fn exponential(base: Duration) -> Self {
        assert!(
            !base.is_zero(),
            "a backoff needs a base above zero: write 50 ms, or max_retries(0) for no retries"
        );
        let max_delay = if base.as_nanos() > Self::MAX_DELAY.as_nanos() {
            base
        } else {
            Self::MAX_DELAY
        };
        Self {
            base,
            max_delay,
            jitter: Jitter::Full,
        }
    }

    /// Sets the longest wait, jitter included.
    ///
    /// # Panics
    ///
    /// If `max_delay` is shorter than the base.
    #[must_use]
    pub const fn max_delay(mut self, max_delay: Duration) -> Self {
        assert!(
            max_delay.as_nanos() >= self.base.as_nanos(),
            "the longest wait must not be below the base: raise `max_delay` or lower the base"
        );
        self.max_delay = max_delay;
        self
    }

    /// Sets how waits are randomized.
    #[must_use]
    pub const fn jitter(mut self, jitter: Jitter) -> Self {
        self.jitter = jitter;
        self
    }

    /// Returns the wait before a retry.
    ///
    /// It depends on how many retries came before, on the wait before the last one, and on 64 random bits.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_backoff::{Backoff, Jitter};
    ///
    /// let backoff = Backoff::default().jitter(Jitter::None);
    /// let waits: Vec<_> = (0..4).map(|retry| backoff.wait(retry, Duration::ZERO, 0)).collect();
    /// assert_eq!(waits, [50, 100, 200, 400].map(Duration::from_millis));
    /// ```
    pub fn wait(&self, retries_before: u32, last: Duration, bits: u64) -> Duration {
        let whole = self.without_jitter(retries_before);
        match self.jitter {
            Jitter::Full => part_of(whole, bits),
            Jitter::Equal => whole / 2 + part_of(whole - whole / 2, bits),
            Jitter::Decorrelated => {
                let most = last.saturating_mul(3).clamp(self.base, self.max_delay);
                self.base + part_of(most - self.base, bits)
            }
            Jitter::None => whole,
        }
    }

    /// Returns the wait without its jitter.
    ///
    /// A wait that a server names is never below it, so that a server which always says "now" cannot make a loop.
    pub(crate) fn without_jitter(&self, retries_before: u32) -> Duration {
        let factor = 1u32.checked_shl(retries_before).unwrap_or(u32::MAX);
        self.base.saturating_mul(factor).min(self.max_delay)
    }
}

/// Returns a random part of a duration.
///
/// It is drawn in whole nanoseconds, so that the shortest base is randomized as well.
fn part_of(whole: Duration, bits: u64) -> Duration {
    let nanos = u64::try_from(whole.as_nanos()).unwrap_or(u64::MAX);
    Duration::from_nanos(up_to(nanos, bits))
}

/// Returns the jitter that is added to a wait that a server named: at most 1 % and 250 ms.
pub(crate) fn positive_jitter(named: Duration, bits: u64) -> Duration {
    const MOST: Duration = Duration::from_millis(250);
    part_of((named / 100).min(MOST), bits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_jitter() -> impl Strategy<Value = Jitter> {
        prop_oneof![
            Just(Jitter::Full),
            Just(Jitter::Equal),
            Just(Jitter::Decorrelated),
            Just(Jitter::None),
        ]
    }

    proptest! {
        #[test]
        fn the_cap_holds_after_jitter(
            jitter in any_jitter(),
            base in 1u64..100_000,
            cap in 0u64..10_000_000,
            retry: u32,
            last: u64,
            bits: u64,
        ) {
            let base = Duration::from_millis(base);
            let cap = base + Duration::from_millis(cap);
            let backoff = Backoff::exponential(base).max_delay(cap).jitter(jitter);
            prop_assert!(backoff.wait(retry, Duration::from_millis(last), bits) <= cap);
        }

        #[test]
        fn jitter_on_a_named_wait_is_upward_and_small(named in 0u64..40_000_000_000, bits: u64) {
            let named = Duration::from_millis(named);
            let more = positive_jitter(named, bits);
            prop_assert!(more <= Duration::from_millis(250) && more <= named / 100);
        }
    }

    #[test]
    fn full_jitter_reaches_both_ends() {
        let backoff = Backoff::default();
        assert_eq!(backoff.wait(0, Duration::ZERO, 0), Duration::ZERO);
        let most = backoff.wait(0, Duration::ZERO, u64::MAX);
        assert_eq!(most, Duration::from_millis(50));
    }

    #[test]
    fn equal_jitter_spreads_the_second_half() {
        let backoff = Backoff::default().jitter(Jitter::Equal);
        let wait = |bits| backoff.wait(1, Duration::ZERO, bits).as_millis();
        assert_eq!((wait(0), wait(u64::MAX)), (50, 100));
    }

    #[test]
    fn decorrelated_jitter_lies_between_the_base_and_three_times_the_wait_before() {
        let backoff = Backoff::default().jitter(Jitter::Decorrelated);
        let wait = |last, bits| backoff.wait(9, Duration::from_millis(last), bits);
        let ends = |last| (wait(last, 0).as_millis(), wait(last, u64::MAX).as_millis());
        assert_eq!(ends(0), (50, 50));
        assert_eq!(ends(100), (50, 300));
        assert_eq!(ends(1_000_000), (50, 30_000));
    }

    #[test]
    fn jitter_on_a_named_wait_reaches_a_hundredth_and_a_quarter_second() {
        let most = |seconds| positive_jitter(Duration::from_secs(seconds), u64::MAX).as_millis();
        assert_eq!((most(10), most(25), most(3_600)), (100, 250, 250));
    }

    #[test]
    fn a_base_above_the_usual_cap_is_its_own_cap() {
        let backoff = Backoff::exponential(Duration::from_secs(60)).jitter(Jitter::None);
        let wait = |retry| backoff.wait(retry, Duration::ZERO, 0).as_secs();
        assert_eq!((wait(0), wait(3)), (60, 60));
    }

    #[test]
    fn a_base_of_one_second_is_jittered_too() {
        let backoff = Backoff::exponential(Duration::from_secs(1));
        let waits: std::collections::HashSet<_> = (1..=16)
            .map(|n| backoff.wait(0, Duration::ZERO, u64::MAX / 17 * n))
            .collect();
        assert_eq!(waits.len(), 16);
    }

    #[test]
    fn a_backoff_that_never_pauses_cannot_be_said() {
        assert!(std::panic::catch_unwind(|| Backoff::exponential(Duration::ZERO)).is_err());
        let low = || Backoff::default().max_delay(Duration::from_millis(1));
        assert!(std::panic::catch_unwind(low).is_err());
    }
}
