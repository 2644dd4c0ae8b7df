//! Two windows that hold at once.

use std::time::Duration;

use super::{Count, Limit, Window};

#[derive(Clone, Debug)]
pub struct Pair {
    windows: [Window; 2],
}

impl Pair {
    pub fn new(windows: [Window; 2]) -> Self {
        Self { windows }
    }
}

impl Limit for Pair {
    /// A call that one of them refuses costs the other nothing.
    fn arrives(&mut self, job: u32, now: Duration) -> Count {
        self.windows.iter_mut().for_each(|window| window.roll(now));
        let full = |window: &&Window| !window.has_place();
        if let Some(refusing) = self.windows.iter().filter(full).max_by_key(|w| w.ends()) {
            return refusing.clone().arrives(job, now);
        }
        let counts = self
            .windows
            .each_mut()
            .map(|window| window.arrives(job, now));
        let [first, second] = counts;
        if first.remaining < second.remaining {
            first
        } else {
            second
        }
    }
}
