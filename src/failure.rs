//! Delivery proofs: whether a failed request may have reached the server.
//!
//! A request that was never sent may be sent again whatever its method. One that perhaps arrived may only be sent
//! again if it is idempotent. So the question is what an error *proves*, and everything that is not proven counts as
//! [`Delivery::Perhaps`]: unneeded caution costs one retry, a wrong proof costs a second order.
//!
//! The proof is read from the error that a call returned, along its [`source`](Error::source) chain:
//!
//! | proves that nothing was sent | why |
//! |---|---|
//! | [`Unsent`] | a client says so itself; [`Unproven`] says the contrary |
//! | hyper-util's client: `is_connect()` | there was no connection to send on |
//! | hyper: `is_canceled()` of a request | it left the queue without ever reaching the encoder |
//! | hyper: `is_closed()` | the connection was gone before it took the request |
//! | HTTP/2 `RST_STREAM` with `REFUSED_STREAM`, from the server | RFC 9113, section 8.7 |
//!
//! An HTTP/2 `GOAWAY` from the server is [`Delivery::AtMostHead`]. h2 returns this error for streams that the server
//! disowned. But hyper asks h2 once more between queueing the head and sending the body, and when a `GOAWAY` arrives
//! in between, it reports the same error for a stream that the server does accept. Measured between a hyper client on
//! two threads and a server that kept shutting connections down gracefully: of 50,125 such errors 705 were for
//! requests without a body that the server answered; of 2,295 for requests with a body the server got 27 heads and no
//! body.
//!
//! What no retry mends is another question: [`is_permanent`] answers it.
//!
//! Two cases cannot be read from an error. A service that follows redirects or retries inside sends several requests
//! and returns the error of the last. Such a layer belongs outside; where it cannot be, it marks its errors as
//! [`Unproven`] and its responses as [`Redirected`]. And an error while *reading the response body* is not the error
//! of a call: the server has answered already.
//!
//! ```
//! use tower_backoff::failure::{Delivery, Unsent, delivery};
//!
//! let refused_by_us = Unsent::new("the circuit is open");
//! assert_eq!(delivery(&refused_by_us), Delivery::No);
//!
//! let lost = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
//! assert_eq!(delivery(&lost), Delivery::Perhaps);
//! ```
mod kind;
mod marks;
mod permanent;

pub(crate) use kind::FailureKind;
pub use marks::{Redirected, Unproven, Unsent};
pub use permanent::is_permanent;

use std::error::Error;

use crate::error::chain;

/// What a failed attempt proves about the delivery of its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Delivery {
    /// The request was not sent, or not processed: any method may be sent again.
    No,
    /// The server received at most the head.
    ///
    /// A request with a body may be sent again whatever its method. For one without, which is nothing but its head,
    /// nothing is proven.
    AtMostHead,
    /// Nothing is proven: the server may have received and processed the request.
    Perhaps,
}

impl Delivery {
    /// Whether the server cannot have processed the request.
    ///
    /// `has_body` tells whether the request had more than a head,
    /// [`Body::is_end_stream`](http_body::Body::is_end_stream) being false before it was sent. A caller that does not
    /// know passes `false`.
    ///
    /// ```
    /// use tower_backoff::failure::Delivery;
    ///
    /// assert!(Delivery::No.is_undone(false));
    /// assert!(Delivery::AtMostHead.is_undone(true) && !Delivery::AtMostHead.is_undone(false));
    /// assert!(!Delivery::Perhaps.is_undone(true));
    /// ```
    pub fn is_undone(self, has_body: bool) -> bool {
        match self {
            Delivery::No => true,
            Delivery::AtMostHead => has_body,
            Delivery::Perhaps => false,
        }
    }
}

/// Returns what `error` proves; see the [module](self) for what counts as proof.
///
/// The outermost error that this crate knows decides, since it saw most of what happened.
pub fn delivery(error: &(dyn Error + 'static)) -> Delivery {
    chain(error).find_map(proof).unwrap_or(Delivery::Perhaps)
}

/// Whether the caller's own layers refused the request: it is [`Unsent`], or `says` holds.
///
/// The outermost known error decides here, too. Beneath the failure of a client is the error of its connector, and a
/// failed connection does count against the server.
pub(crate) fn is_local_failure(
    error: &(dyn Error + 'static),
    says: impl Fn(&(dyn Error + 'static)) -> bool,
) -> bool {
    let kept_back = |error: &(dyn Error + 'static)| match error.is::<Unsent>() || says(error) {
        true => Some(true),
        false => proof(error).map(|_| false),
    };
    chain(error).find_map(kept_back).unwrap_or(false)
}

/// Returns what one error proves; `None` leaves the question to its source.
fn proof(error: &(dyn Error + 'static)) -> Option<Delivery> {
    if error.is::<Unsent>() {
        return Some(Delivery::No);
    }
    if error.is::<Unproven>() {
        return Some(Delivery::Perhaps);
    }
    #[cfg(feature = "hyper")]
    return of_http(error);
    #[cfg(not(feature = "hyper"))]
    None
}

#[cfg(feature = "hyper")]
fn of_http(error: &(dyn Error + 'static)) -> Option<Delivery> {
    if let Some(client) = error.downcast_ref::<hyper_util::client::legacy::Error>() {
        let is_unsent = client.is_connect() || permanent::is_about_the_request(error);
        return is_unsent.then_some(Delivery::No);
    }
    if let Some(error) = error.downcast_ref::<hyper::Error>() {
        return of_hyper(error);
    }
    error.downcast_ref().map(of_h2)
}

/// Returns what an error of hyper proves.
///
/// An h2 error counts only where hyper reports the stream's own fate. As the source of a body error it is about bytes
/// that were read or written after the head, perhaps of another stream: the upload of a proxy is another connection's
/// download.
#[cfg(feature = "hyper")]
fn of_hyper(error: &hyper::Error) -> Option<Delivery> {
    if error.is_closed() || is_never_started(error) {
        Some(Delivery::No)
    } else if error.to_string().starts_with("http2 error") {
        None
    } else {
        Some(Delivery::Perhaps)
    }
}

/// Whether the request was still in hyper's queue, or was not accepted.
///
/// hyper calls a request canceled when the connection closes while the request is in the queue. A failed upgrade has
/// the same name, long after the request was sent. The cause tells them apart: another error is the connection's, the
/// two phrases are the queue's.
#[cfg(feature = "hyper")]
fn is_never_started(error: &hyper::Error) -> bool {
    error.is_canceled()
        && error.source().is_some_and(|cause| {
            cause.is::<hyper::Error>()
                || ["connection closed", "connection was not ready"]
                    .contains(&cause.to_string().as_str())
        })
}

/// Returns what an error of h2 proves.
///
/// Only what the server said counts: h2 uses the same reasons for its own resets.
#[cfg(feature = "hyper")]
fn of_h2(error: &h2::Error) -> Delivery {
    let refused = error.is_reset() && error.reason() == Some(h2::Reason::REFUSED_STREAM);
    match error.is_remote() {
        true if refused => Delivery::No,
        true if error.is_go_away() => Delivery::AtMostHead,
        _ => Delivery::Perhaps,
    }
}

#[cfg(test)]
mod tests {
    use std::{fmt, io};

    use super::*;
    use crate::error::{BoxError, DEEPEST};

    /// An error with a source.
    #[derive(Debug)]
    struct Over(BoxError);

    impl fmt::Display for Over {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("over")
        }
    }

    impl Error for Over {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&*self.0)
        }
    }

    /// An error that is its own source.
    #[derive(Debug)]
    struct Ouroboros;

    impl fmt::Display for Ouroboros {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("ouroboros")
        }
    }

    impl Error for Ouroboros {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(self)
        }
    }

    fn beneath_layers(layers: usize, innermost: impl Into<BoxError>) -> BoxError {
        (0..layers).fold(innermost.into(), |error, _| Over(error).into())
    }

    #[track_caller]
    fn proves_nothing(error: impl Into<BoxError>) {
        assert_eq!(delivery(&*error.into()), Delivery::Perhaps);
    }

    #[track_caller]
    fn proves_unsent(error: impl Into<BoxError>) {
        assert_eq!(delivery(&*error.into()), Delivery::No);
    }

    #[test]
    fn an_unknown_error_proves_nothing() {
        proves_nothing("overloaded");
        proves_nothing(Over("overloaded".into()));
    }

    #[test]
    fn an_io_error_proves_nothing_not_even_a_refused_connection() {
        for kind in [
            io::ErrorKind::ConnectionReset,
            io::ErrorKind::ConnectionRefused,
            io::ErrorKind::BrokenPipe,
            io::ErrorKind::TimedOut,
        ] {
            proves_nothing(io::Error::from(kind));
        }
    }

    #[test]
    fn a_marked_error_is_proven_unsent_however_it_is_wrapped() {
        proves_unsent(Unsent::new("shed"));
        proves_unsent(beneath_layers(4, Unsent::new("shed")));
        proves_unsent(io::Error::other(Unsent::new("shed")));
        proves_unsent(io::Error::other(io::Error::other(Over(
            Unsent::new("shed").into(),
        ))));
    }

    #[test]
    fn of_two_marks_the_outer_one_counts() {
        proves_nothing(Over(Unproven::new(Unsent::new("shed")).into()));
        proves_unsent(Unsent::new(Unproven::new("the second hop")));
    }

    #[test]
    fn a_marked_error_keeps_what_it_marks() {
        let marked = Unsent::new(io::Error::from(io::ErrorKind::AddrInUse));
        let cause = marked.source().and_then(|cause| cause.downcast_ref());
        assert_eq!(cause.map(io::Error::kind), Some(io::ErrorKind::AddrInUse));
    }

    #[test]
    fn a_chain_is_followed_to_its_bound_and_no_further() {
        proves_unsent(beneath_layers(DEEPEST - 1, Unsent::new("shed")));
        proves_nothing(beneath_layers(DEEPEST, Unsent::new("shed")));
    }

    #[test]
    fn a_chain_without_an_end_still_gets_its_verdict() {
        proves_nothing(Ouroboros);
    }

    #[cfg(feature = "hyper")]
    #[test]
    fn an_h2_reason_without_a_server_that_said_it_proves_nothing() {
        proves_nothing(h2::Error::from(h2::Reason::REFUSED_STREAM));
        proves_nothing(h2::Error::from(h2::Reason::NO_ERROR));
    }
}
