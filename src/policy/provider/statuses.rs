//! What each status means.

use std::time::Duration;

use http::{HeaderMap, HeaderName, StatusCode};

use super::Provider;

/// What the statuses of a provider mean, where they mean something else than usual.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::policy) struct Statuses {
    /// `None`: the usual ones.
    pub(super) retried: Option<Vec<u16>>,
    pub(super) any_method: Vec<u16>,
    pub(super) unprocessed: Vec<u16>,
    pub(super) final_for_good: Vec<u16>,
    /// Refusals by a limit, and for how long they hold where the response names no wait.
    pub(super) throttled: Vec<(u16, Duration)>,
    pub(super) should_retry_header: Option<HeaderName>,
}

impl Statuses {
    pub(in crate::policy) fn is_final(&self, status: StatusCode) -> bool {
        self.final_for_good.contains(&status.as_u16())
    }

    /// Whether a status is retried whatever the method.
    pub(in crate::policy) fn allows_any_method(&self, status: StatusCode) -> bool {
        let status = status.as_u16();
        self.any_method.contains(&status) || self.unprocessed.contains(&status)
    }

    /// Whether a status is worth another try; `None` if nothing is said about it.
    pub(in crate::policy) fn should_retry(&self, status: StatusCode) -> Option<bool> {
        if self.allows_any_method(status) {
            return Some(true);
        }
        let retried = self.retried.as_ref();
        retried.map(|listed| listed.contains(&status.as_u16()))
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
        let found = throttled.find(|(listed, _)| *listed == status.as_u16());
        found.map(|(_, lasting)| *lasting)
    }

    /// Whether a status below 400 is among them.
    pub(super) fn name_successes(&self) -> bool {
        let lists = [&self.any_method, &self.unprocessed, &self.final_for_good];
        let listed = lists.into_iter().chain(&self.retried).flatten();
        let throttled = self.throttled.iter().map(|(status, _)| status);
        listed.chain(throttled).any(|status| *status < 400)
    }
}

impl Provider {
    /// These statuses, and no others, are worth another try. The safety rule still holds: all but
    /// those that say that nothing was done (429, 425, 413, and a 408 over a connection that closes) are
    /// sent again only if that cannot do the work twice.
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
    pub fn retry_on(mut self, statuses: impl IntoIterator<Item = u16>) -> Self {
        self.statuses.retried = Some(checked(statuses));
        self
    }

    /// These statuses are sent again whatever the method.
    ///
    /// **This sends a POST twice.** A 500 may come after the order was placed; the second try places
    /// it again. Use it only where that is harmless, and prefer
    /// [`Idempotent`](crate::Idempotent) on the single request that it is harmless for.
    #[must_use]
    pub fn retry_any_method(mut self, statuses: impl IntoIterator<Item = u16>) -> Self {
        self.statuses.any_method.extend(checked(statuses));
        self
    }

    /// The provider's page says that it answers this *instead of* doing the work, so that any
    /// method may be sent again. Proxies write 503 also over work that was done: do not guess.
    #[must_use]
    pub fn unprocessed_on(mut self, statuses: impl IntoIterator<Item = u16>) -> Self {
        self.statuses.unprocessed.extend(checked(statuses));
        self
    }

    /// These statuses are final, whatever else the response says.
    ///
    /// A 403 that names a wait counts as a refusal by a limit, as GitHub sends it. Where it never is one, say so:
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
    pub fn final_on(mut self, statuses: impl IntoIterator<Item = u16>) -> Self {
        self.statuses.final_for_good.extend(checked(statuses));
        self
    }

    /// These statuses tell of a block which, unless the response names another wait, lasts this long:
    /// a ban, say, that its page measures. They are refusals by a limit, whatever the method.
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
    pub fn throttled_on(
        mut self,
        statuses: impl IntoIterator<Item = u16>,
        lasting: Duration,
    ) -> Self {
        assert_lasts(lasting);
        let statuses = checked(statuses).into_iter();
        let throttled = statuses.map(|status| (status, lasting));
        self.statuses.throttled.extend(throttled);
        self
    }

    /// The provider answers the question itself, in this header: `false` makes any refusal final,
    /// `true` makes it worth another try, if that is safe.
    ///
    /// ```
    /// use http::HeaderName;
    /// use tower_backoff::policy::Provider;
    ///
    /// let stripe = Provider::new("stripe")
    ///     .should_retry_header(HeaderName::from_static("stripe-should-retry"));
    /// # let _ = stripe;
    /// ```
    #[must_use]
    pub fn should_retry_header(mut self, name: HeaderName) -> Self {
        self.statuses.should_retry_header = Some(name);
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

#[track_caller]
pub(super) fn checked(statuses: impl IntoIterator<Item = u16>) -> Vec<u16> {
    let statuses: Vec<u16> = statuses.into_iter().collect();
    let all_valid = statuses.iter().all(|status| (100..1000).contains(status));
    assert!(
        all_valid,
        "a status has three digits: write it as in the provider's page, such as 503"
    );
    statuses
}
