//! What happened between one client and one provider, in figures.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

/// A figure that many tasks add to.
#[derive(Debug, Default)]
pub(crate) struct Figure(AtomicU32);

impl Figure {
    /// One more.
    pub(crate) fn add(&self) {
        self.0.fetch_add(1, Relaxed);
    }

    /// How many so far.
    pub(crate) fn get(&self) -> u32 {
        self.0.load(Relaxed)
    }
}

/// The provider's side counts requests, the queue's side jobs.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Requests that reached the provider.
    pub sent: Figure,
    /// Requests refused for the limit, with a 429.
    pub refused: Figure,
    /// Requests at which the provider failed, with a 500.
    pub failed: Figure,
    /// Requests that came before the moment that was named to the same job.
    pub early: Figure,
    /// Jobs that were answered.
    pub answered: Figure,
    /// How long the whole queue took, once it is empty.
    pub took: OnceLock<Duration>,
    lost: Mutex<Vec<String>>,
}

impl Tally {
    /// A job was given up, and why.
    pub(crate) fn lose(&self, why: String) {
        self.lost.lock().expect("nobody panics in here").push(why);
    }

    /// Why jobs were given up, one line for each.
    pub(crate) fn lost(&self) -> Vec<String> {
        self.lost.lock().expect("nobody panics in here").clone()
    }
}
