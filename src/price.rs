//! What a call costs.

/// How much of a quota one request spends, put into its extensions: tokens, points, rows.
///
/// Where nothing is said a call costs one. [`RetryLayer::price_by`](crate::RetryLayer::price_by) says it
/// for all requests at once, and a policy that reads what a call has cost in truth corrects it with
/// [`Verdict::costing`](crate::policy::Verdict::costing). A call that costs more than a declared quota ever
/// allows ends at once with [`TooDear`](crate::TooDear).
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
