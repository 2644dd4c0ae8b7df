//! The clocks that only futures read; decisions are told the time.
//!
//! Elapsed time comes from the monotonic clock. The wall clock is only compared with the absolute times that servers
//! write into headers.

use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use crate::time::Moment;
use crate::time::sys::{self, Instant};

/// The wall clock and the monotonic clock.
///
/// With the `test-util` feature a test can set the wall clock. It then moves with tokio's (paused) clock, which does
/// not move [`SystemTime`].
///
/// # Default
///
/// The clocks of the system.
#[derive(Clone, Copy, Debug, Default)]
#[cfg_attr(not(feature = "test-util"), allow(unreachable_pub))]
pub struct Clock {
    set: Option<Set>,
    set_again: Option<Set>,
}

/// The time that the wall clock was set to, and the moment at which it was set.
type Set = (SystemTime, Moment);

impl Clock {
    /// Creates a wall clock that starts at `wall` and moves with tokio's clock.
    #[cfg(feature = "test-util")]
    pub fn starting_at(wall: SystemTime) -> Self {
        Self {
            set: Some((wall, monotonic())),
            set_again: None,
        }
    }

    /// Sets the wall clock to `wall` once `after` has passed, as an administrator could.
    ///
    /// ```
    /// use std::time::{Duration, SystemTime};
    /// use tower_backoff::{Clock, RetryLayer, providers};
    ///
    /// let now = SystemTime::now();
    /// let hour = Duration::from_secs(3_600);
    /// let clock = Clock::starting_at(now).jumping_to(now + hour, Duration::from_secs(10));
    /// let layer = RetryLayer::new(providers::wolfeo()).clock(clock);
    /// # let _ = layer;
    /// ```
    #[cfg(feature = "test-util")]
    #[must_use]
    pub fn jumping_to(self, wall: SystemTime, after: Duration) -> Self {
        let set_again = Some((wall, later(monotonic(), after)));
        Self { set_again, ..self }
    }

    #[inline]
    pub(crate) fn now(&self) -> Moment {
        monotonic()
    }

    /// Returns the current time of the system, only to be compared.
    #[inline]
    pub(crate) fn instant(&self) -> Instant {
        sys::monotonic()
    }

    /// Returns what the true clocks show now, for a comparison of how far they go.
    #[cfg_attr(all(target_family = "wasm", target_os = "unknown"), allow(dead_code))]
    pub(crate) fn uptime_and_wall(&self) -> (Instant, SystemTime) {
        (sys::uptime(), sys::wall())
    }

    /// Returns what the wall clock shows at a moment of the monotonic clock.
    pub(crate) fn wall_at(&self, moment: Moment) -> SystemTime {
        let set_again = self.set_again.filter(|(_, then)| *then <= moment);
        let set = set_again.or(self.set);
        let (wall, then) = set.unwrap_or_else(|| (sys::wall(), monotonic()));
        let at_later = || wall.checked_add(moment.since(then));
        let at_earlier = || wall.checked_sub(then.since(moment));
        let at = if moment >= then {
            at_later()
        } else {
            at_earlier()
        };
        at.unwrap_or(wall)
    }
}

#[inline]
fn monotonic() -> Moment {
    Moment::of(sys::monotonic())
}

/// A boxed timer, for a call that waits by itself.
#[derive(Debug)]
pub(crate) struct Timer {
    sleep: sys::Sleep,
}

impl Timer {
    /// Whether a timer can be created here.
    pub(crate) fn is_available() -> bool {
        sys::can_sleep()
    }

    pub(crate) fn until(moment: Moment) -> Self {
        let sleep = sys::Sleep::until(moment.instant());
        Self { sleep }
    }

    pub(crate) fn set(&mut self, moment: Moment) {
        self.sleep.reset(moment.instant());
    }

    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.sleep.poll(cx)
    }
}

/// Adds a wait to a moment, at most 400 days, so that a timer can still be set.
#[inline]
pub(crate) fn later(from: Moment, wait: Duration) -> Moment {
    const FAR: Duration = Duration::from_secs(400 * 24 * 60 * 60);
    from + wait.min(FAR)
}

#[cfg(all(test, feature = "test-util"))]
mod tests {
    use super::*;
    use std::time::UNIX_EPOCH;

    const HOUR: Duration = Duration::from_secs(3_600);

    #[tokio::test(start_paused = true)]
    async fn a_set_wall_clock_moves_with_the_monotonic_one() {
        let clock = Clock::starting_at(UNIX_EPOCH);
        tokio::time::advance(Duration::from_secs(90)).await;
        assert_eq!(
            clock.wall_at(clock.now()),
            UNIX_EPOCH + Duration::from_secs(90)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn the_wall_clock_can_be_asked_about_the_past() {
        let past = monotonic();
        tokio::time::advance(Duration::from_secs(5)).await;
        let clock = Clock::starting_at(UNIX_EPOCH + Duration::from_secs(60));
        assert_eq!(clock.wall_at(past), UNIX_EPOCH + Duration::from_secs(55));
    }

    #[tokio::test(start_paused = true)]
    async fn a_wall_clock_that_jumps_says_what_it_said_before_about_the_time_before() {
        let (noon, ten) = (UNIX_EPOCH + HOUR * 12, Duration::from_secs(10));
        let clock = Clock::starting_at(noon).jumping_to(noon + HOUR, ten);
        let start = clock.now();
        let just_before = start + Duration::from_secs(9);
        assert_eq!(clock.wall_at(just_before), noon + Duration::from_secs(9));
        assert_eq!(clock.wall_at(start + ten), noon + HOUR);
        assert_eq!(clock.wall_at(start + ten * 2), noon + HOUR + ten);
    }

    #[test]
    fn a_wait_of_centuries_saturates() {
        let now = monotonic();
        assert!(later(now, Duration::MAX) > now);
    }
}
