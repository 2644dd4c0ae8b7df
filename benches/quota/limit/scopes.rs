//! Many hosts, each with a limit of its own.

use std::time::Duration;

use super::{Count, Limit, Window};

#[derive(Clone, Debug)]
pub struct Scopes {
    windows: Vec<Window>,
}

impl Scopes {
    pub fn new(scopes: u32, window: Window) -> Self {
        let windows = vec![window; scopes as usize];
        Self { windows }
    }
}

impl Limit for Scopes {
    fn arrives(&mut self, job: u32, now: Duration) -> Count {
        let scope = job as usize % self.windows.len();
        self.windows[scope].arrives(job, now)
    }
}
