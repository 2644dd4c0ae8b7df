//! The cost of a call, for quotas that count tokens or points instead of calls.

/// How much one request uses of each quota: tokens, points, rows.
///
/// Put it into the extensions of a request. The default is one. [`RetryLayer::cost_by`](crate::RetryLayer::cost_by)
/// sets it for all requests, and a policy that reads the actual cost from a response corrects it with
/// [`Verdict::with_cost`](crate::policy::Verdict::with_cost). A call that costs more than a declared quota allows
/// ends at once with [`CostAboveQuota`](crate::CostAboveQuota).
///
/// The cost counts against quotas per window. Under a [`Quota::concurrent`](crate::Quota::concurrent) or a
/// [`Quota::per_call`](crate::Quota::per_call) each call counts as one. A call that costs more than a
/// [`Quota::burst`](crate::Quota::burst) is sent alone, since a burst only limits what is sent at the same time.
///
/// ```
/// use tower_backoff::Cost;
///
/// let request = http::Request::post("https://api.example.com/graphql")
///     .extension(Cost::new(50))
///     .body(())?;
/// # drop(request);
/// # Ok::<(), http::Error>(())
/// ```
///
/// Where a provider limits several things at once, each has a name: see [`of`](Self::of).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cost {
    /// `None` is one, or as it was said.
    calls: Option<u32>,
    named: [(&'static str, u32); MOST_NAMED],
}

/// Calls, and input and output tokens, and one more: no provider is known to limit more at once.
const MOST_NAMED: usize = 3;

impl Cost {
    /// Creates a cost, in the unit of the quota that it is counted against.
    pub const fn new(cost: u32) -> Self {
        Self {
            calls: Some(cost),
            named: [("", 0); MOST_NAMED],
        }
    }

    /// Creates the cost of a call that counts as one, and uses so much of something else that is limited.
    ///
    /// The policy has to know the name, by
    /// [`PartialQuota::of_costs`](crate::policy::PartialQuota::of_costs) or
    /// [`of_published_costs`](crate::policy::PartialQuota::of_published_costs); else the call ends with
    /// [`UnknownCost`](crate::UnknownCost).
    ///
    /// ```
    /// use tower_backoff::{Cost, Quota, policy::{PartialQuota, Provider}};
    ///
    /// let acme = Provider::new("acme")
    ///     .quota(Quota::per_minute(500))
    ///     .partial_quota(PartialQuota::of_costs("tokens", Quota::per_minute(30_000)));
    /// let request = http::Request::post("https://api.example.com/complete")
    ///     .extension(Cost::of("tokens", 900))
    ///     .body(())?;
    /// # drop((acme, request));
    /// # Ok::<(), http::Error>(())
    /// ```
    ///
    /// # Panics
    ///
    /// If the name is empty.
    pub const fn of(name: &'static str, cost: u32) -> Self {
        let unsaid = Self {
            calls: None,
            named: [("", 0); MOST_NAMED],
        };
        unsaid.and(name, cost)
    }

    /// Adds what the call uses of another thing that is limited.
    ///
    /// ```
    /// use tower_backoff::Cost;
    ///
    /// let cost = Cost::of("input-tokens", 700).and("output-tokens", 200);
    /// assert_eq!(cost.get_of("output-tokens"), Some(200));
    /// assert_eq!(cost.get(), 1);
    /// ```
    ///
    /// # Panics
    ///
    /// If the name is empty, or there are three already.
    #[must_use]
    pub const fn and(mut self, name: &'static str, cost: u32) -> Self {
        assert!(
            !name.is_empty(),
            "a cost needs a name, such as Cost::of(\"tokens\", 900)"
        );
        let mut at = 0;
        while at < MOST_NAMED && !self.named[at].0.is_empty() {
            at += 1;
        }
        assert!(at < MOST_NAMED, "a call has at most three named costs");
        self.named[at] = (name, cost);
        self
    }

    /// Returns the cost in quotas that count calls.
    pub const fn get(self) -> u32 {
        match self.calls {
            Some(calls) => calls,
            None => 1,
        }
    }

    /// The cost in quotas that count calls, if it was said.
    pub(crate) fn said(self) -> Option<u32> {
        self.calls
    }

    /// Returns the cost that has this name.
    pub fn get_of(self, name: &str) -> Option<u32> {
        let named = self.named().filter(|(known, _)| *known == name);
        named.map(|(_, cost)| cost).reduce(u32::saturating_add)
    }

    /// The costs that have a name.
    pub(crate) fn named(self) -> impl Iterator<Item = (&'static str, u32)> {
        self.named
            .into_iter()
            .take_while(|(name, _)| !name.is_empty())
    }

    #[inline]
    pub(crate) fn is_plain(&self) -> bool {
        self.named[0].0.is_empty()
    }
}

impl Default for Cost {
    /// One.
    fn default() -> Self {
        Self::new(1)
    }
}

impl From<u32> for Cost {
    fn from(cost: u32) -> Self {
        Self::new(cost)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cost_has_at_most_three_names() {
        let cost = Cost::of("a", 1).and("b", 2).and("c", 3);
        assert_eq!(
            cost.named().collect::<Vec<_>>(),
            [("a", 1), ("b", 2), ("c", 3)]
        );
        assert!(std::panic::catch_unwind(|| cost.and("d", 4)).is_err());
        assert!(std::panic::catch_unwind(|| Cost::of("", 4)).is_err());
        assert_eq!(Cost::of("a", 5).and("a", 700).get_of("a"), Some(705));
        assert_eq!((Cost::of("a", 5).get(), Cost::of("a", 5).said()), (1, None));
        assert!(Cost::new(9).is_plain() && !cost.is_plain());
        assert_eq!(Cost::default(), 1.into());
    }
}
