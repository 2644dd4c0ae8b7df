//! Two fixed windows that both have to admit a call.

use std::time::Duration;

use super::{Count, FixedWindow, Limit};

#[derive(Clone, Debug)]
pub struct TwoWindows {
    windows: [FixedWindow; 2],
}

impl TwoWindows {
    pub fn new(windows: [FixedWindow; 2]) -> Self {
        Self { windows }
    }
}

impl Limit for TwoWindows {
    /// A call that one window refuses does not count in the other.
    fn on_arrival(&mut self, job: u32, now: Duration) -> Count {
        self.windows
            .iter_mut()
            .for_each(|window| window.advance(now));
        let full = |window: &&FixedWindow| !window.has_room();
        if let Some(refusing) = self.windows.iter().filter(full).max_by_key(|w| w.ends()) {
            return refusing.clone().on_arrival(job, now);
        }
        let counts = self
            .windows
            .each_mut()
            .map(|window| window.on_arrival(job, now));
        let [first, second] = counts;
        if first.remaining < second.remaining {
            first
        } else {
            second
        }
    }

    fn opens(&mut self, now: Duration) -> Duration {
        let [first, second] = self.windows.each_mut().map(|window| window.opens(now));
        first.max(second)
    }

    fn parts(&self) -> Vec<Count> {
        self.windows
            .iter()
            .map(|window| window.count(window.has_room()))
            .collect()
    }
}
