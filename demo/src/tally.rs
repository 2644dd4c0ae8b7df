//! Counters of one client and one provider.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

/// A counter that many tasks increment.
#[derive(Debug, Default)]
pub(crate) struct Figure(AtomicU32);

impl Figure {
    /// Increments the counter.
    pub(crate) fn add(&self) {
        self.0.fetch_add(1, Relaxed);
    }

    /// Returns the count.
    pub(crate) fn get(&self) -> u32 {
        self.0.load(Relaxed)
    }
}

/// The counters of one provider, which counts requests, and of its queue, which counts jobs.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Requests that reached the provider.
    pub sent: Figure,
    /// Requests refused by the rate limit, with a 429.
    pub refused: Figure,
    /// Requests that failed with a 500.
    pub failed: Figure,
    /// Requests that came before the moment named to the same job.
    pub early: Figure,
    /// Jobs that were answered.
    pub answered: Figure,
    /// How long the whole queue took, once it is empty.
    pub took: OnceLock<Duration>,
    lost: Mutex<Vec<String>>,
}

impl Tally {
    /// Records why a job was given up.
    pub(crate) fn lose(&self, why: String) {
        self.lost
            .lock()
            .expect("no panic while it is locked")
            .push(why);
    }

    /// Returns why jobs were given up, one line each.
    pub(crate) fn lost(&self) -> Vec<String> {
        self.lost
            .lock()
            .expect("no panic while it is locked")
            .clone()
    }
}
