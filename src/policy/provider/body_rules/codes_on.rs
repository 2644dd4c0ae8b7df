//! Codes that mean one thing, under any status or under some only.

use std::borrow::Cow;

use http::StatusCode;

use super::{BodyRules, Words, words};
use crate::policy::{Provider, arguments};

/// Codes that mean one thing.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::policy::provider) struct Codes {
    /// Those that count under any status.
    pub(in crate::policy::provider) always: Words,
    pub(in crate::policy::provider) on: Vec<CodesOn>,
}

/// Codes, and the statuses under which they count.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::policy::provider) struct CodesOn {
    pub(in crate::policy::provider) statuses: Vec<StatusCode>,
    pub(in crate::policy::provider) codes: Words,
}

impl Codes {
    pub(super) fn is_empty(&self) -> bool {
        self.always.is_empty() && self.on.is_empty()
    }

    pub(super) fn add<C: Into<Cow<'static, str>>>(&mut self, codes: impl IntoIterator<Item = C>) {
        self.always.extend(words(codes));
    }

    #[track_caller]
    fn add_on<S, C>(
        &mut self,
        statuses: impl IntoIterator<Item = S>,
        codes: impl IntoIterator<Item = C>,
    ) where
        S: TryInto<StatusCode>,
        C: Into<Cow<'static, str>>,
    {
        self.on.push(CodesOn {
            statuses: arguments::statuses(statuses),
            codes: words(codes),
        });
    }

    /// Those that count under this status.
    pub(super) fn on(&self, status: StatusCode) -> impl Iterator<Item = &Words> {
        let here = self
            .on
            .iter()
            .filter(move |on| on.statuses.contains(&status));
        [&self.always].into_iter().chain(here.map(|on| &on.codes))
    }
}

impl BodyRules {
    /// Whether a code stands in a body that counts under any status, or under this one.
    pub(super) fn has_code_on(&self, status: StatusCode, body: &[u8], codes: &Codes) -> bool {
        codes.on(status).any(|codes| self.has_code(body, codes))
    }
}

impl Provider {
    /// Makes refusals with these statuses final whose body has one of these codes.
    ///
    /// It is for codes that mean something else under another status. It replaces the codes that were there, also those
    /// of [`final_codes`](Self::final_codes).
    ///
    /// ```
    /// use tower_backoff::policy::{Attempt, Policy, Provider, Ruling};
    ///
    /// // "LIMIT" is a plan that has ended under 403, and a moment's load under 503.
    /// let acme = Provider::new("acme").throttled_codes(["LIMIT"]).final_codes_on([403], ["LIMIT"]);
    ///
    /// let request = http::Request::get("https://api.example.com/").body(())?;
    /// for (status, ruling) in [(403, Ruling::Refuse), (503, Ruling::Throttled)] {
    ///     let response = http::Response::builder().status(status).body(())?;
    ///     let attempt = Attempt::new(&request, &response).with_body(br#"{"code":"LIMIT"}"#);
    ///     assert_eq!(acme.judge(&attempt).ruling(), ruling);
    /// }
    /// # Ok::<(), http::Error>(())
    /// ```
    #[must_use]
    #[track_caller]
    pub fn final_codes_on<S, C>(
        self,
        statuses: impl IntoIterator<Item = S>,
        codes: impl IntoIterator<Item = C>,
    ) -> Self
    where
        S: TryInto<StatusCode>,
        C: Into<Cow<'static, str>>,
    {
        self.without_final_codes()
            .add_final_codes_on(statuses, codes)
    }

    /// Adds codes to [`final_codes_on`](Self::final_codes_on).
    ///
    /// ```
    /// # use tower_backoff::policy::Provider;
    /// let acme = Provider::new("acme").final_codes(["BROKE"]).add_final_codes_on([403], ["LIMIT"]);
    /// assert_ne!(acme, Provider::new("acme").final_codes(["BROKE", "LIMIT"]));
    /// ```
    #[must_use]
    #[track_caller]
    pub fn add_final_codes_on<S, C>(
        mut self,
        statuses: impl IntoIterator<Item = S>,
        codes: impl IntoIterator<Item = C>,
    ) -> Self
    where
        S: TryInto<StatusCode>,
        C: Into<Cow<'static, str>>,
    {
        self.body_rules.final_codes.add_on(statuses, codes);
        self
    }

    /// Treats these statuses as refusals by a limit if the body has one of these codes.
    ///
    /// It replaces the codes that were there, also those of [`throttled_codes`](Self::throttled_codes).
    ///
    /// ```
    /// use tower_backoff::policy::{Attempt, Policy, Provider, Ruling};
    ///
    /// let acme = Provider::new("acme").throttled_codes_on([400], ["Throttling"]);
    ///
    /// let request = http::Request::get("https://api.example.com/").body(())?;
    /// for (status, ruling) in [(400, Ruling::Throttled), (403, Ruling::Refuse)] {
    ///     let response = http::Response::builder().status(status).body(())?;
    ///     let attempt = Attempt::new(&request, &response).with_body(br#"{"code":"Throttling"}"#);
    ///     assert_eq!(acme.judge(&attempt).ruling(), ruling);
    /// }
    /// # Ok::<(), http::Error>(())
    /// ```
    #[must_use]
    #[track_caller]
    pub fn throttled_codes_on<S, C>(
        self,
        statuses: impl IntoIterator<Item = S>,
        codes: impl IntoIterator<Item = C>,
    ) -> Self
    where
        S: TryInto<StatusCode>,
        C: Into<Cow<'static, str>>,
    {
        self.without_throttled_codes()
            .add_throttled_codes_on(statuses, codes)
    }

    /// Adds codes to [`throttled_codes_on`](Self::throttled_codes_on).
    ///
    /// ```
    /// # use tower_backoff::policy::Provider;
    /// let acme = Provider::new("acme").throttled_codes(["SLOW"]).add_throttled_codes_on([400], ["BUSY"]);
    /// assert_ne!(acme, Provider::new("acme").throttled_codes(["SLOW", "BUSY"]));
    /// ```
    #[must_use]
    #[track_caller]
    pub fn add_throttled_codes_on<S, C>(
        mut self,
        statuses: impl IntoIterator<Item = S>,
        codes: impl IntoIterator<Item = C>,
    ) -> Self
    where
        S: TryInto<StatusCode>,
        C: Into<Cow<'static, str>>,
    {
        self.body_rules.throttled_codes.add_on(statuses, codes);
        self
    }

    /// Retries only this call, whatever the method, if such a status has one of these codes in its body.
    ///
    /// It replaces the codes that were there, also those of [`retried_codes`](Self::retried_codes).
    ///
    /// ```
    /// use tower_backoff::policy::{Attempt, Policy, Provider, Verdict};
    ///
    /// let acme = Provider::new("acme").retried_codes_on([409], ["LOCKED"]);
    ///
    /// let request = http::Request::post("https://api.example.com/").body(())?;
    /// for (status, verdict) in [(409, Verdict::retry()), (423, Verdict::refuse())] {
    ///     let response = http::Response::builder().status(status).body(())?;
    ///     let attempt = Attempt::new(&request, &response).with_body(br#"{"code":"LOCKED"}"#);
    ///     assert_eq!(acme.judge(&attempt), verdict);
    /// }
    /// # Ok::<(), http::Error>(())
    /// ```
    #[must_use]
    #[track_caller]
    pub fn retried_codes_on<S, C>(
        self,
        statuses: impl IntoIterator<Item = S>,
        codes: impl IntoIterator<Item = C>,
    ) -> Self
    where
        S: TryInto<StatusCode>,
        C: Into<Cow<'static, str>>,
    {
        self.without_retried_codes()
            .add_retried_codes_on(statuses, codes)
    }

    /// Adds codes to [`retried_codes_on`](Self::retried_codes_on).
    ///
    /// ```
    /// # use tower_backoff::policy::Provider;
    /// let acme = Provider::new("acme").retried_codes(["LOCKED"]).add_retried_codes_on([409], ["IN_USE"]);
    /// assert_ne!(acme, Provider::new("acme").retried_codes(["LOCKED", "IN_USE"]));
    /// ```
    #[must_use]
    #[track_caller]
    pub fn add_retried_codes_on<S, C>(
        mut self,
        statuses: impl IntoIterator<Item = S>,
        codes: impl IntoIterator<Item = C>,
    ) -> Self
    where
        S: TryInto<StatusCode>,
        C: Into<Cow<'static, str>>,
    {
        self.body_rules.retried_codes.add_on(statuses, codes);
        self
    }
}
