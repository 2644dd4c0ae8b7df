//! What each status means.

use std::time::Duration;

use http::{HeaderMap, HeaderName, StatusCode};

use super::Provider;
use crate::header_name::header_name;
use crate::policy::arguments;

/// What the statuses of a provider mean, where they mean something else than usual.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::policy) struct Statuses {
    /// `None`: the usual ones.
    pub(super) retried: Option<Vec<StatusCode>>,
    pub(super) any_method: Vec<StatusCode>,
    pub(super) unprocessed: Vec<StatusCode>,
    pub(super) final_for_good: Vec<StatusCode>,
    /// Refusals by a limit, and for how long they hold where the response names no wait.
    pub(super) throttled: Vec<(StatusCode, Duration)>,
    pub(super) should_retry_header: Option<HeaderName>,
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
        if self.allows_any_method(status) {
            return Some(true);
        }
        let retried = self.retried.as_ref();
        retried.map(|listed| listed.contains(&status))
    }

    /// What the provider's own header says about another try.
    pub(in crate::policy) fn header_says(
        &self,
        status: StatusCode,
        headers: &HeaderMap,
    ) -> Option<bool> {
        let name = self.should_retry_header.as_ref();
        let name = name.filter(|_| status.as_u16() >= 400)?;
        match headers.get(name)?.as_bytes() {
            b"true" => Some(true),
            b"false" => Some(false),
            _ => None,
        }
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
            || names(&self.final_for_good)
            || self.retried.as_deref().is_some_and(names)
            || self.throttled.iter().any(|(status, _)| is_success(status))
    }
}

impl Provider {
    /// Retries on these statuses and no others. It replaces the list that was there.
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
        self
    }

    /// Retries on these statuses whatever the method. It replaces the list that was there.
    ///
    /// **This sends a POST twice.** A 500 may come after the order was placed; the second try places
    /// it again. Use it only where that is harmless, and prefer
    /// [`Idempotent`](crate::Idempotent) on the single request that it is harmless for.
    #[must_use]
    #[track_caller]
    pub fn retry_any_method<S>(mut self, statuses: impl IntoIterator<Item = S>) -> Self
    where
        S: TryInto<StatusCode>,
    {
        self.statuses.any_method = arguments::statuses(statuses);
        self
    }

    /// Adds statuses to [`retry_any_method`](Self::retry_any_method).
    ///
    /// ```
    /// # use tower_backoff::policy::Provider;
    /// let acme = Provider::new("acme").retry_any_method([500]).add_retry_any_method([502]);
    /// assert_eq!(acme, Provider::new("acme").retry_any_method([500, 502]));
    /// ```
    #[must_use]
    #[track_caller]
    pub fn add_retry_any_method<S>(mut self, statuses: impl IntoIterator<Item = S>) -> Self
    where
        S: TryInto<StatusCode>,
    {
        let added = arguments::statuses(statuses);
        self.statuses.any_method.extend(added);
        self
    }

    /// Takes back what was said with [`retry_any_method`](Self::retry_any_method).
    ///
    /// ```
    /// # use tower_backoff::policy::Provider;
    /// let acme = Provider::new("acme").retry_any_method([500]).without_retry_any_method();
    /// assert_eq!(acme, Provider::new("acme"));
    /// ```
    #[must_use]
    pub fn without_retry_any_method(mut self) -> Self {
        self.statuses.any_method.clear();
        self
    }

    /// Retries on statuses that the provider sends *instead of* doing the work, whatever the method.
    ///
    /// It replaces the list that was there. The page of the provider has to say it: proxies write 503 also over work
    /// that was done.
    #[must_use]
    #[track_caller]
    pub fn unprocessed_on<S>(mut self, statuses: impl IntoIterator<Item = S>) -> Self
    where
        S: TryInto<StatusCode>,
    {
        self.statuses.unprocessed = arguments::statuses(statuses);
        self
    }

    /// Adds statuses to [`unprocessed_on`](Self::unprocessed_on).
    ///
    /// ```
    /// # use tower_backoff::policy::Provider;
    /// let acme = Provider::new("acme").unprocessed_on([503]).add_unprocessed_on([529]);
    /// assert_eq!(acme, Provider::new("acme").unprocessed_on([503, 529]));
    /// ```
    #[must_use]
    #[track_caller]
    pub fn add_unprocessed_on<S>(mut self, statuses: impl IntoIterator<Item = S>) -> Self
    where
        S: TryInto<StatusCode>,
    {
        let added = arguments::statuses(statuses);
        self.statuses.unprocessed.extend(added);
        self
    }

    /// Takes back what was said with [`unprocessed_on`](Self::unprocessed_on).
    ///
    /// ```
    /// # use tower_backoff::policy::Provider;
    /// let acme = Provider::new("acme").unprocessed_on([503]).without_unprocessed_on();
    /// assert_eq!(acme, Provider::new("acme"));
    /// ```
    #[must_use]
    pub fn without_unprocessed_on(mut self) -> Self {
        self.statuses.unprocessed.clear();
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

    /// Treats these statuses as refusals by a limit that lasts this long, such as a ban.
    ///
    /// A wait that the response names counts for more. It replaces the list that was there.
    ///
    /// Such a refusal closes the gate for all calls, and longer each time that the next one is refused, too. The call is
    /// sent again whatever its method, because a limit refuses before any work is done, and until its
    /// [`Patience`](crate::Patience) ends: `max_retries` and the [`Budget`](crate::Budget) are for failures.
    ///
    /// nginx refuses with a bare 503 unless it is told otherwise:
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_backoff::policy::{Attempt, Policy, Provider, Ruling};
    ///
    /// let behind_nginx = Provider::new("acme").throttled_on([503], Duration::from_secs(1));
    ///
    /// let request = http::Request::get("https://api.example.com/").body(())?;
    /// let response = http::Response::builder().status(503).body(())?;
    /// let verdict = behind_nginx.judge(&Attempt::new(&request, &response));
    /// assert!(verdict.ruling() == Ruling::Throttled && verdict.closes_gate());
    /// # Ok::<(), http::Error>(())
    /// ```
    ///
    /// A ban:
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_backoff::policy::{Attempt, Policy, Provider, Verdict};
    ///
    /// let two_minutes = Duration::from_secs(120);
    /// let binance = Provider::new("binance").throttled_on([418], two_minutes);
    ///
    /// let request = http::Request::post("https://api.binance.com/api/v3/order").body(())?;
    /// let response = http::Response::builder().status(418).body(())?;
    /// let verdict = binance.judge(&Attempt::new(&request, &response));
    /// assert_eq!(verdict, Verdict::throttled().bare_wait(two_minutes));
    /// # Ok::<(), http::Error>(())
    /// ```
    ///
    /// # Panics
    ///
    /// If `lasting` is zero.
    #[must_use]
    #[track_caller]
    pub fn throttled_on<S>(
        mut self,
        statuses: impl IntoIterator<Item = S>,
        lasting: Duration,
    ) -> Self
    where
        S: TryInto<StatusCode>,
    {
        self.statuses.throttled.clear();
        self.add_throttled_on(statuses, lasting)
    }

    /// Adds statuses to [`throttled_on`](Self::throttled_on). Of one that is listed twice the last counts.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_backoff::policy::Provider;
    ///
    /// let [minute, hour] = [60, 3_600].map(Duration::from_secs);
    /// let acme = Provider::new("acme").throttled_on([418], minute).add_throttled_on([403], hour);
    /// # let _ = acme;
    /// ```
    ///
    /// # Panics
    ///
    /// If `lasting` is zero.
    #[must_use]
    #[track_caller]
    pub fn add_throttled_on<S>(
        mut self,
        statuses: impl IntoIterator<Item = S>,
        lasting: Duration,
    ) -> Self
    where
        S: TryInto<StatusCode>,
    {
        assert_lasts(lasting);
        let statuses = arguments::statuses(statuses).into_iter();
        let added = statuses.map(|status| (status, lasting));
        self.statuses.throttled.extend(added);
        self
    }

    /// Takes back what was said with [`throttled_on`](Self::throttled_on).
    ///
    /// ```
    /// # use tower_backoff::policy::Provider;
    /// # let minute = std::time::Duration::from_secs(60);
    /// let acme = Provider::new("acme").throttled_on([418], minute).without_throttled_on();
    /// assert_eq!(acme, Provider::new("acme"));
    /// ```
    #[must_use]
    pub fn without_throttled_on(mut self) -> Self {
        self.statuses.throttled.clear();
        self
    }

    /// Reads from this header whether another try is worth it. It replaces the header that was named.
    ///
    /// `false` makes any refusal final, `true` makes it worth another try, if that is safe.
    ///
    /// ```
    /// use tower_backoff::policy::Provider;
    ///
    /// let stripe = Provider::new("stripe").should_retry_header("stripe-should-retry");
    /// # let _ = stripe;
    /// ```
    #[must_use]
    #[track_caller]
    pub fn should_retry_header(mut self, name: impl TryInto<HeaderName> + AsRef<str>) -> Self {
        self.statuses.should_retry_header = Some(header_name(name));
        self
    }

    /// Takes back what was said with [`should_retry_header`](Self::should_retry_header).
    ///
    /// ```
    /// # use tower_backoff::policy::Provider;
    /// let acme = Provider::new("acme").should_retry_header("x-should-retry").without_should_retry_header();
    /// assert_eq!(acme, Provider::new("acme"));
    /// ```
    #[must_use]
    pub fn without_should_retry_header(mut self) -> Self {
        self.statuses.should_retry_header = None;
        self
    }
}

#[track_caller]
pub(super) fn assert_lasts(block: Duration) {
    assert!(
        !block.is_zero(),
        "a block needs a length: write how long the page says that it lasts"
    );
}
