//! Policy as data: what one provider's page says, in words.

mod codes;
mod counted;
mod facts;
mod pauses;

use std::borrow::Cow;
use std::time::Duration;

use http::{HeaderName, StatusCode};

use super::buckets::Buckets;
use super::{Attempt, Policy, RequestHead, Route, Shortcuts, Verdict, standard};
use crate::gate::Quota;
use crate::hint::{Field, Rules, Unit};
use crate::scope::Scope;

/// What a provider does and says, as a value: every word below states one fact of its page.
///
/// Without any word it is the standard policy:
///
/// * a 429 is sent again, whatever the method, when the gate opens: after the wait that the
///   response names, or after [`bare_429_wait`](Self::bare_429_wait);
/// * 408, 425, 500, 502, 503 and 504 are sent again if that is safe: an idempotent method, an
///   `Idempotency-Key`, or [`Idempotent`](crate::Idempotent); so is a broken connection;
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
    pub(super) sheds: Vec<u16>,
    pub(super) final_statuses: Vec<u16>,
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
    cold_start: Option<u32>,
    attempts: Option<HeaderName>,
    pub(super) buckets: Option<Buckets>,
    credentials: Vec<HeaderName>,
    joins_hosts: bool,
    path_segment: Option<usize>,
}

impl Provider {
    /// A provider about which nothing is known but its name.
    pub fn new(name: impl Into<Cow<'static, str>>) -> Self {
        Self {
            name: name.into(),
            retried: None,
            any_method: Vec::new(),
            sheds: Vec::new(),
            final_statuses: Vec::new(),
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
            cold_start: None,
            attempts: None,
            buckets: None,
            credentials: Vec::new(),
            joins_hosts: false,
            path_segment: None,
        }
    }

    /// These statuses, and no others, are worth another try. The safety rule still holds: all but
    /// 429 are sent again only if that cannot do the work twice.
    ///
    /// # Default
    ///
    /// 408, 425, 429, 500, 502, 503, 504, and any other 5xx that names a wait.
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
    pub fn sheds_with(mut self, statuses: impl IntoIterator<Item = u16>) -> Self {
        let statuses = self.named(statuses);
        self.sheds.extend(statuses);
        self
    }

    /// These statuses are final, whatever else the response says.
    #[must_use]
    pub fn final_on(mut self, statuses: impl IntoIterator<Item = u16>) -> Self {
        let statuses = self.named(statuses);
        self.final_statuses.extend(statuses);
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
        self.should_retry = Some(name);
        self
    }

    /// The least wait after a refusal that names none. It doubles when the gate shuts again without
    /// an accepted answer between, up to 15 minutes.
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

    /// What the provider allows. The first call replaces the quotas of a preset.
    #[must_use]
    pub fn quota(self, quota: Quota) -> Self {
        self.quotas([quota])
    }

    /// Several quotas that hold at once, in place of those before.
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
    /// let acme = Provider::new("acme").attempts_in(HeaderName::from_static("x-retry-attempt"));
    /// # let _ = acme;
    /// ```
    #[must_use]
    pub fn attempts_in(mut self, name: HeaderName) -> Self {
        self.attempts = Some(name);
        self
    }

    /// Codes in the JSON body that make any refusal final: out of credits, spend caps, validation.
    /// A code is a whole value of the body; letter case does not matter.
    #[must_use]
    pub fn final_codes<C: Into<Cow<'static, str>>>(
        mut self,
        codes: impl IntoIterator<Item = C>,
    ) -> Self {
        self.final_codes.extend(codes.into_iter().map(Into::into));
        self
    }

    /// Codes in the JSON body that make any status a refusal by a limit.
    #[must_use]
    pub fn throttled_codes<C: Into<Cow<'static, str>>>(
        mut self,
        codes: impl IntoIterator<Item = C>,
    ) -> Self {
        self.throttled_codes
            .extend(codes.into_iter().map(Into::into));
        self
    }

    /// A phrase in the body that makes any refusal final. ASCII; letter case does not matter.
    #[must_use]
    pub fn final_when_body_contains(mut self, phrase: impl Into<Cow<'static, str>>) -> Self {
        self.final_phrases.push(phrase.into());
        self
    }

    /// A phrase in the body that makes any status a refusal by a limit.
    #[must_use]
    pub fn throttled_when_body_contains(mut self, phrase: impl Into<Cow<'static, str>>) -> Self {
        self.throttled_phrases.push((phrase.into(), None));
        self
    }

    /// A phrase in the body that tells of a block which, unless the response names another wait,
    /// lasts this long.
    ///
    /// # Panics
    ///
    /// If `lasting` is zero.
    #[must_use]
    pub fn blocked_when_body_contains(
        mut self,
        phrase: impl Into<Cow<'static, str>>,
        lasting: Duration,
    ) -> Self {
        assert!(
            !lasting.is_zero(),
            "a block needs a length: write how long the page says that it lasts"
        );
        self.throttled_phrases.push((phrase.into(), Some(lasting)));
        self
    }

    /// Look into the bodies of these statuses, too, for the codes and phrases above: for providers
    /// that refuse under a 200. Such an answer reaches the caller when its body is complete, or
    /// larger than 64 KiB, or two seconds late.
    #[must_use]
    pub fn look_into(mut self, statuses: impl IntoIterator<Item = u16>) -> Self {
        self.looked_into.extend(checked(statuses));
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

    /// A place of the provider's own where a refusal names its wait; tried before the usual ones.
    ///
    /// ```
    /// use tower_backoff::{hint::{Field, Unit}, policy::Provider};
    ///
    /// let ipo_alerts = Provider::new("ipo-alerts")
    ///     .wait_in(Field::json("meta.expiresIn").unit(Unit::Millis));
    /// # let _ = ipo_alerts;
    /// ```
    #[must_use]
    pub fn wait_in(mut self, field: Field) -> Self {
        self.rules.fields.push(field);
        self
    }

    /// The provider cuts its waits to whole seconds, so that obeying to the letter comes up to a
    /// second early: one second is added.
    #[must_use]
    pub fn truncates_seconds(mut self) -> Self {
        self.rules.truncates_seconds = true;
        self
    }

    #[track_caller]
    fn named(&mut self, statuses: impl IntoIterator<Item = u16>) -> Vec<u16> {
        let statuses = checked(statuses);
        self.names_served |= statuses.iter().any(|status| *status < 400);
        statuses
    }

    fn has_final_words(&self) -> bool {
        !self.final_codes.is_empty() || !self.final_phrases.is_empty()
    }

    /// Whether its words speak of the heads or bodies of served answers.
    fn looks_into_served(&self) -> bool {
        self.names_served || self.looked_into.iter().any(|status| *status < 400)
    }

    /// Whether its requests are told apart by more than their origin.
    fn has_scopes(&self) -> bool {
        self.joins_hosts || !self.credentials.is_empty() || self.path_segment.is_some()
    }

    /// Whether a body may turn what looks final into a refusal by a limit.
    fn turns_by_body(&self) -> bool {
        !self.throttled_codes.is_empty()
            || !self.retried_codes.is_empty()
            || !self.throttled_phrases.is_empty()
            || self.rules.fields.iter().any(Field::is_in_body)
            || self.pauses.iter().any(Field::is_in_body)
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
        let scope = if self.joins_hosts {
            Scope::named(&*self.name)
        } else {
            Scope::of_request(request.uri(), request.headers())
        };
        let scope = scope.keyed_by(request.headers(), &self.credentials);
        match self.segment(request.uri().path()) {
            Some(segment) => Some(scope.keyed(segment.as_bytes())),
            None => Some(scope),
        }
    }

    fn shortcuts(&self) -> Shortcuts {
        let unbucketed = self.buckets.is_none();
        Shortcuts {
            accepts_unseen: unbucketed && !self.looks_into_served(),
            goes_by_origin: unbucketed && !self.has_scopes(),
        }
    }

    fn route(&self, request: &RequestHead<'_>) -> Option<Route> {
        self.buckets.as_ref().map(|buckets| buckets.route(request))
    }

    fn quotas(&self, _: &RequestHead<'_>) -> &[Quota] {
        &self.quotas
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

impl Provider {
    pub(super) fn looks_into(&self, status: StatusCode) -> bool {
        self.looked_into.contains(&status.as_u16())
    }
}

fn is_error(status: StatusCode) -> bool {
    status.is_client_error() || status.is_server_error()
}

#[track_caller]
fn checked(statuses: impl IntoIterator<Item = u16>) -> Vec<u16> {
    let statuses: Vec<u16> = statuses.into_iter().collect();
    let all_valid = statuses.iter().all(|status| (100..1000).contains(status));
    assert!(
        all_valid,
        "a status has three digits: write it as in the provider's page, such as 503"
    );
    statuses
}
