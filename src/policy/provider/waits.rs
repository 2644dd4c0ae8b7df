//! Where a provider names its waits, and how long one is that it does not name.

use std::time::Duration;

use http::{HeaderMap, HeaderName};

use super::Provider;
use crate::hint::{Field, Head, HeaderScan, Hint, Reading, Remaining, Rules, Unit, is_silent};
use crate::policy::{Attempt, Verdict};

/// Where a provider names its waits, and how long one is that it does not name.
#[derive(Clone, Debug)]
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

impl PartialEq for Waits {
    fn eq(&self, other: &Self) -> bool {
        let Rules {
            units,
            fields,
            usages,
            retry_after_rounded_down,
        } = &self.rules;
        let same_rules = *units == other.rules.units
            && *fields == other.rules.fields
            && *usages == other.rules.usages
            && *retry_after_rounded_down == other.rules.retry_after_rounded_down;
        same_rules
            && self.bare == other.bare
            && self.pauses == other.pauses
            && self.attempt_header == other.attempt_header
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
    /// It doubles up to 15 minutes while refusals follow each other without an accepted response in between.
    ///
    /// # Default
    ///
    /// 60 s.
    ///
    /// # Panics
    ///
    /// If `wait` is zero.
    #[must_use]
    pub fn bare_429_wait(mut self, wait: Duration) -> Self {
        assert!(
            !wait.is_zero(),
            "a bare 429 needs a wait: write the provider's window, or leave the default of 60 s"
        );
        self.waits.bare = wait;
        self
    }

    /// The unit of the bare numbers in one header, where it is not the usual one.
    ///
    /// ```
    /// use http::header::RETRY_AFTER;
    /// use tower_backoff::{hint::Unit, policy::Provider};
    ///
    /// let altoviz = Provider::new("altoviz").header_unit(RETRY_AFTER, Unit::Millis);
    /// # let _ = altoviz;
    /// ```
    #[must_use]
    pub fn header_unit(mut self, name: HeaderName, unit: Unit) -> Self {
        self.waits.rules.units.push((name, unit));
        self
    }

    /// A place of the provider's own where a refusal names its wait. One in a header is tried before
    /// the usual ones, one in the body after them; of several the longest wait counts.
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
        self.waits.rules.fields.push(field);
        self
    }

    /// The provider cuts its waits to whole seconds, so that obeying to the letter comes up to a
    /// second early: one second is added.
    #[must_use]
    pub fn retry_after_rounded_down(mut self) -> Self {
        self.waits.rules.retry_after_rounded_down = true;
        self
    }

    /// The provider counts up: one header says how much was used, another how much there is, each a
    /// comma list of the same windows, which begin by the clock as those of [`Field::used_up`] do. What
    /// is left is spent before sending, and the end of a window that is used up is waited for.
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
    ///
    /// # Panics
    ///
    /// If a name is no legal name of a header.
    #[must_use]
    pub fn usage_from(
        mut self,
        usage: &str,
        limit: &str,
        windows: impl Into<Vec<Duration>>,
    ) -> Self {
        self.waits
            .rules
            .usages
            .push(Field::used_up(usage, limit, windows));
        self
    }

    /// A place where an answer that was *served* names how long the next call has to wait. A place in
    /// the body needs [`inspect_bodies_of`](Self::inspect_bodies_of), too.
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
        self.waits.pauses.push(field);
        self
    }

    /// The second attempt and later ones say in this header which they are, so that the provider's own
    /// logs tell retries from new calls.
    ///
    /// # Default
    ///
    /// Nothing is said.
    ///
    /// ```
    /// use http::HeaderName;
    /// use tower_backoff::policy::Provider;
    ///
    /// let acme = Provider::new("acme").attempt_header(HeaderName::from_static("x-retry-attempt"));
    /// # let _ = acme;
    /// ```
    #[must_use]
    pub fn attempt_header(mut self, name: HeaderName) -> Self {
        self.waits.attempt_header = Some(name);
        self
    }
}

#[cfg(test)]
mod tests;
