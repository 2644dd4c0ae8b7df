//! The answer of the readers: a wait, where it was named, and what they are asked about.

use super::value;
use http::{HeaderMap, HeaderName, StatusCode};
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// The head of a response, and when it arrived.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head<'a> {
    pub(crate) status: StatusCode,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) received: SystemTime,
    /// Whether this is a refusal, if the provider knows better than the status.
    pub(crate) refused: Option<bool>,
}

/// What a response says about the wait.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Reading {
    /// No value that can be read.
    Nothing,
    /// Send the request again after this wait.
    Wait(Hint),
    /// The named header asks for a wait of more than a year.
    ///
    /// No call waits that long, and no other header is asked: the server has refused plainly.
    Never(&'static str),
}

/// A wait, and the place that named it.
#[derive(Clone)]
pub struct Hint {
    wait: Duration,
    kind: Kind,
    source: Source,
    /// Whether another header of the same response shows that the unit may be another one.
    has_doubtful_unit: bool,
}

/// The sort of place that named a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// `Retry-After` or one of its spellings: it is about this very request.
    RetryAfter,
    /// The reset of a counter, or a header of the provider's own.
    Reset,
    /// The body of the response.
    Body,
    /// No place in the response: the policy chose the wait.
    SetByPolicy,
}

/// A name that costs nothing to clone.
#[derive(Clone)]
enum Source {
    Known(&'static str),
    Header(HeaderName),
    Other(Arc<str>),
}

impl Hint {
    /// A wait that starts when the head of the response arrives.
    ///
    /// It is rounded up to a whole millisecond, as timers are not finer than that.
    pub fn new(wait: Duration, kind: Kind, source: impl Into<Cow<'static, str>>) -> Hint {
        let source = match source.into() {
            Cow::Borrowed(known) => Source::Known(known),
            Cow::Owned(other) => Source::Other(other.into()),
        };
        Hint {
            wait: value::whole_millis(wait),
            kind,
            source,
            has_doubtful_unit: false,
        }
    }

    pub(super) fn of(wait: Duration, kind: Kind, name: &HeaderName) -> Hint {
        Hint {
            wait,
            kind,
            source: Source::Header(name.clone()),
            has_doubtful_unit: false,
        }
    }

    pub(super) fn doubted_if(self, has_doubtful_unit: bool) -> Hint {
        Hint {
            has_doubtful_unit,
            ..self
        }
    }

    pub(crate) fn has_doubtful_unit(&self) -> bool {
        self.has_doubtful_unit
    }

    /// The wait, counted from the arrival of the head.
    pub fn wait(&self) -> Duration {
        self.wait
    }

    /// The sort of place that named the wait.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The header that decided, in lower case, or the path or phrase in the body.
    pub fn source(&self) -> &str {
        match &self.source {
            Source::Known(name) => name,
            Source::Header(name) => name.as_str(),
            Source::Other(name) => name,
        }
    }
}

/// A wait that a policy chose, without a header behind it.
impl From<Duration> for Hint {
    fn from(wait: Duration) -> Hint {
        Hint::new(wait, Kind::SetByPolicy, "policy")
    }
}

impl PartialEq for Hint {
    fn eq(&self, other: &Hint) -> bool {
        (self.wait, self.kind, self.source()) == (other.wait, other.kind, other.source())
    }
}

impl fmt::Debug for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hint")
            .field("wait", &self.wait)
            .field("kind", &self.kind)
            .field("source", &self.source())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_stays_small() {
        assert!(size_of::<Hint>() <= 64, "{}", size_of::<Hint>());
    }

    #[test]
    fn a_hint_of_a_policy_says_so() {
        let hint = Hint::from(Duration::from_nanos(1));
        assert_eq!(
            hint,
            Hint::new(
                Duration::from_millis(1),
                Kind::SetByPolicy,
                String::from("policy")
            )
        );
    }
}
