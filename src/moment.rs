//! A moment of the monotonic clock, in one word.
//!
//! A gate compares and adds moments on every call. An `Instant` is seconds and nanoseconds in 16 bytes, and each sum
//! of it checks for overflow twice; this is a count of nanoseconds, half as large, whose sums saturate.

use std::num::NonZeroU64;
use std::ops::{Add, AddAssign, Sub};
use std::sync::LazyLock;
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

/// A length of time in one word, for what is added again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Length(u64);

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

    #[inline]
    fn add(self, length: Length) -> Self {
        Self(self.0.saturating_add(length.0))
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
    fn sums_saturate() {
        let now = Moment::now();
        assert!(now + Duration::MAX > now);
        assert_eq!(now - (now + Duration::from_secs(1)), Duration::ZERO);
    }
}
