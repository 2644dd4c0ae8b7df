//! How long calls take: the mean and its deviation.

use std::time::Duration;

use crate::time::nanos;

/// The mean round trip of served calls and its mean deviation, as TCP estimates them (RFC 6298).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RoundTrip {
    mean: u64,
    deviation: u64,
    /// The highest deviation of late; it falls by a 512th with each round trip.
    peak: u64,
}

impl RoundTrip {
    /// Counts one more round trip. One that is far off counts as four deviations.
    #[inline]
    pub(crate) fn add(&mut self, took: Duration) {
        let took = nanos(took);
        if self.mean == 0 {
            (self.mean, self.deviation) = (took.max(1), took / 8);
            self.peak = self.deviation;
            return;
        }
        let most = self
            .mean
            .saturating_add(4 * self.deviation.max(self.mean / 16));
        let took = took.min(most);
        let off = took.abs_diff(self.mean);
        self.deviation = self.deviation - self.deviation / 8 + off / 8;
        self.mean = self.mean - self.mean / 16 + took / 16;
        self.peak = self.deviation.max(self.peak - self.peak / 512);
    }

    /// The mean; zero before the first one.
    pub(crate) fn mean(self) -> Duration {
        Duration::from_nanos(self.mean)
    }

    /// The mean deviation, at least 1 ms: timers know no finer time.
    pub(crate) fn deviation(self) -> Duration {
        Duration::from_nanos(self.deviation).max(Duration::from_millis(1))
    }

    /// The mean deviation at its highest of late, at least 1 ms.
    pub(crate) fn peak_deviation(self) -> Duration {
        Duration::from_nanos(self.peak).max(Duration::from_millis(1))
    }
}
