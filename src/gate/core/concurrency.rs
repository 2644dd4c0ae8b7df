//! The limit on concurrent calls; each counts until the body of its response has ended.

use super::admission::{GateConfig, Need};
use super::quota::{Quota, QuotaUsage};
use crate::time::Moment;

#[derive(Clone, Debug)]
pub(crate) struct ConcurrencyLimit {
    limit: u32,
    held: u32,
    /// Slots that only urgent calls may have.
    for_urgent: u32,
}

impl ConcurrencyLimit {
    /// The tightest of the quotas on concurrent calls. Without one there is no limit.
    pub(crate) fn of(config: GateConfig<'_>) -> Self {
        let quotas = config.quotas.iter().chain(config.plans);
        let concurrency = quotas.filter(|quota| quota.window().is_none());
        let tightest = concurrency.min_by_key(|quota| quota.limit());
        Self {
            limit: tightest.map_or(u32::MAX, Quota::limit),
            held: 0,
            for_urgent: tightest.map_or(0, |quota| quota.for_urgent),
        }
    }

    #[inline]
    pub(crate) fn is_limited(&self) -> bool {
        self.limit < u32::MAX
    }

    #[inline]
    pub(crate) fn has_slot(&self, need: Need) -> bool {
        let reserved = if need.is_urgent { 0 } else { self.for_urgent };
        self.held < self.limit - reserved
    }

    /// Now, or when another call ends, which cannot be foreseen.
    pub(crate) fn next(&self, need: Need, now: Moment) -> Moment {
        if self.has_slot(need) {
            now
        } else {
            Moment::FAR
        }
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
