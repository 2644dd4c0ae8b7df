//! A limit that is replaced by another one during the run.

use std::time::Duration;

use super::{Count, Limit};

/// A limit that the operator of the server changes; the new one starts with nothing used.
pub struct Changing {
    before: Box<dyn Limit>,
    after: Box<dyn Limit>,
    changes_at: Duration,
    has_changed: bool,
}

impl Changing {
    /// `after` replaces `before` at this moment of the run.
    pub fn new(before: Box<dyn Limit>, after: Box<dyn Limit>, changes_at: Duration) -> Self {
        Self {
            before,
            after,
            changes_at,
            has_changed: false,
        }
    }

    fn current(&self) -> &dyn Limit {
        if self.has_changed {
            &*self.after
        } else {
            &*self.before
        }
    }
}

impl Limit for Changing {
    fn on_arrival(&mut self, job: u32, now: Duration) -> Count {
        self.has_changed = now >= self.changes_at;
        if self.has_changed {
            self.after.on_arrival(job, now)
        } else {
            self.before.on_arrival(job, now)
        }
    }

    fn opens(&mut self, now: Duration) -> Duration {
        if now < self.changes_at {
            let opens = self.before.opens(now);
            if opens < self.changes_at {
                return opens;
            }
        }
        self.after.opens(now.max(self.changes_at))
    }

    fn delay(&self) -> Duration {
        self.current().delay()
    }

    fn parts(&self) -> Vec<Count> {
        self.current().parts()
    }
}
