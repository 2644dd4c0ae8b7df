//! The limit on concurrent calls; each counts until the body of its response has ended.

use super::admission::GateConfig;
use super::quota::{Quota, QuotaUsage};
use crate::time::Moment;

#[derive(Debug)]
pub(crate) struct ConcurrencyLimit {
    limit: u32,
    held: u32,
}

impl ConcurrencyLimit {
    /// The tightest of the quotas on concurrent calls. Without one there is no limit.
    pub(crate) fn of(config: GateConfig<'_>) -> Self {
        let quotas = config.quotas.iter().chain(config.plans);
        let concurrency = quotas.filter(|quota| quota.window().is_none());
        Self {
            limit: concurrency.map(Quota::limit).min().unwrap_or(u32::MAX),
            held: 0,
        }
    }

    #[inline]
    pub(crate) fn is_limited(&self) -> bool {
        self.limit < u32::MAX
    }

    #[inline]
    pub(crate) fn has_slot(&self) -> bool {
        self.held < self.limit
    }

    /// Now, or when another call ends, which cannot be foreseen.
    pub(crate) fn next(&self, now: Moment) -> Moment {
        if self.has_slot() { now } else { Moment::FAR }
    }

    #[inline]
    pub(crate) fn acquire(&mut self) {
        if self.is_limited() {
            self.held += 1;
        }
    }

    pub(crate) fn release(&mut self) {
        self.held = self.held.saturating_sub(1);
    }

    pub(crate) fn usage(&self) -> Option<QuotaUsage> {
        self.is_limited().then_some(QuotaUsage {
            used: self.held,
            limit: self.limit,
            window: None,
        })
    }
}
