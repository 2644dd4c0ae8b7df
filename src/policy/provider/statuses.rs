//! What each status means.

mod any_method;
mod idempotent_paths;
pub(super) mod should_retry;
mod throttled;

pub(super) use throttled::assert_lasts;

use std::borrow::Cow;
use std::time::Duration;

use http::StatusCode;
use should_retry::ShouldRetry;

use super::Provider;
use crate::policy::arguments;

/// What the statuses of a provider mean, where they mean something else than usual.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::policy) struct Statuses {
    /// `None`: the usual ones.
    pub(super) retried: Option<Vec<StatusCode>>,
    /// Retried beside the usual ones.
    pub(super) also_retried: Vec<StatusCode>,
    pub(super) any_method: Vec<StatusCode>,
    pub(super) unprocessed: Vec<StatusCode>,
    pub(super) final_for_good: Vec<StatusCode>,
    /// Refusals by a limit, and for how long they hold where the response names no wait.
    pub(super) throttled: Vec<(StatusCode, Duration)>,
    pub(super) should_retry: Option<ShouldRetry>,
    /// Paths whose POST is a pure question.
    pub(super) idempotent_paths: Vec<Cow<'static, str>>,
    /// Whether a request that may have arrived is never sent again when its connection breaks.
    pub(in crate::policy) never_after_broken_connection: bool,
}

impl Statuses {
    pub(in crate::policy) fn is_final(&self, status: StatusCode) -> bool {
        self.final_for_good.contains(&status)
    }

    /// Whether a status is retried whatever the method.
    pub(in crate::policy) fn allows_any_method(&self, status: StatusCode) -> bool {
        self.any_method.contains(&status) || self.unprocessed.contains(&status)
    }

    /// Whether a status is worth another try; `None` if nothing is said about it.
    pub(in crate::policy) fn should_retry(&self, status: StatusCode) -> Option<bool> {
        if self.allows_any_method(status) || self.also_retried.contains(&status) {
            return Some(true);
        }
        let retried = self.retried.as_ref();
        retried.map(|listed| listed.contains(&status))
    }

    /// How long a refusal under this status lasts by itself.
    pub(in crate::policy) fn throttled_for(&self, status: StatusCode) -> Option<Duration> {
        let mut throttled = self.throttled.iter().rev();
        let found = throttled.find(|(listed, _)| *listed == status);
        found.map(|(_, lasting)| *lasting)
    }

    /// Whether a status below 400 is among them.
    pub(super) fn name_successes(&self) -> bool {
        let is_success = |status: &StatusCode| status.as_u16() < 400;
        let names = |listed: &[StatusCode]| listed.iter().any(is_success);
        names(&self.any_method)
            || names(&self.unprocessed)
            || names(&self.also_retried)
            || names(&self.final_for_good)
            || self.retried.as_deref().is_some_and(names)
            || self.throttled.iter().any(|(status, _)| is_success(status))
    }
}

impl Provider {
    /// Retries on these statuses and no others.
    ///
    /// It replaces the list that was there, and what was added to it.
    ///
    /// The safety rule still holds: all but those that say that nothing was done (429, 425, 413, and a 408 over a
    /// connection that closes) are sent again only if that cannot do the work twice.
    ///
    /// # Default
    ///
    /// 408, 425, 429 and every 5xx but 501, 505 to 508, 510 and 511; 413 if a wait is named; 409 to a
    /// request with an `Idempotency-Key`.
    ///
    /// A 429 that is left out is not sent again, but it closes the gate all the same: the limit holds for the other
    /// calls, too.
    ///
    /// ```
    /// use tower_backoff::policy::{Attempt, Policy, Provider, Ruling};
    ///
    /// let acme = Provider::new("acme").retry_on([500, 503]);
    /// let request = http::Request::get("https://api.example.com/").body(())?;
    /// let response = http::Response::builder().status(429).body(())?;
    /// let verdict = acme.judge(&Attempt::new(&request, &response));
    /// assert!(verdict.ruling() == Ruling::Refuse && verdict.closes_gate());
    /// # Ok::<(), http::Error>(())
    /// ```
    #[must_use]
    #[track_caller]
    pub fn retry_on<S>(mut self, statuses: impl IntoIterator<Item = S>) -> Self
    where
        S: TryInto<StatusCode>,
    {
        self.statuses.retried = Some(arguments::statuses(statuses));
        self.statuses.also_retried.clear();
        self
    }

    /// Adds statuses to [`retry_on`](Self::retry_on), or to the standard ones where nothing was said.
    ///
    /// ```
    /// use tower_backoff::policy::{Attempt, Policy, Provider, Ruling};
    ///
    /// let acme = Provider::new("acme").add_retry_on([409]);
    /// let request = http::Request::get("https://api.example.com/").body(())?;
    /// for status in [409, 500] {
    ///     let response = http::Response::builder().status(status).body(())?;
    ///     assert_eq!(acme.judge(&Attempt::new(&request, &response)).ruling(), Ruling::Retry);
    /// }
    /// # Ok::<(), http::Error>(())
    /// ```
    #[must_use]
    #[track_caller]
    pub fn add_retry_on<S>(mut self, statuses: impl IntoIterator<Item = S>) -> Self
    where
        S: TryInto<StatusCode>,
    {
        let added = arguments::statuses(statuses);
        match &mut self.statuses.retried {
            Some(retried) => retried.extend(added),
            None => self.statuses.also_retried.extend(added),
        }
        self
    }

    /// Takes back what was said with [`retry_on`](Self::retry_on): the standard statuses count.
    ///
    /// ```
    /// # use tower_backoff::policy::Provider;
    /// let acme = Provider::new("acme").retry_on([500]).without_retry_on();
    /// assert_eq!(acme, Provider::new("acme"));
    /// ```
    #[must_use]
    pub fn without_retry_on(mut self) -> Self {
        self.statuses.retried = None;
        self.statuses.also_retried.clear();
        self
    }

    /// Makes these statuses final, whatever else the response says. It replaces the list that was there.
    ///
    /// A 403 that names a wait counts as a refusal by a limit, as GitHub sends it, unless it is listed here:
    ///
    /// ```
    /// use tower_backoff::policy::{Attempt, Policy, Provider, Ruling};
    ///
    /// let request = http::Request::get("https://api.example.com/").body(())?;
    /// let response = http::Response::builder().status(403).header("retry-after", "30").body(())?;
    /// let attempt = Attempt::new(&request, &response);
    ///
    /// let acme = Provider::new("acme");
    /// assert_eq!(acme.judge(&attempt).ruling(), Ruling::Throttled);
    /// assert_eq!(acme.final_on([403]).judge(&attempt).ruling(), Ruling::Refuse);
    /// # Ok::<(), http::Error>(())
    /// ```
    #[must_use]
    #[track_caller]
    pub fn final_on<S>(mut self, statuses: impl IntoIterator<Item = S>) -> Self
    where
        S: TryInto<StatusCode>,
    {
        self.statuses.final_for_good = arguments::statuses(statuses);
        self
    }

    /// Adds statuses to [`final_on`](Self::final_on).
    ///
    /// ```
    /// # use tower_backoff::policy::Provider;
    /// let acme = Provider::new("acme").final_on([400]).add_final_on([403]);
    /// assert_eq!(acme, Provider::new("acme").final_on([400, 403]));
    /// ```
    #[must_use]
    #[track_caller]
    pub fn add_final_on<S>(mut self, statuses: impl IntoIterator<Item = S>) -> Self
    where
        S: TryInto<StatusCode>,
    {
        let added = arguments::statuses(statuses);
        self.statuses.final_for_good.extend(added);
        self
    }

    /// Takes back what was said with [`final_on`](Self::final_on).
    ///
    /// ```
    /// # use tower_backoff::policy::Provider;
    /// let acme = Provider::new("acme").final_on([403]).without_final_on();
    /// assert_eq!(acme, Provider::new("acme"));
    /// ```
    #[must_use]
    pub fn without_final_on(mut self) -> Self {
        self.statuses.final_for_good.clear();
        self
    }
}
