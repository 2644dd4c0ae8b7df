//! What a body says: which codes and phrases mean what, and where the codes stand. They may stand in headers, too.

mod code_headers;
mod codes;
mod codes_on;
mod phrases;

use std::borrow::Cow;
use std::time::Duration;

use http::{HeaderMap, HeaderName, StatusCode};

pub(super) use codes_on::Codes;

use super::Provider;
use crate::hint::{json, xml};
use crate::policy::arguments;

type Words = Vec<Cow<'static, str>>;

/// Which codes and phrases of a body mean what, and which bodies are read for them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::policy) struct BodyRules {
    pub(super) final_codes: Codes,
    pub(super) throttled_codes: Codes,
    pub(super) retried_codes: Codes,
    /// Where codes stand; anywhere, if it is empty.
    pub(super) code_paths: Words,
    /// Headers in which codes stand, too.
    pub(super) code_headers: Vec<HeaderName>,
    pub(super) final_phrases: Words,
    /// For how long the refusal holds, if the phrase says it.
    pub(super) throttled_phrases: Vec<(Cow<'static, str>, Option<Duration>)>,
    pub(super) inspected: Vec<StatusCode>,
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
    pub(in crate::policy) fn read(
        &self,
        status: StatusCode,
        headers: &HeaderMap,
        body: Option<&[u8]>,
    ) -> BodySays {
        if body.is_none() && self.code_headers.is_empty()
            || status.is_success() && !self.inspects(status)
        {
            return BodySays::Nothing;
        }
        let body = body.unwrap_or_default();
        let has_code = |codes| {
            self.has_code_in_headers(status, headers, codes)
                || self.has_code_on(status, body, codes)
        };
        if has_code(&self.final_codes) || self.has_final_phrase(body) {
            return BodySays::Final;
        }
        let mut phrases = self.throttled_phrases.iter();
        match phrases.find(|(phrase, _)| contains(body, phrase)) {
            Some((_, lasting)) => BodySays::Throttled(*lasting),
            None if has_code(&self.retried_codes) => BodySays::OnlyThisCall,
            None if has_code(&self.throttled_codes) => BodySays::Throttled(None),
            None => BodySays::Nothing,
        }
    }

    pub(in crate::policy) fn has_final_phrase(&self, text: &[u8]) -> bool {
        let mut phrases = self.final_phrases.iter();
        phrases.any(|phrase| contains(text, phrase))
    }

    pub(in crate::policy) fn inspects(&self, status: StatusCode) -> bool {
        self.inspected.contains(&status)
    }

    pub(super) fn inspects_successes(&self) -> bool {
        self.inspected.iter().any(|status| status.as_u16() < 400)
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
        let mut known = |value: &str| is_one_of(value, codes);
        let is_xml = xml::is_xml(body);
        if self.code_paths.is_empty() {
            return match is_xml {
                true => xml::codes_in(body, &mut known),
                false => json::codes_in(body, &mut known),
            };
        }
        let mut paths = self.code_paths.iter();
        paths.any(|path| match is_xml {
            true => xml::at(body, path, &mut known),
            false => json::at(body, path, &mut known),
        })
    }
}

/// Whether a value is one of these codes.
fn is_one_of(value: &str, codes: &Words) -> bool {
    let value = without_namespace(value);
    codes.iter().any(|code| code.eq_ignore_ascii_case(value))
}

/// A code without the namespace before it, as AWS writes it: `com.amazonaws.dynamodb.v20120810#ThrottlingException`.
fn without_namespace(value: &str) -> &str {
    let is_namespace = |text: &str| {
        let mut bytes = text.bytes();
        !text.is_empty()
            && bytes.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
    };
    match value.split_once('#') {
        Some((namespace, code)) if is_namespace(namespace) => code,
        _ => value,
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
    /// Inspects the bodies of these statuses, too, for codes and phrases.
    ///
    /// It replaces the list that was there. This is for providers that refuse under a 200. Such an answer reaches the caller when its body is complete, or
    /// larger than 64 KiB, or two seconds late.
    #[must_use]
    #[track_caller]
    pub fn inspect_bodies_of<S>(mut self, statuses: impl IntoIterator<Item = S>) -> Self
    where
        S: TryInto<StatusCode>,
    {
        self.body_rules.inspected = arguments::statuses(statuses);
        self
    }

    /// Adds statuses to [`inspect_bodies_of`](Self::inspect_bodies_of).
    ///
    /// ```
    /// # use tower_backoff::policy::Provider;
    /// let acme = Provider::new("acme").inspect_bodies_of([200]).add_inspect_bodies_of([201]);
    /// assert_eq!(acme, Provider::new("acme").inspect_bodies_of([200, 201]));
    /// ```
    #[must_use]
    #[track_caller]
    pub fn add_inspect_bodies_of<S>(mut self, statuses: impl IntoIterator<Item = S>) -> Self
    where
        S: TryInto<StatusCode>,
    {
        let added = arguments::statuses(statuses);
        self.body_rules.inspected.extend(added);
        self
    }

    /// Takes back what was said with [`inspect_bodies_of`](Self::inspect_bodies_of).
    ///
    /// ```
    /// # use tower_backoff::policy::Provider;
    /// let acme = Provider::new("acme").inspect_bodies_of([200]).without_inspect_bodies_of();
    /// assert_eq!(acme, Provider::new("acme"));
    /// ```
    #[must_use]
    pub fn without_inspect_bodies_of(mut self) -> Self {
        self.body_rules.inspected.clear();
        self
    }
}

fn words<W: Into<Cow<'static, str>>>(listed: impl IntoIterator<Item = W>) -> Words {
    listed.into_iter().map(Into::into).collect()
}

#[cfg(test)]
mod tests;
