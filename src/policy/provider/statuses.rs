//! What each status means.

use std::time::Duration;

use http::{HeaderName, StatusCode};

use super::Provider;

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
        self.retried = Some(self.named(statuses));
        self
    }

    /// These statuses are sent again whatever the method.
    ///
    /// **This sends a POST twice.** A 500 may come after the order was placed; the second try places
    /// it again. Use it only where that is harmless, and prefer
    /// [`Idempotent`](crate::Idempotent) on the single request that it is harmless for.
    #[must_use]
    pub fn retry_any_method(mut self, statuses: impl IntoIterator<Item = u16>) -> Self {
        let statuses = self.named(statuses);
        self.any_method.extend(statuses);
        self
    }

    /// The provider's page says that it answers this *instead of* doing the work, so that any
    /// method may be sent again. Proxies write 503 also over work that was done: do not guess.
    #[must_use]
    pub fn unprocessed_on(mut self, statuses: impl IntoIterator<Item = u16>) -> Self {
        let statuses = self.named(statuses);
        self.unprocessed.extend(statuses);
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
        let statuses = self.named(statuses);
        self.final_statuses.extend(statuses);
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
        let statuses = self.named(statuses).into_iter();
        self.blocks.extend(statuses.map(|status| (status, lasting)));
        self
    }

    /// How long the block lasts that a status tells of.
    pub(in crate::policy) fn block_of(&self, status: StatusCode) -> Option<Duration> {
        let mut blocks = self
            .blocks
            .iter()
            .filter(|(code, _)| *code == status.as_u16());
        blocks.next_back().map(|(_, lasting)| *lasting)
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
        self.should_retry = Some(name);
        self
    }

    #[track_caller]
    fn named(&mut self, statuses: impl IntoIterator<Item = u16>) -> Vec<u16> {
        let statuses = checked(statuses);
        self.names_served |= statuses.iter().any(|status| *status < 400);
        statuses
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
