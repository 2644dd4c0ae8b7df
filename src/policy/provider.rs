//! Policy as data: what one provider's page says, in words.

mod codes;
mod counted;
mod facts;
mod pauses;
mod statuses;
mod usage;

use std::borrow::Cow;
use std::time::Duration;

use http::{HeaderMap, HeaderName, StatusCode};

use super::buckets::Buckets;
use super::{Attempt, Policy, RequestHead, Route, Verdict, standard};
use crate::gate::Quota;
use crate::hint::{Field, Rules, Unit, is_silent};
use crate::scope::Scope;

/// What a provider does and says, as a value: every word below states one fact of its page.
///
/// Without any word it is the standard policy:
///
/// * a 429 is sent again, whatever the method, when the gate opens: after the wait that the
///   response names, or after [`bare_429_wait`](Self::bare_429_wait);
/// * so are, each by itself, a 425, a 413 that names a wait, and a 408 over a connection that closes:
///   the server has not done the work. Their waits hold no other call;
/// * any other 408, and every 5xx but 501, 505 to 508, 510 and 511, is sent again if that is safe: an
///   idempotent method, an `Idempotency-Key`, or [`Idempotent`](crate::Idempotent); so is a broken
///   connection. A 409 to a request with an `Idempotency-Key` is, too: the first one is still at work;
/// * 402, 403, 418, 420 and 430 are final, unless a header names a wait: then they are refusals by
///   a limit, like a 429;
/// * a served answer that used up the last of a published quota shuts the gate until its reset;
/// * everything else goes to the caller.
///
/// ```
/// use std::time::Duration;
/// use tower_backoff::{Quota, policy::Provider, providers};
///
/// let acme = Provider::new("acme")
///     .retry_on([429, 500, 503])
///     .bare_429_wait(Duration::from_secs(60))
///     .quota(Quota::per_minute(600))
///     .final_codes(["INSUFFICIENT_CREDITS"]);
///
/// let ours = providers::wolfeo().quota(Quota::per_minute(1_200)); // a bigger plan
/// # let _ = (acme, ours);
/// ```
#[derive(Clone, Debug)]
pub struct Provider {
    pub(super) name: Cow<'static, str>,
    pub(super) retried: Option<Vec<u16>>,
    pub(super) any_method: Vec<u16>,
    pub(super) unprocessed: Vec<u16>,
    pub(super) final_statuses: Vec<u16>,
    pub(super) blocks: Vec<(u16, Duration)>,
    pub(super) looked_into: Vec<u16>,
    /// Whether a word above speaks of a status below 400.
    pub(super) names_served: bool,
    pub(super) should_retry: Option<HeaderName>,
    pub(super) bare_wait: Duration,
    final_codes: Vec<Cow<'static, str>>,
    throttled_codes: Vec<Cow<'static, str>>,
    retried_codes: Vec<Cow<'static, str>>,
    /// Where codes stand; anywhere, if nothing is said.
    code_paths: Vec<Cow<'static, str>>,
    pub(super) final_phrases: Vec<Cow<'static, str>>,
    pub(super) throttled_phrases: Vec<(Cow<'static, str>, Option<Duration>)>,
    pub(super) rules: Rules,
    pub(super) pauses: Vec<Field>,
    page: Option<Cow<'static, str>>,
    quotas: Vec<Quota>,
    plans: Vec<Quota>,
    cold_start: Option<u32>,
    attempts: Option<HeaderName>,
    pub(super) buckets: Option<Buckets>,
    credentials: Vec<HeaderName>,
    shared_across_hosts: bool,
    path_segment: Option<usize>,
    path_parts: Vec<Cow<'static, str>>,
}

impl Provider {
    /// A provider about which nothing is known but its name.
    pub fn new(name: impl Into<Cow<'static, str>>) -> Self {
        Self {
            name: name.into(),
            retried: None,
            any_method: Vec::new(),
            unprocessed: Vec::new(),
            final_statuses: Vec::new(),
            blocks: Vec::new(),
            looked_into: Vec::new(),
            names_served: false,
            should_retry: None,
            bare_wait: Verdict::BARE_WAIT,
            final_codes: Vec::new(),
            throttled_codes: Vec::new(),
            retried_codes: Vec::new(),
            code_paths: Vec::new(),
            final_phrases: Vec::new(),
            throttled_phrases: Vec::new(),
            rules: Rules::default(),
            pauses: Vec::new(),
            page: None,
            quotas: Vec::new(),
            plans: Vec::new(),
            cold_start: None,
            attempts: None,
            buckets: None,
            credentials: Vec::new(),
            shared_across_hosts: false,
            path_segment: None,
            path_parts: Vec::new(),
        }
    }

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
        self.bare_wait = wait;
        self
    }

    /// A cap on what is sent: in no window of its length pass more calls than it says, whatever the server publishes.
    ///
    /// It replaces the quotas and the plan of a preset.
    ///
    /// ```
    /// use tower_backoff::{Quota, providers};
    ///
    /// let half_of_ours = providers::wolfeo().quota(Quota::per_minute(300));
    /// # let _ = half_of_ours;
    /// ```
    #[must_use]
    pub fn quota(self, quota: Quota) -> Self {
        self.quotas([quota])
    }

    /// What the provider's page says that it allows. Published counters correct it both ways: a bigger plan is used to
    /// its end, a smaller one is not exceeded.
    ///
    /// It replaces the quotas and the plan that were there. A cap that no server may raise is
    /// [`quota`](Self::quota).
    ///
    /// ```
    /// use tower_backoff::{Quota, policy::Provider};
    ///
    /// let acme = Provider::new("acme").plan(Quota::per_minute(600));
    /// # let _ = acme;
    /// ```
    #[must_use]
    pub fn plan(self, quota: Quota) -> Self {
        self.plans([quota])
    }

    /// Several plans that hold at once, in place of the quotas and plans before.
    ///
    /// ```
    /// use tower_backoff::{Quota, policy::Provider};
    ///
    /// let acme = Provider::new("acme").plans([Quota::per_second(5), Quota::per_hour(1_000)]);
    /// # let _ = acme;
    /// ```
    #[must_use]
    pub fn plans(self, quotas: impl IntoIterator<Item = Quota>) -> Self {
        let plans = quotas.into_iter().collect();
        let quotas = Vec::new();
        Self {
            quotas,
            plans,
            ..self
        }
    }

    /// Several caps that hold at once, in place of the quotas and plans before.
    ///
    /// ```
    /// use tower_backoff::{Quota, policy::Provider};
    ///
    /// let acme = Provider::new("acme").quotas([Quota::per_minute(50), Quota::per_hour(1_000)]);
    /// # let _ = acme;
    /// ```
    #[must_use]
    pub fn quotas(mut self, quotas: impl IntoIterator<Item = Quota>) -> Self {
        self.quotas = quotas.into_iter().collect();
        self.plans = Vec::new();
        self
    }

    /// The provider punishes calls that come while it refuses: begin with `calls` in flight, and
    /// double with every round of answers. Where a quota is declared or published there is no need.
    ///
    /// # Default
    ///
    /// All calls go at once until the first refusal.
    ///
    /// # Panics
    ///
    /// If `calls` is zero.
    #[must_use]
    pub fn cold_start(mut self, calls: u32) -> Self {
        assert!(
            calls > 0,
            "a cold start of zero never starts: write cold_start(1)"
        );
        self.cold_start = Some(calls);
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
        self.attempts = Some(name);
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
        self.rules.units.push((name, unit));
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
        self.rules.fields.push(field);
        self
    }

    /// The provider cuts its waits to whole seconds, so that obeying to the letter comes up to a
    /// second early: one second is added.
    #[must_use]
    pub fn retry_after_rounded_down(mut self) -> Self {
        self.rules.retry_after_rounded_down = true;
        self
    }

    /// Whether its requests are told apart by more than their origin.
    fn has_scopes(&self) -> bool {
        let by_path = self.path_segment.is_some() || !self.path_parts.is_empty();
        self.shared_across_hosts || !self.credentials.is_empty() || by_path
    }
}

impl Policy for Provider {
    fn judge(&self, attempt: &Attempt<'_>) -> Verdict {
        standard::judge(self, attempt)
    }

    fn wants_body(&self, attempt: &Attempt<'_>) -> bool {
        let Some(status) = attempt.status() else {
            return false;
        };
        if !is_error(status) && !self.looks_into(status) {
            return false;
        }
        self.turns_by_body() || (self.has_final_words() && standard::goes_again(self, attempt))
    }

    fn scope(&self, request: &RequestHead<'_>) -> Option<Scope> {
        if !self.has_scopes() {
            return None;
        }
        let scope = if self.shared_across_hosts {
            Scope::named(&*self.name)
        } else {
            Scope::of_request(request.uri(), request.headers())
        };
        let scope = scope.keyed_by(request.headers(), &self.credentials);
        let path = request.uri().path();
        let parts = self.segment(path).into_iter().chain(self.part(path));
        Some(parts.fold(scope, |scope, part| scope.keyed(part.as_bytes())))
    }

    fn accepts_success(&self, _: &RequestHead<'_>, headers: &HeaderMap) -> bool {
        let inspects = self.buckets.is_some() || self.looks_into_served();
        !inspects && (self.rules.are_generic() || is_silent(headers))
    }

    fn route(&self, request: &RequestHead<'_>) -> Option<Route> {
        self.buckets.as_ref().map(|buckets| buckets.route(request))
    }

    fn quotas(&self, _: &RequestHead<'_>) -> &[Quota] {
        &self.quotas
    }

    fn plans(&self, _: &RequestHead<'_>) -> &[Quota] {
        &self.plans
    }

    fn cold_start(&self, _: &RequestHead<'_>) -> Option<u32> {
        self.cold_start
    }

    fn attempt_header(&self, _: &RequestHead<'_>) -> Option<HeaderName> {
        self.attempts.clone()
    }

    fn name(&self) -> &str {
        &self.name
    }
}

fn is_error(status: StatusCode) -> bool {
    status.is_client_error() || status.is_server_error()
}
