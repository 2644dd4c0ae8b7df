//! The clocks and the timer of tokio, or those of the browser.

#[cfg(all(target_family = "wasm", target_os = "unknown"))]
pub(crate) use browser::{Instant, Sleep, can_sleep, monotonic, uptime, wall};
#[cfg(not(all(target_family = "wasm", target_os = "unknown")))]
pub(crate) use native::{Instant, Sleep, can_sleep, monotonic, uptime, wall};

#[cfg(not(all(target_family = "wasm", target_os = "unknown")))]
mod native {
    use std::future::Future;
    use std::pin::Pin;
    use std::task::{Context, Poll};
    use std::time::SystemTime;

    pub(crate) use std::time::Instant;

    #[inline]
    pub(crate) fn monotonic() -> Instant {
        tokio::time::Instant::now().into_std()
    }

    pub(crate) fn wall() -> SystemTime {
        SystemTime::now()
    }

    /// The monotonic clock of the system, whatever a test does with that of tokio.
    pub(crate) fn uptime() -> Instant {
        Instant::now()
    }

    /// Whether there is a tokio runtime; creating a timer panics without one.
    ///
    /// Whether the timer of the runtime is enabled cannot be found out.
    pub(crate) fn can_sleep() -> bool {
        tokio::runtime::Handle::try_current().is_ok()
    }

    #[derive(Debug)]
    pub(crate) struct Sleep(Pin<Box<tokio::time::Sleep>>);

    impl Sleep {
        pub(crate) fn until(moment: Instant) -> Self {
            Self(Box::pin(tokio::time::sleep_until(moment.into())))
        }

        pub(crate) fn reset(&mut self, moment: Instant) {
            self.0.as_mut().reset(moment.into());
        }

        pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
            self.0.as_mut().poll(cx)
        }
    }
}

#[cfg(all(target_family = "wasm", target_os = "unknown"))]
mod browser {
    use std::fmt;
    use std::future::Future;
    use std::pin::Pin;
    use std::task::{Context, Poll};
    use std::time::{Duration, SystemTime};

    use gloo_timers::future::TimeoutFuture;

    pub(crate) use web_time::Instant;

    #[inline]
    pub(crate) fn monotonic() -> Instant {
        Instant::now()
    }

    pub(crate) fn uptime() -> Instant {
        Instant::now()
    }

    pub(crate) fn wall() -> SystemTime {
        let since = web_time::SystemTime::now().duration_since(web_time::UNIX_EPOCH);
        SystemTime::UNIX_EPOCH + since.unwrap_or_default()
    }

    /// Always true: a page has timers.
    pub(crate) fn can_sleep() -> bool {
        true
    }

    /// A timer that waits in parts, since a browser's timers take at most 24 days.
    pub(crate) struct Sleep {
        until: Instant,
        part: TimeoutFuture,
    }

    impl Sleep {
        const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

        pub(crate) fn until(until: Instant) -> Self {
            let left = until.saturating_duration_since(Instant::now());
            let millis = left.min(Self::LONGEST).as_nanos().div_ceil(1_000_000);
            let part = TimeoutFuture::new(u32::try_from(millis).unwrap_or(u32::MAX));
            Self { until, part }
        }

        pub(crate) fn reset(&mut self, moment: Instant) {
            *self = Self::until(moment);
        }

        pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
            while Pin::new(&mut self.part).poll(cx).is_ready() {
                if Instant::now() >= self.until {
                    return Poll::Ready(());
                }
                self.reset(self.until);
            }
            Poll::Pending
        }
    }

    impl fmt::Debug for Sleep {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.debug_struct("Sleep")
                .field("until", &self.until)
                .finish_non_exhaustive()
        }
    }
}
