//! How much a provider allows.

use super::Provider;
use crate::gate::Quota;

/// How much may be sent before the provider refuses.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::policy) struct QuotaRules {
    /// What the user allows, whatever the server publishes.
    pub(in crate::policy) caps: Vec<Quota>,
    /// What the page says, which published counters correct.
    pub(in crate::policy) plans: Vec<Quota>,
    pub(in crate::policy) cold_start: Option<u32>,
}

impl Provider {
    /// A cap on what is sent: in no window of its length pass more calls than it says, whatever the server publishes.
    ///
    /// It replaces the quotas and the plan of a preset.
    ///
    /// ```
    /// use tower_backoff::{Quota, providers};
    ///
    /// let half_of_ours = providers::wolfeo().quota(Quota::per_minute(300));
    /// # let _ = half_of_ours;
    /// ```
    #[must_use]
    pub fn quota(self, quota: Quota) -> Self {
        self.quotas([quota])
    }

    /// What the provider's page says that it allows. Published counters correct it both ways: a bigger plan is used to
    /// its end, a smaller one is not exceeded.
    ///
    /// It replaces the quotas and the plan that were there. A cap that no server may raise is
    /// [`quota`](Self::quota).
    ///
    /// ```
    /// use tower_backoff::{Quota, policy::Provider};
    ///
    /// let acme = Provider::new("acme").plan(Quota::per_minute(600));
    /// # let _ = acme;
    /// ```
    #[must_use]
    pub fn plan(self, quota: Quota) -> Self {
        self.plans([quota])
    }

    /// Several plans that hold at once, in place of the quotas and plans before.
    ///
    /// ```
    /// use tower_backoff::{Quota, policy::Provider};
    ///
    /// let acme = Provider::new("acme").plans([Quota::per_second(5), Quota::per_hour(1_000)]);
    /// # let _ = acme;
    /// ```
    #[must_use]
    pub fn plans(mut self, quotas: impl IntoIterator<Item = Quota>) -> Self {
        self.limits.plans = quotas.into_iter().collect();
        self.limits.caps.clear();
        self
    }

    /// Several caps that hold at once, in place of the quotas and plans before.
    ///
    /// ```
    /// use tower_backoff::{Quota, policy::Provider};
    ///
    /// let acme = Provider::new("acme").quotas([Quota::per_minute(50), Quota::per_hour(1_000)]);
    /// # let _ = acme;
    /// ```
    #[must_use]
    pub fn quotas(mut self, quotas: impl IntoIterator<Item = Quota>) -> Self {
        self.limits.caps = quotas.into_iter().collect();
        self.limits.plans.clear();
        self
    }

    /// The provider punishes calls that come while it refuses: begin with `calls` in flight, and
    /// double with every round of answers. Where a quota is declared or published there is no need.
    ///
    /// # Default
    ///
    /// All calls go at once until the first refusal.
    ///
    /// # Panics
    ///
    /// If `calls` is zero.
    #[must_use]
    pub fn cold_start(mut self, calls: u32) -> Self {
        assert!(
            calls > 0,
            "a cold start of zero never starts: write cold_start(1)"
        );
        self.limits.cold_start = Some(calls);
        self
    }
}
