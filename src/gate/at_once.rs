//! How many calls may be on their way at once, each until the body of its answer has ended.

use super::Spent;
use super::quota::Quota;
use super::words::Facts;
use crate::moment::Moment;

#[derive(Debug)]
pub(crate) struct AtOnce {
    limit: u32,
    held: u32,
}

impl AtOnce {
    /// The tightest of the quotas that limit calls at once; without one, nobody is held back.
    pub(crate) fn of(facts: Facts<'_>) -> Self {
        let quotas = facts.quotas.iter().chain(facts.plans);
        let at_once = quotas.filter(|quota| quota.window().is_none());
        Self {
            limit: at_once.map(Quota::limit).min().unwrap_or(u32::MAX),
            held: 0,
        }
    }

    #[inline]
    pub(crate) fn is_limited(&self) -> bool {
        self.limit < u32::MAX
    }

    #[inline]
    pub(crate) fn has_place(&self) -> bool {
        self.held < self.limit
    }

    /// Now, or whenever one of the others has ended: nobody knows.
    pub(crate) fn next(&self, now: Moment) -> Moment {
        if self.has_place() { now } else { Moment::FAR }
    }

    #[inline]
    pub(crate) fn take(&mut self) {
        if self.is_limited() {
            self.held += 1;
        }
    }

    pub(crate) fn free(&mut self) {
        self.held = self.held.saturating_sub(1);
    }

    pub(crate) fn spent(&self) -> Option<Spent> {
        self.is_limited().then_some(Spent {
            spent: self.held,
            of: self.limit,
            window: None,
        })
    }
}
