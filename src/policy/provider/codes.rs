//! What a body says: which codes and phrases mean what, and where the codes stand.

use std::borrow::Cow;
use std::time::Duration;

use http::StatusCode;

use super::Provider;
use super::statuses::{assert_lasts, checked};
use crate::hint::{Field, json};

type Codes = [Cow<'static, str>];

impl Provider {
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
        self.retried_codes.extend(codes.into_iter().map(Into::into));
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
        self.code_paths.extend(paths.into_iter().map(Into::into));
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
    pub fn throttled_for_when_body_contains(
        mut self,
        phrase: impl Into<Cow<'static, str>>,
        lasting: Duration,
    ) -> Self {
        assert_lasts(lasting);
        self.throttled_phrases.push((phrase.into(), Some(lasting)));
        self
    }

    /// Look into the bodies of these statuses, too, for the codes and phrases above: for providers
    /// that refuse under a 200. Such an answer reaches the caller when its body is complete, or
    /// larger than 64 KiB, or two seconds late.
    #[must_use]
    pub fn inspect_bodies_of(mut self, statuses: impl IntoIterator<Item = u16>) -> Self {
        self.looked_into.extend(checked(statuses));
        self
    }

    /// Whether the heads or the bodies of served answers mean anything to it.
    pub(super) fn looks_into_served(&self) -> bool {
        self.names_served || self.looked_into.iter().any(|status| *status < 400)
    }

    pub(in crate::policy) fn looks_into(&self, status: StatusCode) -> bool {
        self.looked_into.contains(&status.as_u16())
    }

    pub(super) fn has_final_words(&self) -> bool {
        !self.final_codes.is_empty() || !self.final_phrases.is_empty()
    }

    /// Whether a body may turn what looks final into a refusal by a limit.
    pub(super) fn turns_by_body(&self) -> bool {
        !self.throttled_codes.is_empty()
            || !self.retried_codes.is_empty()
            || !self.throttled_phrases.is_empty()
            || self.rules.fields.iter().any(Field::is_in_body)
            || self.pauses.iter().any(Field::is_in_body)
    }

    pub(in crate::policy) fn says_final(&self, body: &[u8]) -> bool {
        self.finds(body, &self.final_codes)
    }

    pub(in crate::policy) fn says_throttled(&self, body: &[u8]) -> bool {
        self.finds(body, &self.throttled_codes)
    }

    pub(in crate::policy) fn says_alone(&self, body: &[u8]) -> bool {
        self.finds(body, &self.retried_codes)
    }

    fn finds(&self, body: &[u8], codes: &Codes) -> bool {
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::{Request, Response};

    use super::*;
    use crate::policy::{Attempt, Policy, Ruling};

    #[track_caller]
    fn rules(provider: &Provider, status: u16, body: &str, expected: (Ruling, bool)) {
        let request = Request::post("https://api.test/").body(()).unwrap();
        let response = Response::builder().status(status).body(()).unwrap();
        let attempt = Attempt::new(&request, &response);
        let bare = provider.wants_body(&attempt);
        let attempt = if bare {
            attempt.with_body(body.as_bytes())
        } else {
            attempt
        };
        let verdict = provider.judge(&attempt);
        assert_eq!(
            (verdict.ruling(), verdict.closes_gate()),
            expected,
            "{body}"
        );
    }

    #[test]
    fn a_lock_is_the_affair_of_one_call() {
        let provider = Provider::new("test")
            .retried_codes(["LOCKED"])
            .final_on([409])
            .bare_429_wait(Duration::from_secs(9));
        for status in [400, 423, 429, 503] {
            let alone = (Ruling::Retry, false);
            rules(&provider, status, r#"{"code":"locked"}"#, alone);
        }
        let others = r#"{"code":"OTHER"}"#;
        rules(&provider, 429, others, (Ruling::Throttled, true));
        rules(&provider, 400, others, (Ruling::Refuse, false));
        let locked = r#"{"code":"LOCKED"}"#;
        rules(&provider, 409, locked, (Ruling::Refuse, false));
        rules(&provider, 200, locked, (Ruling::Accept, false));
    }

    #[test]
    fn a_header_that_forbids_another_try_outranks_a_lock() {
        let provider = Provider::new("test")
            .retried_codes(["LOCKED"])
            .should_retry_header(http::HeaderName::from_static("should-retry"));
        let request = Request::post("https://api.test/").body(()).unwrap();
        for (said, ruling) in [("true", Ruling::Retry), ("false", Ruling::Refuse)] {
            for status in [409, 429] {
                let response = Response::builder().status(status);
                let response = response.header("should-retry", said).body(()).unwrap();
                let attempt = Attempt::new(&request, &response).with_body(br#"{"code":"LOCKED"}"#);
                assert_eq!(provider.judge(&attempt).ruling(), ruling, "{status} {said}");
            }
        }
    }

    #[test]
    fn a_code_counts_only_where_codes_stand() {
        let provider = Provider::new("test")
            .inspect_bodies_of([200])
            .throttled_codes(["SLOW"])
            .codes_at(["error.code", "errors.*.code"]);
        let throttled = (Ruling::Throttled, true);
        rules(&provider, 200, r#"{"error":{"code":"SLOW"}}"#, throttled);
        rules(&provider, 200, r#"{"errors":[{"code":"slow"}]}"#, throttled);
        let title = r#"{"data":{"title":"SLOW"}}"#;
        rules(&provider, 200, title, (Ruling::Accept, false));
    }
}
