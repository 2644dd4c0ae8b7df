//! What a call costs.

/// How much of a quota one request spends, put into its extensions: tokens, points, rows.
///
/// Where nothing is said a call costs one. [`RetryLayer::price_by`](crate::RetryLayer::price_by) says it
/// for all requests at once, and a policy that reads what a call has cost in truth corrects it with
/// [`Verdict::costing`](crate::policy::Verdict::costing). A call that costs more than a declared quota ever
/// allows ends at once with [`TooDear`](crate::TooDear).
///
/// It is spent of the quotas of a window. A call is one call of a [`Quota::concurrent`](crate::Quota::concurrent) and
/// of a [`Quota::per_call`](crate::Quota::per_call) whatever it costs, and one that costs more than a
/// [`Quota::burst`](crate::Quota::burst) is sent, alone, since that bounds only what comes at once.
///
/// ```
/// use tower_backoff::Price;
///
/// let request = http::Request::post("https://api.example.com/graphql")
///     .extension(Price(50))
///     .body(())?;
/// # drop(request);
/// # Ok::<(), http::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Price(pub u32);
