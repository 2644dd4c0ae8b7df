//! Policy as data: what one provider's page says, in words.

mod body_rules;
mod buckets;
mod connections;
mod counting;
mod facts;
mod limits;
mod statuses;
mod waits;
#[cfg(feature = "serde")]
mod written;

pub(super) use body_rules::{BodySays, contains};

use std::borrow::Cow;

use body_rules::BodyRules;
use counting::ScopeRules;
use limits::QuotaRules;
use statuses::Statuses;
use waits::Waits;

/// A policy as data: what the page of one provider says, one setter for each fact.
///
/// Without any setter it is the standard policy:
///
/// * a 429 is retried, whatever the method, when the gate opens: after the wait that the response names, or after
///   [`bare_429_wait`](Self::bare_429_wait);
/// * a 425, a 413 that names a wait, and a 408 over a connection that closes are retried, whatever the method: the
///   server has not done the work. Their waits hold no other call;
/// * any other 408, every 5xx but 501, 505 to 508, 510 and 511, and a broken connection are retried if that is safe: the
///   method is idempotent, or there is an `Idempotency-Key` or [`Idempotent`](crate::Idempotent);
/// * a failure that [no retry mends](crate::failure::is_permanent), such as a certificate that is not trusted, ends the
///   call at once;
/// * a 409 to a request with an `Idempotency-Key` is retried: the first one is still at work;
/// * 402, 403, 418, 420 and 430 are final, unless a header names a wait: then they are refusals by
///   a limit, like a 429;
/// * a served answer that used up the last of a published quota closes the gate until its reset;
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
///
/// # One rule for the setters
///
/// So that a preset can be changed, `add_x` adds to what is there, every other setter replaces what it said before, and
/// `without_x` takes back what was said.
///
/// ```
/// use tower_backoff::providers;
///
/// let ours = providers::snippets_ai()
///     .add_final_on([410])                  // as well as those of the page
///     .final_when_body_contains("no seats") // in place of the phrase of the page
///     .without_quotas();                    // we do not know our plan
/// assert_ne!(ours, providers::snippets_ai());
/// ```
///
/// Statuses are numbers or [`StatusCode`](http::StatusCode)s, and header names are texts or
/// [`HeaderName`](http::HeaderName)s. A setter panics if one of them is not legal: a provider is stated when the program
/// starts, and a misspelt header would otherwise never be noticed.
///
/// With the feature `serde` a provider is read from a config file, whose keys are these setters: `docs/config.md` in the
/// repository lists them.
#[derive(Clone, Debug, PartialEq)]
pub struct Provider {
    pub(super) name: Cow<'static, str>,
    page: Option<Cow<'static, str>>,
    pub(super) statuses: Statuses,
    pub(super) body_rules: BodyRules,
    pub(super) limits: QuotaRules,
    pub(super) counting: ScopeRules,
    pub(super) waits: Waits,
}

impl Provider {
    /// A provider about which nothing is known but its name.
    pub fn new(name: impl Into<Cow<'static, str>>) -> Self {
        Self {
            name: name.into(),
            page: None,
            statuses: Statuses::default(),
            body_rules: BodyRules::default(),
            limits: QuotaRules::default(),
            counting: ScopeRules::default(),
            waits: Waits::default(),
        }
    }

    /// Gives it another name. It replaces the name that was there.
    ///
    /// A name tells the gates of one provider from those of another in the log, in metrics and where hosts are joined.
    ///
    /// ```
    /// use tower_backoff::policy::Policy;
    /// use tower_backoff::providers::frameworks;
    ///
    /// assert_eq!(frameworks::laravel().named("shop").name(), "shop");
    /// ```
    #[must_use]
    pub fn named(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.name = name.into();
        self
    }

    /// Names the page that the facts come from. It replaces the page that was named.
    ///
    /// ```
    /// use tower_backoff::policy::Provider;
    ///
    /// let acme = Provider::new("acme").page("https://acme.example/docs/limits");
    /// assert_eq!(acme.facts()[0], ("page", "https://acme.example/docs/limits".to_owned()));
    /// ```
    #[must_use]
    pub fn page(mut self, url: impl Into<Cow<'static, str>>) -> Self {
        self.page = Some(url.into());
        self
    }

    /// Whether the head or the body of an answer below 400 may mean anything to it.
    pub(super) fn inspects_successes(&self) -> bool {
        self.names_successes() || self.body_rules.inspects_successes()
    }

    /// Whether the head of an answer below 400 may mean anything to it.
    pub(super) fn names_successes(&self) -> bool {
        self.statuses.name_successes() || self.waits.are_in_heads_of_successes()
    }
}

#[cfg(test)]
mod tests;
