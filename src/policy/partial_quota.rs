//! Quotas that count only some calls of a scope.

use std::sync::Arc;

use http::{Method, StatusCode};

use super::arguments;
use crate::gate::Quota;

/// A quota beside those of a scope, which counts only some of its calls: writes, or responses with a status.
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
    quota: Quota,
    /// How its gate is told from others of the scope.
    name: Arc<str>,
}

/// What a partial quota counts.
#[derive(Clone, Debug, PartialEq)]
enum Counted {
    Writes,
    Statuses(Vec<StatusCode>),
}

impl PartialQuota {
    /// Counts calls whose method is not safe (RFC 9110, 9.2.1): `POST`, `PUT`, `PATCH`, `DELETE` and the like.
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
    /// If the quota is a number of calls at once, or a status has not three digits.
    #[track_caller]
    pub fn of_statuses<S>(statuses: impl IntoIterator<Item = S>, quota: Quota) -> Self
    where
        S: TryInto<StatusCode>,
    {
        let statuses = arguments::statuses(statuses);
        let words: Vec<_> = statuses.iter().map(StatusCode::as_str).collect();
        let name = words.join(", ");
        Self::new(Counted::Statuses(statuses), quota, name)
    }

    #[track_caller]
    fn new(counts: Counted, quota: Quota, counted: String) -> Self {
        assert!(
            quota.window().is_some(),
            "a partial quota needs a window: write it such as Quota::per_second(1)"
        );
        Self {
            counts,
            quota,
            name: format!("only {counted}").into(),
        }
    }

    /// Whether a call with this method has to wait for it.
    pub(crate) fn concerns(&self, method: &Method) -> bool {
        match self.counts {
            Counted::Writes => !method.is_safe(),
            Counted::Statuses(_) => true,
        }
    }

    /// Whether a call that it concerns counts, now that it is answered, or failed.
    pub(crate) fn counts(&self, status: Option<StatusCode>) -> bool {
        match &self.counts {
            Counted::Writes => true,
            Counted::Statuses(statuses) => status.is_some_and(|status| statuses.contains(&status)),
        }
    }

    /// How its gate is told from others of the scope.
    pub(crate) fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// What it allows, as gates take it.
    pub(crate) fn quotas(&self) -> &[Quota] {
        std::slice::from_ref(&self.quota)
    }

    /// What it counts, for people to read, such as `only writes`.
    pub(super) fn words(&self) -> (&str, &Quota) {
        (&self.name, &self.quota)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_are_calls_whose_method_is_not_safe() {
        let writes = PartialQuota::of_writes(Quota::per_second(1));
        for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            assert!(writes.concerns(&method), "{method}");
        }
        for method in [Method::GET, Method::HEAD, Method::OPTIONS] {
            assert!(!writes.concerns(&method), "{method}");
        }
        assert!(writes.counts(None) && writes.counts(Some(StatusCode::OK)));
    }

    #[test]
    fn statuses_count_when_they_come() {
        let refusals = PartialQuota::of_statuses([401, 403], Quota::per_hour(9));
        assert!(refusals.concerns(&Method::GET));
        assert!(refusals.counts(Some(StatusCode::FORBIDDEN)));
        assert!(!refusals.counts(Some(StatusCode::OK)) && !refusals.counts(None));
    }

    #[test]
    #[should_panic(expected = "a partial quota needs a window")]
    fn calls_at_once_are_refused() {
        drop(PartialQuota::of_writes(Quota::concurrent(1)));
    }
}
