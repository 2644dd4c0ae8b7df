//! Quotas that count only some calls of a scope.

#[cfg(feature = "serde")]
mod written;

use std::borrow::Cow;
use std::sync::Arc;

use http::{Method, StatusCode};

use super::arguments;
use crate::gate::Quota;
use crate::retry::Cost;

/// A quota beside those of a scope, which counts only writes, responses with a status, or tokens.
///
/// A call that it concerns waits for it as well as for the gate of its scope; the other calls go on.
///
/// ```
/// use std::time::Duration;
/// use tower_backoff::{Quota, policy::{PartialQuota, Provider}};
///
/// // One write per second, and 10,000 refusals for want of rights in ten minutes.
/// let acme = Provider::new("acme")
///     .partial_quota(PartialQuota::of_writes(Quota::per_second(1)))
///     .add_partial_quota(PartialQuota::of_statuses(
///         [401, 403],
///         Quota::new(10_000, Duration::from_secs(600)),
///     ));
/// # let _ = acme;
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct PartialQuota {
    counts: Counted,
    /// None, if only the counters of the server are known.
    quotas: Vec<Quota>,
    /// How its gate is told from others of the scope.
    name: Arc<str>,
}

/// What a partial quota counts.
#[derive(Clone, Debug, PartialEq)]
enum Counted {
    Writes,
    Statuses(Vec<StatusCode>),
    /// The costs of calls that have this name.
    Costs(Cow<'static, str>),
}

impl PartialQuota {
    /// Counts writes: calls whose method is not safe, such as `POST`, `PUT`, `PATCH` and `DELETE`.
    ///
    /// RFC 9110, 9.2.1 says which methods are safe.
    ///
    /// # Panics
    ///
    /// If the quota is a number of calls at once.
    #[track_caller]
    pub fn of_writes(quota: Quota) -> Self {
        Self::new(Counted::Writes, quota, "writes".into())
    }

    /// Counts responses with these statuses.
    ///
    /// What a call will be answered is not known before, so that a call in flight counts until it is answered: never
    /// more calls are in flight than the quota has left. One that comes then and has less patience than the window is
    /// long ends with [`NotBefore`](crate::NotBefore), as if those in flight were to count.
    ///
    /// # Panics
    ///
    /// If the quota is a number of calls at once, there is no status, or one has not three digits.
    #[track_caller]
    pub fn of_statuses<S>(statuses: impl IntoIterator<Item = S>, quota: Quota) -> Self
    where
        S: TryInto<StatusCode>,
    {
        let statuses = arguments::statuses(statuses);
        assert!(
            !statuses.is_empty(),
            "a quota of no status counts nothing: write it such as of_statuses([401, 403], quota)"
        );
        let words: Vec<_> = statuses.iter().map(StatusCode::as_str).collect();
        let name = words.join(", ");
        Self::new(Counted::Statuses(statuses), quota, name)
    }

    /// Counts what calls use of something else than calls: tokens, points, rows.
    ///
    /// A call says how much that is by [`Cost::of`]. What the server publishes of it
    /// (`x-ratelimit-remaining-tokens`) is spent before sending, too, and the cost is corrected by
    /// [`Verdict::with_cost`](super::Verdict::with_cost). A call without such a cost does not wait for it.
    ///
    /// ```
    /// use tower_backoff::{Cost, Quota, policy::{PartialQuota, Provider}};
    ///
    /// let acme = Provider::new("acme")
    ///     .partial_quota(PartialQuota::of_costs("input-tokens", Quota::per_minute(50_000)))
    ///     .add_partial_quota(PartialQuota::of_costs("output-tokens", Quota::per_minute(8_000)));
    /// let cost = Cost::of("input-tokens", 700).and("output-tokens", 200);
    /// # let _ = (acme, cost);
    /// ```
    ///
    /// # Panics
    ///
    /// If the quota is a number of calls at once, or the name is empty.
    #[track_caller]
    pub fn of_costs(name: impl Into<Cow<'static, str>>, quota: Quota) -> Self {
        let name = name.into();
        assert_named(&name);
        Self::new(Counted::Costs(name.clone()), quota, name.into_owned())
    }

    /// Counts what calls use of something other than calls, by the counters that the server publishes.
    ///
    /// The counters are those whose headers end with the name: `x-ratelimit-remaining-tokens` and
    /// `anthropic-ratelimit-tokens-remaining` of `tokens`.
    ///
    /// ```
    /// use tower_backoff::policy::{PartialQuota, Provider};
    ///
    /// let acme = Provider::new("acme").partial_quota(PartialQuota::of_published_costs("tokens"));
    /// # let _ = acme;
    /// ```
    ///
    /// # Panics
    ///
    /// If the name is empty.
    #[track_caller]
    pub fn of_published_costs(name: impl Into<Cow<'static, str>>) -> Self {
        let name = name.into();
        assert_named(&name);
        Self {
            name: format!("only {name}").into(),
            counts: Counted::Costs(name),
            quotas: Vec::new(),
        }
    }

    #[track_caller]
    fn new(counts: Counted, quota: Quota, counted: String) -> Self {
        assert!(
            quota.window().is_some(),
            "a partial quota needs a window: write it such as Quota::per_second(1)"
        );
        Self {
            counts,
            quotas: vec![quota],
            name: format!("only {counted}").into(),
        }
    }

    /// How much of it a call takes until it is answered, if it has to wait for it.
    pub(crate) fn cost_of(&self, method: &Method, cost: Cost) -> Option<u32> {
        match &self.counts {
            Counted::Writes => (!method.is_safe()).then_some(1),
            Counted::Statuses(_) => Some(1),
            Counted::Costs(name) => cost.get_of(name),
        }
    }

    /// How much a call has truly taken that is answered, or failed. `None` if it is what was taken before.
    pub(crate) fn true_cost(&self, status: Option<StatusCode>, cost: Option<Cost>) -> Option<u32> {
        match &self.counts {
            Counted::Writes => None,
            Counted::Statuses(statuses) => {
                let counts = status.is_some_and(|status| statuses.contains(&status));
                (!counts).then_some(0)
            }
            Counted::Costs(name) => cost?.get_of(name),
        }
    }

    /// The name of the costs that it counts.
    pub(crate) fn cost_name(&self) -> Option<&str> {
        self.named_cost().map(AsRef::as_ref)
    }

    /// The same, to keep.
    pub(super) fn named_cost(&self) -> Option<&Cow<'static, str>> {
        match &self.counts {
            Counted::Costs(name) => Some(name),
            _ => None,
        }
    }

    /// Whether it counts costs and not calls.
    pub(crate) fn counts_costs(&self) -> bool {
        self.cost_name().is_some()
    }

    /// How its gate is told from others of the scope.
    pub(crate) fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// What it allows, as gates take it.
    pub(crate) fn quotas(&self) -> &[Quota] {
        &self.quotas
    }

    /// What it counts, for people to read, such as `only writes`.
    pub(super) fn words(&self) -> (&str, &[Quota]) {
        (&self.name, &self.quotas)
    }

    /// Joins the quotas of another one that counts the same. Returns whether it does.
    pub(super) fn join(&mut self, other: &Self) -> bool {
        let is_same = self.counts == other.counts;
        if is_same {
            self.quotas.extend(&other.quotas);
        }
        is_same
    }
}

#[track_caller]
fn assert_named(name: &str) {
    assert!(
        !name.is_empty(),
        "costs need a name, such as PartialQuota::of_published_costs(\"tokens\")"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_are_calls_whose_method_is_not_safe() {
        let writes = PartialQuota::of_writes(Quota::per_second(1));
        let cost = |method| writes.cost_of(&method, Cost::new(9));
        for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            assert_eq!(cost(method), Some(1));
        }
        for method in [Method::GET, Method::HEAD, Method::OPTIONS] {
            assert_eq!(cost(method), None);
        }
        assert_eq!(writes.true_cost(None, None), None);
    }

    #[test]
    fn statuses_count_when_they_come() {
        let refusals = PartialQuota::of_statuses([401, 403], Quota::per_hour(9));
        assert_eq!(refusals.cost_of(&Method::GET, Cost::new(9)), Some(1));
        let cost = |status| refusals.true_cost(status, Some(Cost::new(9)));
        assert_eq!(cost(Some(StatusCode::FORBIDDEN)), None);
        assert_eq!((cost(Some(StatusCode::OK)), cost(None)), (Some(0), Some(0)));
    }

    #[test]
    fn named_costs_count_as_much_as_they_are() {
        let tokens = PartialQuota::of_costs("tokens", Quota::per_minute(9_000));
        let (named, plain) = (Cost::of("tokens", 900), Cost::new(900));
        assert_eq!(tokens.cost_of(&Method::GET, named), Some(900));
        assert_eq!(tokens.cost_of(&Method::POST, plain), None);
        assert_eq!(tokens.true_cost(None, Some(Cost::of("tokens", 5))), Some(5));
        assert_eq!(tokens.true_cost(None, Some(plain)), None);
        assert!(
            PartialQuota::of_published_costs("tokens")
                .quotas()
                .is_empty()
        );
    }

    #[test]
    #[should_panic(expected = "a partial quota needs a window")]
    fn calls_at_once_are_refused() {
        drop(PartialQuota::of_writes(Quota::concurrent(1)));
    }
}
