//! The cost of a call, for quotas that count tokens or points instead of calls.

/// How much of a quota one request uses: tokens, points, rows.
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cost(u32);

impl Cost {
    /// Creates a cost, in the unit of the quota that it is counted against.
    pub const fn new(cost: u32) -> Self {
        Self(cost)
    }

    /// Returns the cost as a number.
    pub const fn get(self) -> u32 {
        self.0
    }
}
