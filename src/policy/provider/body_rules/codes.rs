//! Codes that mean something under any status, and where they stand.

use std::borrow::Cow;

use super::{Codes, words};
use crate::policy::Provider;

impl Provider {
    /// Makes any refusal final whose JSON or XML body has one of these codes: out of credits, validation.
    ///
    /// A code is a whole value of the body, or the whole text of an element; letter case and a namespace that ends in `#`
    /// do not matter. It replaces the codes that were there.
    #[must_use]
    pub fn final_codes<C: Into<Cow<'static, str>>>(
        self,
        codes: impl IntoIterator<Item = C>,
    ) -> Self {
        self.without_final_codes().add_final_codes(codes)
    }

    /// Adds codes to [`final_codes`](Self::final_codes).
    ///
    /// ```
    /// # use tower_backoff::policy::Provider;
    /// let acme = Provider::new("acme").final_codes(["BROKE"]).add_final_codes(["BANNED"]);
    /// assert_eq!(acme, Provider::new("acme").final_codes(["BROKE", "BANNED"]));
    /// ```
    #[must_use]
    pub fn add_final_codes<C: Into<Cow<'static, str>>>(
        mut self,
        codes: impl IntoIterator<Item = C>,
    ) -> Self {
        self.body_rules.final_codes.add(codes);
        self
    }

    /// Takes back what was said with [`final_codes`](Self::final_codes) and [`final_codes_on`](Self::final_codes_on).
    ///
    /// ```
    /// # use tower_backoff::policy::Provider;
    /// let acme = Provider::new("acme").final_codes(["BROKE"]).without_final_codes();
    /// assert_eq!(acme, Provider::new("acme"));
    /// ```
    #[must_use]
    pub fn without_final_codes(mut self) -> Self {
        self.body_rules.final_codes = Codes::default();
        self
    }

    /// Treats any status as a refusal by a limit if the JSON or XML body has one of these codes.
    ///
    /// It replaces the codes that were there.
    ///
    /// ```
    /// use tower_backoff::policy::{Attempt, Policy, Provider, Ruling};
    ///
    /// let aws = Provider::new("aws").throttled_codes(["ThrottlingException", "SlowDown"]);
    ///
    /// let request = http::Request::post("https://dynamodb.example.com/").body(())?;
    /// for (status, body) in [
    ///     (400, r#"{"__type":"com.amazonaws.dynamodb.v20120810#ThrottlingException"}"#),
    ///     (503, "<Error><Code>SlowDown</Code></Error>"),
    /// ] {
    ///     let response = http::Response::builder().status(status).body(())?;
    ///     let attempt = Attempt::new(&request, &response).with_body(body.as_bytes());
    ///     assert_eq!(aws.judge(&attempt).ruling(), Ruling::Throttled);
    /// }
    /// # Ok::<(), http::Error>(())
    /// ```
    #[must_use]
    pub fn throttled_codes<C: Into<Cow<'static, str>>>(
        self,
        codes: impl IntoIterator<Item = C>,
    ) -> Self {
        self.without_throttled_codes().add_throttled_codes(codes)
    }

    /// Adds codes to [`throttled_codes`](Self::throttled_codes).
    ///
    /// ```
    /// # use tower_backoff::policy::Provider;
    /// let acme = Provider::new("acme").throttled_codes(["SLOW"]).add_throttled_codes(["BUSY"]);
    /// assert_eq!(acme, Provider::new("acme").throttled_codes(["SLOW", "BUSY"]));
    /// ```
    #[must_use]
    pub fn add_throttled_codes<C: Into<Cow<'static, str>>>(
        mut self,
        codes: impl IntoIterator<Item = C>,
    ) -> Self {
        self.body_rules.throttled_codes.add(codes);
        self
    }

    /// Takes back what was said with [`throttled_codes`](Self::throttled_codes) and [`throttled_codes_on`](Self::throttled_codes_on).
    ///
    /// ```
    /// # use tower_backoff::policy::Provider;
    /// let acme = Provider::new("acme").throttled_codes(["SLOW"]).without_throttled_codes();
    /// assert_eq!(acme, Provider::new("acme"));
    /// ```
    #[must_use]
    pub fn without_throttled_codes(mut self) -> Self {
        self.body_rules.throttled_codes = Codes::default();
        self
    }

    /// Retries only this call, whatever the method, if the JSON or XML body has one of these codes.
    ///
    /// Such a code says that something was locked and nothing was done. The call goes again by its own backoff, and
    /// no other call waits, also if the status is 429. It replaces the codes that were there.
    ///
    /// ```
    /// use tower_backoff::policy::{Attempt, Policy, Provider, Verdict};
    ///
    /// let stripe = Provider::new("stripe").retried_codes(["lock_timeout"]);
    ///
    /// let request = http::Request::post("https://api.stripe.com/v1/refunds").body(())?;
    /// let response = http::Response::builder().status(429).body(())?;
    /// let body = br#"{"error":{"code":"lock_timeout"}}"#;
    /// let attempt = Attempt::new(&request, &response).with_body(body);
    /// assert_eq!(stripe.judge(&attempt), Verdict::retry());
    /// # Ok::<(), http::Error>(())
    /// ```
    #[must_use]
    pub fn retried_codes<C: Into<Cow<'static, str>>>(
        self,
        codes: impl IntoIterator<Item = C>,
    ) -> Self {
        self.without_retried_codes().add_retried_codes(codes)
    }

    /// Adds codes to [`retried_codes`](Self::retried_codes).
    ///
    /// ```
    /// # use tower_backoff::policy::Provider;
    /// let acme = Provider::new("acme").retried_codes(["LOCKED"]).add_retried_codes(["IN_USE"]);
    /// assert_eq!(acme, Provider::new("acme").retried_codes(["LOCKED", "IN_USE"]));
    /// ```
    #[must_use]
    pub fn add_retried_codes<C: Into<Cow<'static, str>>>(
        mut self,
        codes: impl IntoIterator<Item = C>,
    ) -> Self {
        self.body_rules.retried_codes.add(codes);
        self
    }

    /// Takes back what was said with [`retried_codes`](Self::retried_codes) and [`retried_codes_on`](Self::retried_codes_on).
    ///
    /// ```
    /// # use tower_backoff::policy::Provider;
    /// let acme = Provider::new("acme").retried_codes(["LOCKED"]).without_retried_codes();
    /// assert_eq!(acme, Provider::new("acme"));
    /// ```
    #[must_use]
    pub fn without_retried_codes(mut self) -> Self {
        self.body_rules.retried_codes = Codes::default();
        self
    }

    /// Looks for codes only at these paths of the body. It replaces the paths that were there.
    ///
    /// This is for providers whose bodies hold what their users wrote. The segments of a path are parted by dots, and
    /// `*` is any name or index. In XML the first segment is the root element: `Error.Code`.
    ///
    /// # Default
    ///
    /// Any string and any number in the body may be a code.
    ///
    /// ```
    /// use tower_backoff::policy::Provider;
    ///
    /// let graphql = Provider::new("acme")
    ///     .inspect_bodies_of([200])
    ///     .throttled_codes(["THROTTLED"])
    ///     .codes_at(["errors.*.extensions.code"]);
    /// # let _ = graphql;
    /// ```
    #[must_use]
    pub fn codes_at<P: Into<Cow<'static, str>>>(
        mut self,
        paths: impl IntoIterator<Item = P>,
    ) -> Self {
        self.body_rules.code_paths = words(paths);
        self
    }

    /// Takes back what was said with [`codes_at`](Self::codes_at): codes may stand anywhere.
    ///
    /// ```
    /// # use tower_backoff::policy::Provider;
    /// let acme = Provider::new("acme").codes_at(["error.code"]).without_codes_at();
    /// assert_eq!(acme, Provider::new("acme"));
    /// ```
    #[must_use]
    pub fn without_codes_at(mut self) -> Self {
        self.body_rules.code_paths.clear();
        self
    }
}
