//! How much a provider allows.

use super::Provider;
use crate::gate::Quota;
use crate::policy::PartialQuota;

/// How much may be sent before the provider refuses.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::policy) struct QuotaRules {
    /// What the user allows, whatever the server publishes.
    pub(in crate::policy) caps: Vec<Quota>,
    /// What the page says, which published counters correct.
    pub(in crate::policy) plans: Vec<Quota>,
    /// What counts only some calls.
    pub(in crate::policy) partial: Vec<PartialQuota>,
    pub(in crate::policy) cold_start: Option<u32>,
}

impl Provider {
    /// Caps what is sent: no window has more calls than this, whatever the server publishes.
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

    /// Sets several caps that hold at once. They replace the quotas and plans that were there.
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

    /// Sets what the provider's page says that it allows, which published counters correct both ways.
    ///
    /// A bigger plan is used to its end, a smaller one is not exceeded. It replaces the quotas and the plan that were
    /// there. A cap that no server may raise is [`quota`](Self::quota).
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

    /// Sets several plans that hold at once. They replace the quotas and plans that were there.
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

    /// Takes back every quota and every plan: only what the server publishes is counted.
    ///
    /// ```
    /// # use tower_backoff::{Quota, policy::Provider};
    /// let acme = Provider::new("acme").plan(Quota::per_minute(600)).without_quotas();
    /// assert_eq!(acme, Provider::new("acme"));
    /// ```
    #[must_use]
    pub fn without_quotas(mut self) -> Self {
        self.limits.caps.clear();
        self.limits.plans.clear();
        self
    }

    /// Declares a quota that counts only some calls, such as writes. It replaces those that were there.
    ///
    /// It holds beside [`quota`](Self::quota) and [`plan`](Self::plan), which count all calls.
    ///
    /// ```
    /// use tower_backoff::{Quota, policy::PartialQuota, providers};
    ///
    /// let careful = providers::gitlab().partial_quota(PartialQuota::of_writes(Quota::per_second(1)));
    /// # let _ = careful;
    /// ```
    #[must_use]
    pub fn partial_quota(mut self, quota: PartialQuota) -> Self {
        self.limits.partial = vec![quota];
        self
    }

    /// Adds a partial quota, such as tokens per day beside tokens per minute.
    ///
    /// ```
    /// # use tower_backoff::{Quota, policy::{PartialQuota, Provider}};
    /// let refusals = PartialQuota::of_statuses([401], Quota::per_minute(100));
    /// let acme = Provider::new("acme").add_partial_quota(refusals.clone());
    /// assert_eq!(acme, Provider::new("acme").partial_quota(refusals));
    /// ```
    #[must_use]
    pub fn add_partial_quota(mut self, quota: PartialQuota) -> Self {
        let mut known = self.limits.partial.iter_mut();
        if !known.any(|known| known.join(&quota)) {
            self.limits.partial.push(quota);
        }
        self
    }

    /// Takes back what was said with [`partial_quota`](Self::partial_quota).
    ///
    /// ```
    /// # use tower_backoff::{Quota, policy::{PartialQuota, Provider}};
    /// let writes = PartialQuota::of_writes(Quota::per_second(1));
    /// let acme = Provider::new("acme").partial_quota(writes).without_partial_quotas();
    /// assert_eq!(acme, Provider::new("acme"));
    /// ```
    #[must_use]
    pub fn without_partial_quotas(mut self) -> Self {
        self.limits.partial.clear();
        self
    }

    /// Begins with this number of calls in flight and doubles it with every round of answers.
    ///
    /// This is for a provider that punishes calls that come while it refuses. Where a quota is declared or published
    /// there is no need. It replaces the number that was there.
    ///
    /// # Default
    ///
    /// All calls go at once until the first refusal.
    ///
    /// # Panics
    ///
    /// If `calls` is zero.
    #[must_use]
    #[track_caller]
    pub fn cold_start(mut self, calls: u32) -> Self {
        assert!(
            calls > 0,
            "a cold start of zero never starts: write cold_start(1)"
        );
        self.limits.cold_start = Some(calls);
        self
    }

    /// Takes back what was said with [`cold_start`](Self::cold_start).
    ///
    /// ```
    /// # use tower_backoff::policy::Provider;
    /// let acme = Provider::new("acme").cold_start(1).without_cold_start();
    /// assert_eq!(acme, Provider::new("acme"));
    /// ```
    #[must_use]
    pub fn without_cold_start(mut self) -> Self {
        self.limits.cold_start = None;
        self
    }
}
