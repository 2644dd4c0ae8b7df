//! What a broken connection means.

use super::Provider;

impl Provider {
    /// Never sends a request again whose connection broke after it may have arrived, whatever its method.
    ///
    /// It is for APIs that do work at a GET, or count each request against a quota that is paid for. Neither an
    /// `Idempotency-Key` nor [`Idempotent`](crate::Idempotent) lifts it. A request that was [not
    /// sent](crate::failure::Delivery::No) goes again as ever.
    ///
    /// # Default
    ///
    /// Such a request is sent again if it is idempotent.
    ///
    /// ```
    /// use tower_backoff::failure::Unsent;
    /// use tower_backoff::policy::{Attempt, Policy, Provider, Ruling};
    ///
    /// let acme = Provider::new("acme").never_after_broken_connection();
    ///
    /// let request = http::Request::get("https://api.example.com/draw").body(())?;
    /// let broken = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
    /// assert_eq!(acme.judge(&Attempt::failed(&request, &broken)).ruling(), Ruling::Refuse);
    /// let unsent = Unsent::new("no free connection");
    /// assert_eq!(acme.judge(&Attempt::failed(&request, &unsent)).ruling(), Ruling::Retry);
    /// # Ok::<(), http::Error>(())
    /// ```
    #[must_use]
    pub fn never_after_broken_connection(mut self) -> Self {
        self.statuses.never_after_broken_connection = true;
        self
    }

    /// Takes back what was said with [`never_after_broken_connection`](Self::never_after_broken_connection).
    ///
    /// ```
    /// # use tower_backoff::policy::Provider;
    /// let acme = Provider::new("acme").never_after_broken_connection();
    /// assert_eq!(acme.without_never_after_broken_connection(), Provider::new("acme"));
    /// ```
    #[must_use]
    pub fn without_never_after_broken_connection(mut self) -> Self {
        self.statuses.never_after_broken_connection = false;
        self
    }
}
