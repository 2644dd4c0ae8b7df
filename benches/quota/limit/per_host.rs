//! A fixed window for each of many hosts.

use std::time::Duration;

use super::{Count, FixedWindow, Limit};

#[derive(Clone, Debug)]
pub struct PerHost {
    windows: Vec<FixedWindow>,
}

impl PerHost {
    pub fn new(hosts: u32, window: FixedWindow) -> Self {
        let windows = vec![window; hosts as usize];
        Self { windows }
    }
}

impl Limit for PerHost {
    fn on_arrival(&mut self, job: u32, now: Duration) -> Count {
        let host = job as usize % self.windows.len();
        self.windows[host].on_arrival(job, now)
    }
}
