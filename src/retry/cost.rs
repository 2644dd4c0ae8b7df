//! What a call costs.

/// How much of a quota one request spends, put into its extensions: tokens, points, rows.
///
/// Where nothing is said a call costs one. [`RetryLayer::cost_by`](crate::RetryLayer::cost_by) says it
/// for all requests at once, and a policy that reads what a call has cost in truth corrects it with
/// [`Verdict::with_cost`](crate::policy::Verdict::with_cost). A call that costs more than a declared quota ever
/// allows ends at once with [`CostAboveQuota`](crate::CostAboveQuota).
///
/// It is spent of the quotas of a window. A call is one call of a [`Quota::concurrent`](crate::Quota::concurrent) and
/// of a [`Quota::per_call`](crate::Quota::per_call) whatever it costs, and one that costs more than a
/// [`Quota::burst`](crate::Quota::burst) is sent, alone, since that bounds only what comes at once.
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
