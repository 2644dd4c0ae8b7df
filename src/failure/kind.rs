//! The kind of a transport error, in words from a fixed list.
//!
//! The text of an error may contain an address, a path or a token, so it is never logged.

use std::error::Error;
use std::{fmt, io};

use super::Unsent;
use crate::error::{NotBefore, chain};

/// The kind of a transport error, for logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FailureKind {
    Words(&'static str),
    Io(io::ErrorKind),
    #[cfg(feature = "hyper")]
    H2(h2::Reason),
}

impl FailureKind {
    const UNKNOWN: Self = Self::Words("transport error");

    /// Returns the kind of the first error in the chain that is specific.
    pub(crate) fn of(error: &(dyn Error + 'static)) -> Self {
        let told = chain(error).find_map(Self::of_one);
        told.or_else(|| chain(error).find_map(Self::of_phase))
            .unwrap_or(Self::UNKNOWN)
    }

    fn of_one(error: &(dyn Error + 'static)) -> Option<Self> {
        if error.is::<NotBefore>() {
            return Some(Self::Words("not before"));
        }
        // The timeouts of tower have no type that is known here, but a text without a variable part.
        let timed_out = error.is::<tokio::time::error::Elapsed>()
            || fixed_text(error, ["request timed out", "operation timed out"]);
        if timed_out {
            return Some(Self::Io(io::ErrorKind::TimedOut));
        }
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return of_io(error);
        }
        #[cfg(feature = "hyper")]
        return of_http(error);
        #[cfg(not(feature = "hyper"))]
        None
    }

    /// Returns the phase that failed, for chains without a specific error.
    fn of_phase(error: &(dyn Error + 'static)) -> Option<Self> {
        if error.is::<Unsent>() {
            return Some(Self::Words("not sent"));
        }
        #[cfg(feature = "hyper")]
        if let Some(error) = error.downcast_ref::<hyper_util::client::legacy::Error>() {
            return error.is_connect().then_some(Self::Words("connect failed"));
        }
        None
    }
}

fn fixed_text<const N: usize>(error: &(dyn Error + 'static), texts: [&str; N]) -> bool {
    texts.contains(&error.to_string().as_str())
}

/// Returns the kind of an I/O error, unless it is `Other` or uncategorized.
fn of_io(error: &io::Error) -> Option<FailureKind> {
    let kind = error.kind();
    let says = kind != io::ErrorKind::Other && kind.to_string() != "uncategorized error";
    says.then_some(FailureKind::Io(kind))
}

#[cfg(feature = "hyper")]
fn of_http(error: &(dyn Error + 'static)) -> Option<FailureKind> {
    if let Some(reason) = error
        .downcast_ref::<h2::Error>()
        .and_then(h2::Error::reason)
    {
        return Some(FailureKind::H2(reason));
    }
    let error = error.downcast_ref::<hyper::Error>()?;
    let words = if error.is_timeout() {
        return Some(FailureKind::Io(io::ErrorKind::TimedOut));
    } else if error.is_incomplete_message() {
        "incomplete message"
    } else if error.is_parse() {
        "invalid response"
    } else if error.is_closed() {
        "connection closed"
    } else if error.is_canceled() {
        "canceled"
    } else if error.is_user() {
        "request failed"
    } else {
        return None;
    };
    Some(FailureKind::Words(words))
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Words(words) => f.write_str(words),
            Self::Io(kind) => kind.fmt(f),
            #[cfg(feature = "hyper")]
            Self::H2(reason) => reason.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::BoxError;

    #[track_caller]
    fn is_told(error: impl Into<BoxError>, told: &str) {
        assert_eq!(FailureKind::of(&*error.into()).to_string(), told);
    }

    #[test]
    fn an_error_is_told_by_its_kind_and_never_by_its_text() {
        let text = "https://user:secret@api.test/?key=secret";
        is_told(text, "transport error");
        is_told(Unsent::new(text), "not sent");
        is_told(io::Error::other(text), "transport error");
        is_told(
            io::Error::new(io::ErrorKind::ConnectionReset, text),
            "connection reset",
        );
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        is_told(Unsent::new(refused), "connection refused");
        let beneath = io::Error::other(io::Error::from(io::ErrorKind::BrokenPipe));
        is_told(beneath, "broken pipe");
        is_told("request timed out", "timed out");
    }

    #[cfg(feature = "hyper")]
    #[test]
    fn a_reset_of_http_2_is_told_by_its_reason() {
        let reset = h2::Error::from(h2::Reason::ENHANCE_YOUR_CALM);
        is_told(
            io::Error::other(reset),
            &h2::Reason::ENHANCE_YOUR_CALM.to_string(),
        );
    }
}
