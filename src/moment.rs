//! A moment of the monotonic clock, in one word.
//!
//! A gate compares and adds moments on every call. An `Instant` is seconds and nanoseconds in 16 bytes, and each sum
//! of it checks for overflow twice; this is a count of nanoseconds, half as large, whose sums saturate.

use std::num::NonZeroU64;
use std::ops::{Add, AddAssign, Sub};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::sys::Instant;

/// Nanoseconds since shortly before this process asked for the first time; they last 584 years.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(u64);

/// Where counting starts: by the true clock, whatever a paused one says, and a day early, if the system allows, so that an `Instant` that a caller took before has a
/// moment, too.
static START: LazyLock<Instant> = LazyLock::new(|| {
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    let now = Instant::now();
    now.checked_sub(DAY).unwrap_or(now)
});

impl Moment {
    /// Before every other.
    pub(crate) const START: Self = Self(0);
    /// After every other.
    pub(crate) const FAR: Self = Self(u64::MAX);

    /// The moment of an `Instant`; the start, if it is older.
    #[inline]
    pub(crate) fn of(instant: Instant) -> Self {
        Self(nanos(instant.saturating_duration_since(*START)))
    }

    /// As an `Instant`, for timers.
    pub(crate) fn instant(self) -> Instant {
        *START + Duration::from_nanos(self.0)
    }

    /// How much later it is than another, or nothing.
    pub(crate) const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// So much earlier, or the start.
    pub(crate) const fn earlier(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(nanos(by)))
    }

    /// The last moment before it.
    #[cfg(test)]
    pub(crate) const fn just_before(self) -> Self {
        Self(self.0.saturating_sub(1))
    }

    /// The number of whole slices of time until then.
    #[inline]
    pub(crate) fn slices(self, nanos: NonZeroU64) -> u64 {
        self.0 / nanos
    }

    /// The end of this many slices of time.
    pub(crate) const fn after_slices(slices: u64, nanos: NonZeroU64) -> Self {
        Self(slices.saturating_mul(nanos.get()))
    }
}

/// The nanoseconds of a duration, at most 584 years.
pub(crate) const fn nanos(duration: Duration) -> u64 {
    let seconds = duration.as_secs().saturating_mul(1_000_000_000);
    seconds.saturating_add(duration.subsec_nanos() as u64)
}

/// A moment that every call compares with now, and that is hardly ever set.
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

/// A length of time in one word, for what is added again and again.
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

    /// Of a moment that was: the sum lies within the next 584 years.
    #[inline]
    fn add(self, length: Length) -> Self {
        Self(self.0.wrapping_add(length.0))
    }
}

impl Sub<Length> for Moment {
    type Output = Self;

    /// Of a moment that is later than the length is long.
    #[inline]
    fn sub(self, length: Length) -> Self {
        Self(self.0.wrapping_sub(length.0))
    }
}

/// Time in slices of one length, numbered from long before a moment on. What falls into which slice then depends on
/// how long after that moment it was, and on nothing else.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slices {
    /// The beginning of the first slice; it may lie before all moments, and sums wrap around.
    zero: u64,
    length: NonZeroU64,
}

impl Slices {
    /// So many slices before the moment, whoever looked at the clock a little earlier is not lost.
    const BEFORE: u64 = 1 << 16;

    pub(crate) fn around(moment: Moment, length: NonZeroU64) -> Self {
        let before = Self::BEFORE.wrapping_mul(length.get());
        Self {
            zero: moment.0.wrapping_sub(before),
            length,
        }
    }

    /// Slices of the same length, numbered from another moment on.
    pub(crate) fn around_another(self, moment: Moment) -> Self {
        Self::around(moment, self.length)
    }

    /// The number of the slice in which a moment lies.
    #[inline]
    pub(crate) fn number(self, moment: Moment) -> u64 {
        moment.0.wrapping_sub(self.zero) / self.length
    }

    /// When the slice of this number is over.
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
    /// Any moment will do.
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
