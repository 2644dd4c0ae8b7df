//! The header that says whether another try is worth it.

use http::{HeaderMap, HeaderName, StatusCode};

use super::Statuses;
use crate::header_name::header_name;
use crate::policy::Provider;

/// The header that answers the question of another try, and what its `true` is worth.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::policy::provider) struct ShouldRetry {
    pub(in crate::policy::provider) header: HeaderName,
    /// Whether its `true` says that a second request does no harm, whatever the method.
    pub(in crate::policy::provider) any_method: bool,
}

impl Statuses {
    /// What the provider's own header says about another try.
    pub(in crate::policy) fn header_says(
        &self,
        status: StatusCode,
        headers: &HeaderMap,
    ) -> Option<bool> {
        let stated = self.should_retry.as_ref();
        let stated = stated.filter(|_| status.as_u16() >= 400)?;
        match headers.get(&stated.header)?.as_bytes() {
            b"true" => Some(true),
            b"false" => Some(false),
            _ => None,
        }
    }

    /// Whether the header asks for another try, whatever the method.
    pub(in crate::policy) fn header_allows_any_method(
        &self,
        status: StatusCode,
        headers: &HeaderMap,
    ) -> bool {
        let any_method = self.should_retry.as_ref().is_some_and(|s| s.any_method);
        any_method && self.header_says(status, headers) == Some(true)
    }
}

impl Provider {
    /// Reads from this header whether another try is worth it.
    ///
    /// `false` ends the call, whatever else the response says. `true` adds the status to those that are retried; the
    /// safety rule still holds, so that a POST needs an `Idempotency-Key` or
    /// [`should_retry_any_method`](Self::should_retry_any_method). It replaces the header that was named, and what was
    /// said about its methods.
    ///
    /// ```
    /// use tower_backoff::policy::{Attempt, Policy, Provider, Ruling};
    ///
    /// let stripe = Provider::new("stripe").should_retry_header("stripe-should-retry");
    ///
    /// let charge = http::Request::post("https://api.stripe.com/v1/charges");
    /// let response = http::Response::builder().status(409).header("stripe-should-retry", "true").body(())?;
    /// let with_key = charge.header("idempotency-key", "7f3a").body(())?;
    /// assert_eq!(stripe.judge(&Attempt::new(&with_key, &response)).ruling(), Ruling::Retry);
    /// let without = http::Request::post("https://api.stripe.com/v1/charges").body(())?;
    /// assert_eq!(stripe.judge(&Attempt::new(&without, &response)).ruling(), Ruling::Refuse);
    /// # Ok::<(), http::Error>(())
    /// ```
    #[must_use]
    #[track_caller]
    pub fn should_retry_header(mut self, name: impl TryInto<HeaderName> + AsRef<str>) -> Self {
        self.statuses.should_retry = Some(ShouldRetry {
            header: header_name(name),
            any_method: false,
        });
        self
    }

    /// Sends any method again when the should-retry header says `true`.
    ///
    /// The page or the official client of the provider has to say it: the header then means that a second request does
    /// no harm. With Stripe it does not mean that, because its clients send an `Idempotency-Key` with every POST.
    ///
    /// ```
    /// use tower_backoff::policy::{Attempt, Policy, Provider, Ruling};
    ///
    /// let openai = Provider::new("openai").should_retry_header("x-should-retry").should_retry_any_method();
    ///
    /// let request = http::Request::post("https://api.openai.com/v1/responses").body(())?;
    /// let response = http::Response::builder().status(500).header("x-should-retry", "true").body(())?;
    /// assert_eq!(openai.judge(&Attempt::new(&request, &response)).ruling(), Ruling::Retry);
    /// # Ok::<(), http::Error>(())
    /// ```
    ///
    /// # Panics
    ///
    /// If no header [is named](Self::should_retry_header).
    #[must_use]
    #[track_caller]
    pub fn should_retry_any_method(mut self) -> Self {
        let stated = self.statuses.should_retry.as_mut();
        stated
            .expect("there is no header: write should_retry_header(name) first")
            .any_method = true;
        self
    }

    /// Takes back what was said with [`should_retry_header`](Self::should_retry_header), and about its methods.
    ///
    /// ```
    /// # use tower_backoff::policy::Provider;
    /// let acme = Provider::new("acme").should_retry_header("x-should-retry").without_should_retry_header();
    /// assert_eq!(acme, Provider::new("acme"));
    /// ```
    #[must_use]
    pub fn without_should_retry_header(mut self) -> Self {
        self.statuses.should_retry = None;
        self
    }
}
