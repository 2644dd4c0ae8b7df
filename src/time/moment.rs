//! A moment of the monotonic clock in 64 bits.
//!
//! A gate compares and adds moments on every call. An `Instant` takes 16 bytes, and each sum checks for overflow
//! twice. A moment is a count of nanoseconds, half as large, whose sums saturate.

use std::num::NonZeroU64;
use std::ops::{Add, AddAssign, Sub};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::time::Instant;

/// Nanoseconds since a day before the first use in this process. They last 584 years.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(u64);

/// The zero of all moments.
///
/// It is taken from the true clock, even if tokio's is paused. Where the system allows it lies a day in the past, so
/// that an `Instant` that a caller took earlier has a moment, too.
static START: LazyLock<Instant> = LazyLock::new(|| {
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    let now = Instant::now();
    now.checked_sub(DAY).unwrap_or(now)
});

impl Moment {
    /// The earliest moment.
    pub(crate) const START: Self = Self(0);
    /// The latest moment.
    pub(crate) const FAR: Self = Self(u64::MAX);

    /// Converts an `Instant`; one before [`START`](Self::START) becomes `START`.
    #[inline]
    pub(crate) fn of(instant: Instant) -> Self {
        Self(nanos(instant.saturating_duration_since(*START)))
    }

    /// Converts to an `Instant`, for timers.
    pub(crate) fn instant(self) -> Instant {
        *START + Duration::from_nanos(self.0)
    }

    /// Returns the time since an earlier moment, or zero.
    pub(crate) const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// Subtracts a duration, down to [`START`](Self::START).
    pub(crate) const fn earlier(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(nanos(by)))
    }

    /// Returns the moment one nanosecond earlier.
    #[cfg(test)]
    pub(crate) const fn just_before(self) -> Self {
        Self(self.0.saturating_sub(1))
    }

    /// Returns how many whole slices of this length have passed since the start.
    #[inline]
    pub(crate) fn slices(self, nanos: NonZeroU64) -> u64 {
        self.0 / nanos
    }

    /// Returns the end of this many slices since the start.
    pub(crate) const fn after_slices(slices: u64, nanos: NonZeroU64) -> Self {
        Self(slices.saturating_mul(nanos.get()))
    }
}

/// Returns the nanoseconds of a duration, at most 584 years.
pub(crate) const fn nanos(duration: Duration) -> u64 {
    let seconds = duration.as_secs().saturating_mul(1_000_000_000);
    seconds.saturating_add(duration.subsec_nanos() as u64)
}

/// An atomic moment that every call compares with now and that is rarely set.
#[derive(Debug)]
pub(crate) struct Due(AtomicU64);

impl Default for Due {
    fn default() -> Self {
        Self(AtomicU64::new(Moment::FAR.0))
    }
}

impl Due {
    #[inline]
    pub(crate) fn is_over(&self, now: Moment) -> bool {
        self.0.load(Ordering::Relaxed) <= now.0
    }

    pub(crate) fn set(&self, moment: Moment) {
        self.0.store(moment.0, Ordering::Relaxed);
    }

    pub(crate) fn at_latest(&self, moment: Moment) {
        self.0.fetch_min(moment.0, Ordering::Relaxed);
    }
}

/// A duration in 64 bits, for values that are added often.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Length(u64);

impl AddAssign<Duration> for Length {
    fn add_assign(&mut self, duration: Duration) {
        self.0 = self.0.saturating_add(nanos(duration));
    }
}

impl Length {
    pub(crate) const fn of(duration: Duration) -> Self {
        Self(nanos(duration))
    }

    pub(crate) const fn duration(self) -> Duration {
        Duration::from_nanos(self.0)
    }
}

impl Add<Length> for Moment {
    type Output = Self;

    /// The moment must lie in the past: the sum then lies within the next 584 years.
    #[inline]
    fn add(self, length: Length) -> Self {
        Self(self.0.wrapping_add(length.0))
    }
}

impl Sub<Length> for Moment {
    type Output = Self;

    /// The moment must be later than [`START`](Self::START) by at least the length.
    #[inline]
    fn sub(self, length: Length) -> Self {
        Self(self.0.wrapping_sub(length.0))
    }
}

/// Numbers time slices of one length from a reference moment.
///
/// Which slice a moment falls into depends only on its distance to the reference.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slices {
    /// The beginning of slice zero. It may lie before all moments: sums wrap around.
    zero: u64,
    length: NonZeroU64,
}

impl Slices {
    /// How many slices lie before the reference, for callers that read the clock a little earlier.
    const BEFORE: u64 = 1 << 16;

    pub(crate) fn around(moment: Moment, length: NonZeroU64) -> Self {
        let before = Self::BEFORE.wrapping_mul(length.get());
        Self {
            zero: moment.0.wrapping_sub(before),
            length,
        }
    }

    /// Numbers slices of the same length from another reference.
    pub(crate) fn around_another(self, moment: Moment) -> Self {
        Self::around(moment, self.length)
    }

    /// Returns the number of the slice in which a moment lies.
    #[inline]
    pub(crate) fn number(self, moment: Moment) -> u64 {
        moment.0.wrapping_sub(self.zero) / self.length
    }

    /// Returns the end of the slice with this number.
    pub(crate) fn end(self, number: u64) -> Moment {
        let slices = number.wrapping_add(1).wrapping_mul(self.length.get());
        Moment(self.zero.wrapping_add(slices))
    }
}

impl Add<Duration> for Moment {
    type Output = Self;

    fn add(self, wait: Duration) -> Self {
        Self(self.0.saturating_add(nanos(wait)))
    }
}

impl AddAssign<Duration> for Moment {
    fn add_assign(&mut self, wait: Duration) {
        *self = *self + wait;
    }
}

impl Sub for Moment {
    type Output = Duration;

    fn sub(self, earlier: Self) -> Duration {
        self.since(earlier)
    }
}

#[cfg(test)]
impl Moment {
    /// Returns the current moment, for tests.
    pub(crate) fn now() -> Self {
        Self::of(Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_and_its_instant_are_the_same() {
        let instant = Instant::now();
        assert_eq!(Moment::of(instant).instant(), instant);
    }

    #[test]
    fn slices_are_numbered_from_long_before_a_moment() {
        let length = NonZeroU64::new(2_000_000).unwrap();
        for moment in [Moment::START, Moment::now()] {
            let slices = Slices::around(moment, length);
            let number = slices.number(moment);
            assert_eq!(slices.end(number), moment + Duration::from_millis(2));
            assert_eq!(slices.number(slices.end(number)), number + 1);
            assert_eq!(slices.around_another(moment).number(moment), number);
        }
        let now = Moment::now();
        let earlier = Moment(now.0 - 1);
        let slices = Slices::around(now, length);
        assert_eq!(slices.number(earlier) + 1, slices.number(now));
    }

    #[test]
    fn sums_saturate() {
        let now = Moment::now();
        assert!(now + Duration::MAX > now);
        assert_eq!(now - (now + Duration::from_secs(1)), Duration::ZERO);
    }
}
