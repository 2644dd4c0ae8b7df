//! What is sent again whatever the method.

use http::StatusCode;

use crate::policy::{Provider, arguments};

impl Provider {
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
}
