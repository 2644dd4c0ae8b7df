//! Where a provider names its waits, and how long one is that it does not name.

use std::time::Duration;

use http::{HeaderMap, HeaderName};

use super::Provider;
use crate::header_name::header_name;
use crate::hint::{Field, Head, HeaderScan, Hint, Reading, Remaining, Rules, Unit, is_silent};
use crate::policy::{Attempt, Verdict};

/// Where a provider names its waits, and how long one is that it does not name.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::policy) struct Waits {
    pub(in crate::policy) bare: Duration,
    pub(super) rules: Rules,
    /// Where a served answer asks for a pause.
    pub(super) pauses: Vec<Field>,
    pub(in crate::policy) attempt_header: Option<HeaderName>,
}

impl Default for Waits {
    fn default() -> Self {
        Self {
            bare: Verdict::BARE_WAIT,
            rules: Rules::default(),
            pauses: Vec::new(),
            attempt_header: None,
        }
    }
}

impl Waits {
    /// What the response says about when to come back.
    pub(in crate::policy) fn read(&self, head: Head<'_>, body: Option<&[u8]>) -> Reading {
        self.rules.read(head, body)
    }

    /// What is left of a published quota.
    pub(in crate::policy) fn remaining(
        &self,
        headers: &HeaderMap,
        scan: &HeaderScan<'_>,
        attempt: &Attempt<'_>,
    ) -> Option<Remaining> {
        self.rules.remaining(headers, scan, || attempt.received())
    }

    /// What is left of what has this name.
    pub(in crate::policy) fn remaining_of(
        &self,
        counted: &str,
        attempt: &Attempt<'_>,
    ) -> Option<Remaining> {
        let headers = attempt.headers()?;
        self.rules
            .remaining_of(counted, headers, || attempt.received())
    }

    /// The pause that a served answer asks for.
    pub(in crate::policy) fn pause(&self, head: Head<'_>, body: Option<&[u8]>) -> Option<Hint> {
        self.rules.pause(&self.pauses, head, body)
    }

    /// Whether a served answer may ask for a pause.
    pub(in crate::policy) fn have_pauses(&self) -> bool {
        !self.pauses.is_empty() || !self.rules.usages.is_empty()
    }

    /// Whether a wait or a pause may stand in a body.
    pub(in crate::policy) fn are_in_bodies(&self) -> bool {
        let mut fields = self.rules.fields.iter().chain(&self.pauses);
        fields.any(Field::is_in_body)
    }

    /// Whether these headers of a success say nothing that only this provider's rules read.
    pub(in crate::policy) fn accept_success(&self, headers: &HeaderMap) -> bool {
        self.rules.are_generic() || is_silent(headers)
    }

    /// Whether the head of a served answer may name a pause.
    pub(super) fn are_in_heads_of_successes(&self) -> bool {
        let mut pauses = self.pauses.iter();
        !self.rules.usages.is_empty() || pauses.any(|field| !field.is_in_body())
    }
}

impl Provider {
    /// Sets the default wait after a 429 without a header, or another refusal that names none.
    ///
    /// It doubles up to 15 minutes while refusals follow each other without an accepted response in between. It
    /// replaces the wait that was there.
    ///
    /// # Default
    ///
    /// 60 s.
    ///
    /// # Panics
    ///
    /// If `wait` is zero.
    #[must_use]
    #[track_caller]
    pub fn bare_429_wait(mut self, wait: Duration) -> Self {
        assert!(
            !wait.is_zero(),
            "a bare 429 needs a wait: write the provider's window, or leave the default of 60 s"
        );
        self.waits.bare = wait;
        self
    }

    /// Sets the unit of the bare numbers in one header, where it is not the usual one.
    ///
    /// It replaces what was said about the same header.
    ///
    /// ```
    /// use tower_backoff::{hint::Unit, policy::Provider};
    ///
    /// let altoviz = Provider::new("altoviz").header_unit("retry-after", Unit::Millis);
    /// # let _ = altoviz;
    /// ```
    #[must_use]
    #[track_caller]
    pub fn header_unit(mut self, name: impl TryInto<HeaderName> + AsRef<str>, unit: Unit) -> Self {
        let name = header_name(name);
        let units = &mut self.waits.rules.units;
        units.retain(|(stated, _)| *stated != name);
        units.push((name, unit));
        self
    }

    /// Takes back what was said about one header with [`header_unit`](Self::header_unit).
    ///
    /// ```
    /// # use tower_backoff::{hint::Unit, policy::Provider};
    /// let acme = Provider::new("acme").header_unit("retry-after", Unit::Millis);
    /// assert_eq!(acme.without_header_unit("retry-after"), Provider::new("acme"));
    /// ```
    #[must_use]
    #[track_caller]
    pub fn without_header_unit(mut self, name: impl TryInto<HeaderName> + AsRef<str>) -> Self {
        let name = header_name(name);
        let units = &mut self.waits.rules.units;
        units.retain(|(stated, _)| *stated != name);
        self
    }

    /// Names a place of the provider's own where a refusal states its wait.
    ///
    /// One in a header is tried before the usual ones, one in the body after them. It replaces the places that were
    /// there.
    ///
    /// ```
    /// use tower_backoff::{hint::{Field, Unit}, policy::Provider};
    ///
    /// let ipo_alerts = Provider::new("ipo-alerts")
    ///     .wait_from(Field::json("meta.expiresIn").unit(Unit::Millis));
    /// # let _ = ipo_alerts;
    /// ```
    #[must_use]
    pub fn wait_from(mut self, field: Field) -> Self {
        self.waits.rules.fields = vec![field];
        self
    }

    /// Adds a place to [`wait_from`](Self::wait_from). Of several waits the longest counts.
    ///
    /// ```
    /// # use tower_backoff::{hint::Field, policy::Provider};
    /// let acme = Provider::new("acme").wait_from(Field::json("wait"));
    /// assert_ne!(acme.clone().add_wait_from(Field::after("retry in ")), acme);
    /// ```
    #[must_use]
    pub fn add_wait_from(mut self, field: Field) -> Self {
        self.waits.rules.fields.push(field);
        self
    }

    /// Takes back what was said with [`wait_from`](Self::wait_from).
    ///
    /// ```
    /// # use tower_backoff::{hint::Field, policy::Provider};
    /// let acme = Provider::new("acme").wait_from(Field::json("wait")).without_wait_from();
    /// assert_eq!(acme, Provider::new("acme"));
    /// ```
    #[must_use]
    pub fn without_wait_from(mut self) -> Self {
        self.waits.rules.fields.clear();
        self
    }

    /// Adds a second to every wait, since the provider rounds them down to whole seconds.
    #[must_use]
    pub fn retry_after_rounded_down(mut self) -> Self {
        self.waits.rules.retry_after_rounded_down = true;
        self
    }

    /// Takes back what was said with [`retry_after_rounded_down`](Self::retry_after_rounded_down).
    ///
    /// ```
    /// # use tower_backoff::policy::Provider;
    /// let acme = Provider::new("acme").retry_after_rounded_down().without_retry_after_rounded_down();
    /// assert_eq!(acme, Provider::new("acme"));
    /// ```
    #[must_use]
    pub fn without_retry_after_rounded_down(mut self) -> Self {
        self.waits.rules.retry_after_rounded_down = false;
        self
    }

    /// Reads counters that count up: one header says how much was used, another how much there is.
    ///
    /// Each is a comma list of the same windows, which begin by the clock as those of [`Field::used_up`] do. What
    /// is left is spent before sending, and the end of a window that is used up is waited for. It replaces the
    /// counters that were there.
    ///
    /// # Default
    ///
    /// What is left is read from counters that say so, such as `X-RateLimit-Remaining`.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_backoff::policy::{Attempt, Policy, Provider, Ruling};
    ///
    /// let windows = [15 * 60, 24 * 60 * 60].map(Duration::from_secs);
    /// let strava = Provider::new("strava")
    ///     .usage_from("x-ratelimit-usage", "x-ratelimit-limit", windows);
    ///
    /// let request = http::Request::get("https://www.strava.com/api/v3/athlete").body(())?;
    /// let response = http::Response::builder()
    ///     .header("date", "Thu, 01 Jan 2026 10:07:30 GMT")
    ///     .header("x-ratelimit-limit", "200,2000")
    ///     .header("x-ratelimit-usage", "200,643")
    ///     .body(())?;
    /// let verdict = strava.judge(&Attempt::new(&request, &response));
    /// assert_eq!(verdict.ruling(), Ruling::Accept);
    /// assert_eq!(verdict.hint().unwrap().wait(), Duration::from_secs(450));
    /// # Ok::<(), http::Error>(())
    /// ```
    #[must_use]
    #[track_caller]
    pub fn usage_from(
        self,
        usage: impl TryInto<HeaderName> + AsRef<str>,
        limit: impl TryInto<HeaderName> + AsRef<str>,
        windows: impl Into<Vec<Duration>>,
    ) -> Self {
        self.without_usage_from()
            .add_usage_from(usage, limit, windows)
    }

    /// Adds two counters to [`usage_from`](Self::usage_from). The one with the least left counts.
    ///
    /// ```
    /// # use tower_backoff::policy::Provider;
    /// # let day = [std::time::Duration::from_secs(86_400)];
    /// let acme = Provider::new("acme").usage_from("x-usage", "x-limit", day);
    /// assert_ne!(acme.clone().add_usage_from("x-read-usage", "x-read-limit", day), acme);
    /// ```
    #[must_use]
    #[track_caller]
    pub fn add_usage_from(
        mut self,
        usage: impl TryInto<HeaderName> + AsRef<str>,
        limit: impl TryInto<HeaderName> + AsRef<str>,
        windows: impl Into<Vec<Duration>>,
    ) -> Self {
        let [usage, limit] = [header_name(usage), header_name(limit)];
        let counters = Field::used_up(usage.as_str(), limit.as_str(), windows);
        self.waits.rules.usages.push(counters);
        self
    }

    /// Takes back what was said with [`usage_from`](Self::usage_from).
    ///
    /// ```
    /// # use tower_backoff::policy::Provider;
    /// let acme = Provider::new("acme").usage_from("x-usage", "x-limit", []).without_usage_from();
    /// assert_eq!(acme, Provider::new("acme"));
    /// ```
    #[must_use]
    pub fn without_usage_from(mut self) -> Self {
        self.waits.rules.usages.clear();
        self
    }

    /// Names a place where an answer that was *served* says how long the next call has to wait.
    ///
    /// A place in the body needs [`inspect_bodies_of`](Self::inspect_bodies_of), too. It replaces the places that were
    /// there.
    ///
    /// ```
    /// use tower_backoff::{hint::Field, policy::Provider};
    ///
    /// // {"items": [...], "backoff": 10}
    /// let stack_exchange = Provider::new("stack-exchange")
    ///     .inspect_bodies_of([200])
    ///     .pause_from(Field::json("backoff"));
    /// # let _ = stack_exchange;
    /// ```
    #[must_use]
    pub fn pause_from(mut self, field: Field) -> Self {
        self.waits.pauses = vec![field];
        self
    }

    /// Adds a place to [`pause_from`](Self::pause_from). Of several pauses the longest counts.
    ///
    /// ```
    /// # use tower_backoff::{hint::Field, policy::Provider};
    /// let acme = Provider::new("acme").pause_from(Field::header("x-pause"));
    /// assert_ne!(acme.clone().add_pause_from(Field::header("x-slow-down")), acme);
    /// ```
    #[must_use]
    pub fn add_pause_from(mut self, field: Field) -> Self {
        self.waits.pauses.push(field);
        self
    }

    /// Takes back what was said with [`pause_from`](Self::pause_from).
    ///
    /// ```
    /// # use tower_backoff::{hint::Field, policy::Provider};
    /// let acme = Provider::new("acme").pause_from(Field::json("backoff")).without_pause_from();
    /// assert_eq!(acme, Provider::new("acme"));
    /// ```
    #[must_use]
    pub fn without_pause_from(mut self) -> Self {
        self.waits.pauses.clear();
        self
    }

    /// Writes into this header of the second attempt and later ones which attempt it is.
    ///
    /// The provider's own logs then tell retries from new calls. It replaces the header that was named.
    ///
    /// # Default
    ///
    /// No header is written.
    ///
    /// ```
    /// use tower_backoff::policy::Provider;
    ///
    /// let acme = Provider::new("acme").attempt_header("x-retry-attempt");
    /// # let _ = acme;
    /// ```
    #[must_use]
    #[track_caller]
    pub fn attempt_header(mut self, name: impl TryInto<HeaderName> + AsRef<str>) -> Self {
        self.waits.attempt_header = Some(header_name(name));
        self
    }

    /// Takes back what was said with [`attempt_header`](Self::attempt_header).
    ///
    /// ```
    /// # use tower_backoff::policy::Provider;
    /// let acme = Provider::new("acme").attempt_header("x-attempt").without_attempt_header();
    /// assert_eq!(acme, Provider::new("acme"));
    /// ```
    #[must_use]
    pub fn without_attempt_header(mut self) -> Self {
        self.waits.attempt_header = None;
        self
    }
}

#[cfg(test)]
mod tests;
