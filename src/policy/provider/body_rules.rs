//! What a body says: which codes and phrases mean what, and where the codes stand.

use std::borrow::Cow;
use std::time::Duration;

use http::StatusCode;

use super::Provider;
use super::statuses::{assert_lasts, checked};
use crate::hint::json;

type Words = Vec<Cow<'static, str>>;

/// Which codes and phrases of a body mean what, and which bodies are read for them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::policy) struct BodyRules {
    pub(super) final_codes: Words,
    pub(super) throttled_codes: Words,
    pub(super) retried_codes: Words,
    /// Where codes stand; anywhere, if it is empty.
    pub(super) code_paths: Words,
    pub(super) final_phrases: Words,
    /// For how long the refusal holds, if the phrase says it.
    pub(super) throttled_phrases: Vec<(Cow<'static, str>, Option<Duration>)>,
    pub(super) inspected: Vec<u16>,
}

/// What the codes and phrases of a body say.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::policy) enum BodySays {
    Nothing,
    Final,
    /// A refusal by a limit, and for how long, if that is known.
    Throttled(Option<Duration>),
    /// A refusal that concerns no other call.
    OnlyThisCall,
}

impl BodySays {
    /// The wait of a refusal that names none.
    pub(in crate::policy) fn bare_wait(self, usual: Duration) -> Duration {
        match self {
            Self::Throttled(Some(lasting)) => lasting,
            _ => usual,
        }
    }

    /// The same under a status that by itself is a refusal for this long.
    pub(in crate::policy) fn or_throttled_for(self, lasting: Option<Duration>) -> Self {
        match self {
            Self::Nothing if lasting.is_some() => Self::Throttled(lasting),
            Self::Throttled(said) => Self::Throttled(said.max(lasting)),
            said => said,
        }
    }
}

impl BodyRules {
    pub(in crate::policy) fn read(&self, status: StatusCode, body: Option<&[u8]>) -> BodySays {
        let Some(body) = body else {
            return BodySays::Nothing;
        };
        if status.is_success() && !self.inspects(status) {
            return BodySays::Nothing;
        }
        if self.has_code(body, &self.final_codes) || self.has_final_phrase(body) {
            return BodySays::Final;
        }
        let mut phrases = self.throttled_phrases.iter();
        match phrases.find(|(phrase, _)| contains(body, phrase)) {
            Some((_, lasting)) => BodySays::Throttled(*lasting),
            None if self.has_code(body, &self.retried_codes) => BodySays::OnlyThisCall,
            None if self.has_code(body, &self.throttled_codes) => BodySays::Throttled(None),
            None => BodySays::Nothing,
        }
    }

    pub(in crate::policy) fn has_final_phrase(&self, text: &[u8]) -> bool {
        let mut phrases = self.final_phrases.iter();
        phrases.any(|phrase| contains(text, phrase))
    }

    pub(in crate::policy) fn inspects(&self, status: StatusCode) -> bool {
        self.inspected.contains(&status.as_u16())
    }

    pub(super) fn inspects_successes(&self) -> bool {
        self.inspected.iter().any(|status| *status < 400)
    }

    /// Whether a body may make a refusal final.
    pub(in crate::policy) fn may_end_a_call(&self) -> bool {
        !self.final_codes.is_empty() || !self.final_phrases.is_empty()
    }

    /// Whether a body may make another refusal of what looks final.
    pub(in crate::policy) fn may_retry_a_call(&self) -> bool {
        !self.throttled_codes.is_empty()
            || !self.retried_codes.is_empty()
            || !self.throttled_phrases.is_empty()
    }

    fn has_code(&self, body: &[u8], codes: &Words) -> bool {
        if codes.is_empty() {
            return false;
        }
        let mut known = |value: &str| codes.iter().any(|code| code.eq_ignore_ascii_case(value));
        if self.code_paths.is_empty() {
            return json::codes_in(body, &mut known);
        }
        let mut paths = self.code_paths.iter();
        paths.any(|path| json::at(body, path, &mut known))
    }
}

/// Whether a phrase stands in a text, in either case.
pub(in crate::policy) fn contains(text: &[u8], phrase: &str) -> bool {
    let phrase = phrase.as_bytes();
    !phrase.is_empty()
        && text
            .windows(phrase.len())
            .any(|window| window.eq_ignore_ascii_case(phrase))
}

impl Provider {
    /// Codes in the JSON body that make any refusal final: out of credits, spend caps, validation.
    /// A code is a whole value of the body; letter case does not matter.
    #[must_use]
    pub fn final_codes<C: Into<Cow<'static, str>>>(
        mut self,
        codes: impl IntoIterator<Item = C>,
    ) -> Self {
        self.body_rules
            .final_codes
            .extend(codes.into_iter().map(Into::into));
        self
    }

    /// Codes in the JSON body that make any status a refusal by a limit.
    #[must_use]
    pub fn throttled_codes<C: Into<Cow<'static, str>>>(
        mut self,
        codes: impl IntoIterator<Item = C>,
    ) -> Self {
        self.body_rules
            .throttled_codes
            .extend(codes.into_iter().map(Into::into));
        self
    }

    /// Codes in the JSON body that make any refusal the affair of this one call: what it wanted was
    /// locked, and nothing was done. It goes again by its own backoff, whatever the method, and
    /// nobody else waits, also if the status is 429.
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
        mut self,
        codes: impl IntoIterator<Item = C>,
    ) -> Self {
        self.body_rules
            .retried_codes
            .extend(codes.into_iter().map(Into::into));
        self
    }

    /// Codes stand only at these paths of the JSON body: for providers whose bodies hold what their
    /// users wrote. The segments of a path are parted by dots, and `*` is any name or index.
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
        self.body_rules
            .code_paths
            .extend(paths.into_iter().map(Into::into));
        self
    }

    /// A phrase in the body that makes any refusal final. ASCII; letter case does not matter.
    #[must_use]
    pub fn final_when_body_contains(mut self, phrase: impl Into<Cow<'static, str>>) -> Self {
        self.body_rules.final_phrases.push(phrase.into());
        self
    }

    /// A phrase in the body that makes any status a refusal by a limit.
    #[must_use]
    pub fn throttled_when_body_contains(mut self, phrase: impl Into<Cow<'static, str>>) -> Self {
        self.body_rules
            .throttled_phrases
            .push((phrase.into(), None));
        self
    }

    /// A phrase in the body that tells of a block which, unless the response names another wait,
    /// lasts this long.
    ///
    /// # Panics
    ///
    /// If `lasting` is zero.
    #[must_use]
    pub fn throttled_for_when_body_contains(
        mut self,
        phrase: impl Into<Cow<'static, str>>,
        lasting: Duration,
    ) -> Self {
        assert_lasts(lasting);
        self.body_rules
            .throttled_phrases
            .push((phrase.into(), Some(lasting)));
        self
    }

    /// Look into the bodies of these statuses, too, for the codes and phrases above: for providers
    /// that refuse under a 200. Such an answer reaches the caller when its body is complete, or
    /// larger than 64 KiB, or two seconds late.
    #[must_use]
    pub fn inspect_bodies_of(mut self, statuses: impl IntoIterator<Item = u16>) -> Self {
        self.body_rules.inspected.extend(checked(statuses));
        self
    }
}

#[cfg(test)]
mod tests;
