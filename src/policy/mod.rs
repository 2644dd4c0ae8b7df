//! Policies: what is retried, and what a refusal means for the other calls.
//!
//! A [`Policy`] looks at one [`Attempt`] and gives a [`Verdict`]: accept the answer, retry, wait for the end of a rate
//! limit, or give up. It knows neither the body type nor the error type of the client, so one policy serves all of
//! them. It holds no state: waiting, counting and sharing belong to the layer.
//!
//! Most users never write one. [`Provider`] is a policy as data, built from nothing or from a
//! [preset](crate::providers):
//!
//! ```
//! use std::time::Duration;
//! use tower_backoff::{Quota, policy::Provider};
//!
//! let acme = Provider::new("acme")
//!     .retry_on([429, 500, 503])
//!     .bare_429_wait(Duration::from_secs(60))
//!     .quota(Quota::per_minute(600))
//!     .final_codes(["INSUFFICIENT_CREDITS"]);
//! # let _ = tower_backoff::RetryLayer::new(acme);
//! ```
//!
//! # Write your own in 20 lines
//!
//! Where data does not reach, a function does. [`Attempt::standard`] is what the crate would have
//! decided, so that only the difference has to be written:
//!
//! ```
//! use tower_backoff::policy::{Attempt, Policy, Verdict, policy_fn};
//!
//! // "409 with the code IN_PROGRESS means: poll again. All else as usual."
//! let policy = policy_fn(|attempt: &Attempt<'_>| {
//!     let in_progress = attempt.status().is_some_and(|status| status == 409)
//!         && attempt.body().is_some_and(|body| body.starts_with(b"IN_PROGRESS"));
//!     if in_progress {
//!         Verdict::retry()
//!     } else {
//!         attempt.standard()
//!     }
//! })
//! .inspect_bodies_of([409]);
//!
//! // And its test, without a client:
//! let request = http::Request::get("https://api.example.com/job/1").body(())?;
//! let response = http::Response::builder().status(409).body(())?;
//! let attempt = Attempt::new(&request, &response).with_body(b"IN_PROGRESS");
//! assert_eq!(policy.judge(&attempt), Verdict::retry());
//! # Ok::<(), http::Error>(())
//! ```
//!
//! A verdict answers two questions. Its [`Ruling`] says whether this call goes again. Whether it
//! [closes the gate](Verdict::close_gate) of the scope says whether the other calls wait. Several providers behind one
//! client are a [`ByHost`]; one that speaks gRPC is a [`Grpc`].

mod arguments;
mod attempt;
mod by_host;
mod grpc;
mod head;
mod partial_quota;
mod provider;
mod route;
mod standard;
mod verdict;

pub use attempt::Attempt;
pub(crate) use attempt::Received;
pub use by_host::ByHost;
pub use grpc::{Grpc, Streams};
pub use head::RequestHead;
pub use partial_quota::PartialQuota;
pub use provider::Provider;
pub use route::Route;
pub use verdict::{Ruling, Verdict};

use std::fmt;
use std::sync::Arc;

use http::{HeaderMap, HeaderName, StatusCode};

use crate::gate::Quota;
use crate::scope::Scope;

/// Decides whether an attempt is accepted, retried or refused, and whether other calls wait.
///
/// It is object-safe: `Arc<dyn Policy>` and `Box<dyn Policy>` are policies, too.
pub trait Policy: Send + Sync {
    /// Decides about one attempt.
    ///
    /// It is called for the head of each response and for each failure, and again once the body was read if
    /// [`wants_body`](Policy::wants_body) or [`wants_trailers`](Policy::wants_trailers) returned `true`. It is not called
    /// for a success that [`accepts_success`](Policy::accepts_success) takes.
    fn judge(&self, attempt: &Attempt<'_>) -> Verdict;

    /// Whether the body is read before the verdict is final.
    ///
    /// Its first 64 KiB are then read, for at most two seconds, and put back. The default is `false`.
    fn wants_body(&self, attempt: &Attempt<'_>) -> bool {
        let _ = attempt;
        false
    }

    /// Whether the trailers of an answer that looks served are awaited before the verdict is final.
    ///
    /// The answer is then read until it ends, a second gRPC message begins, 64 KiB have come, or 100 ms are over. The
    /// default is `false`.
    fn wants_trailers(&self, attempt: &Attempt<'_>) -> bool {
        let _ = attempt;
        false
    }

    /// The scope of this request: all requests of one scope share a gate.
    ///
    /// `None`, the default, is the origin.
    fn scope(&self, request: &RequestHead<'_>) -> Option<Scope> {
        let _ = request;
        None
    }

    /// The route of this request, if the server counts routes apart, in buckets that its responses name.
    ///
    /// A response names its bucket by [`Verdict::in_bucket`]. Later requests of the same route share the gate of that
    /// bucket, and others are not stopped by it. `None`, the default, knows no buckets.
    fn route(&self, request: &RequestHead<'_>) -> Option<Route> {
        let _ = request;
        None
    }

    /// Caps on what is sent per window, which no server raises. The default has none.
    fn quotas(&self, request: &RequestHead<'_>) -> &[Quota] {
        let _ = request;
        &[]
    }

    /// What the provider allows per window by its page; published counters correct it.
    ///
    /// The default has none.
    fn plans(&self, request: &RequestHead<'_>) -> &[Quota] {
        let _ = request;
        &[]
    }

    /// Quotas that count only some calls of the scope: writes, or responses with a status.
    ///
    /// The default has none.
    fn partial_quotas(&self, request: &RequestHead<'_>) -> &[PartialQuota] {
        let _ = request;
        &[]
    }

    /// The number of calls in flight with which a scope begins, before its first answer.
    ///
    /// `None`, the default, admits all: most servers refuse politely.
    fn cold_start(&self, request: &RequestHead<'_>) -> Option<u32> {
        let _ = request;
        None
    }

    /// The header of the second attempt and later ones that says which attempt it is.
    ///
    /// `None`, the default, writes no header.
    fn attempt_header(&self, request: &RequestHead<'_>) -> Option<HeaderName> {
        let _ = request;
        None
    }

    /// Whether the caller of this request expects an answer of gRPC.
    ///
    /// Its `grpc-timeout` then is a deadline of the call, and is shortened by the time that has passed before an attempt is
    /// sent; later attempts say in `grpc-previous-rpc-attempts` how many the server has seen; and what would be a
    /// [`NotBefore`](crate::NotBefore) is a status that says when to come back. The default is `false`.
    fn is_grpc(&self, request: &RequestHead<'_>) -> bool {
        let _ = request;
        false
    }

    /// The name of the policy in logs.
    fn name(&self) -> &str {
        "policy"
    }

    /// Accepts a success without judging it: the fast path.
    ///
    /// It is called for a response below 400. With `true` the caller gets the response as it is, without a call of
    /// [`judge`](Policy::judge), if its headers say nothing about limits or that there is something left. The default,
    /// `false`, judges every response.
    fn accepts_success(&self, request: &RequestHead<'_>, headers: &HeaderMap) -> bool {
        let _ = (request, headers);
        false
    }
}

macro_rules! policy_by_pointer {
    ($($pointer:ty),*) => {$(
        impl<P: Policy + ?Sized> Policy for $pointer {
            fn judge(&self, attempt: &Attempt<'_>) -> Verdict {
                (**self).judge(attempt)
            }
            fn wants_body(&self, attempt: &Attempt<'_>) -> bool {
                (**self).wants_body(attempt)
            }
            fn wants_trailers(&self, attempt: &Attempt<'_>) -> bool {
                (**self).wants_trailers(attempt)
            }
            fn scope(&self, request: &RequestHead<'_>) -> Option<Scope> {
                (**self).scope(request)
            }
            fn route(&self, request: &RequestHead<'_>) -> Option<Route> {
                (**self).route(request)
            }
            fn quotas(&self, request: &RequestHead<'_>) -> &[Quota] {
                (**self).quotas(request)
            }
            fn plans(&self, request: &RequestHead<'_>) -> &[Quota] {
                (**self).plans(request)
            }
            fn partial_quotas(&self, request: &RequestHead<'_>) -> &[PartialQuota] {
                (**self).partial_quotas(request)
            }
            fn cold_start(&self, request: &RequestHead<'_>) -> Option<u32> {
                (**self).cold_start(request)
            }
            fn attempt_header(&self, request: &RequestHead<'_>) -> Option<HeaderName> {
                (**self).attempt_header(request)
            }
            fn is_grpc(&self, request: &RequestHead<'_>) -> bool {
                (**self).is_grpc(request)
            }
            fn name(&self) -> &str {
                (**self).name()
            }
            fn accepts_success(&self, request: &RequestHead<'_>, headers: &HeaderMap) -> bool {
                (**self).accepts_success(request, headers)
            }
        }
    )*};
}

policy_by_pointer!(Arc<P>, Box<P>);

/// Makes a policy from a function.
///
/// ```
/// use tower_backoff::policy::{Verdict, policy_fn};
///
/// // A health check: no request is sent twice.
/// let policy = policy_fn(|_| Verdict::accept());
/// # let _ = tower_backoff::RetryLayer::new(policy);
/// ```
///
/// A closure that is bound to a variable first needs the type of its argument, since Rust infers it where the closure
/// stands:
///
/// ```
/// use tower_backoff::policy::{Attempt, Verdict, policy_fn};
///
/// let polls = 409;
/// let judge = move |attempt: &Attempt<'_>| match attempt.status() {
///     Some(status) if status == polls => Verdict::retry(),
///     _ => attempt.standard(),
/// };
/// let policy = policy_fn(judge);
/// # let _ = tower_backoff::RetryLayer::new(policy);
/// ```
pub fn policy_fn<F>(judge: F) -> PolicyFn<F>
where
    F: Fn(&Attempt<'_>) -> Verdict + Send + Sync,
{
    PolicyFn {
        judge,
        bodies_of: Vec::new(),
        accepts_success: false,
    }
}

/// A policy that is a function; [`policy_fn`] makes it.
#[derive(Clone)]
pub struct PolicyFn<F> {
    judge: F,
    bodies_of: Vec<StatusCode>,
    accepts_success: bool,
}

impl<F> PolicyFn<F> {
    /// Accepts a plain success without a call of the function.
    ///
    /// The function then judges failures, responses of 400 and above, and successes with a counter that may be at zero:
    /// see [`Policy::accepts_success`].
    ///
    /// ```
    /// use tower_backoff::policy::policy_fn;
    ///
    /// let policy = policy_fn(|attempt| attempt.standard()).accept_success();
    /// # let _ = tower_backoff::RetryLayer::new(policy);
    /// ```
    #[must_use]
    pub fn accept_success(mut self) -> Self {
        self.accepts_success = true;
        self
    }

    /// Inspects the bodies of responses with these statuses; see [`Attempt::body`].
    ///
    /// It replaces the list that was there.
    #[must_use]
    #[track_caller]
    pub fn inspect_bodies_of<S>(mut self, statuses: impl IntoIterator<Item = S>) -> Self
    where
        S: TryInto<StatusCode>,
    {
        self.bodies_of = arguments::statuses(statuses);
        self
    }
}

impl<F> Policy for PolicyFn<F>
where
    F: Fn(&Attempt<'_>) -> Verdict + Send + Sync,
{
    fn judge(&self, attempt: &Attempt<'_>) -> Verdict {
        (self.judge)(attempt)
    }

    fn accepts_success(&self, _: &RequestHead<'_>, _: &HeaderMap) -> bool {
        self.accepts_success
    }

    fn wants_body(&self, attempt: &Attempt<'_>) -> bool {
        attempt
            .status()
            .is_some_and(|status| self.bodies_of.contains(&status))
    }
}

impl<F> fmt::Debug for PolicyFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PolicyFn").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_object_safe_and_works_behind_pointers() {
        fn takes(policy: impl Policy) -> String {
            policy.name().to_owned()
        }
        let boxed: Box<dyn Policy> = Box::new(Provider::new("acme"));
        assert_eq!(takes(boxed), "acme");
        let shared: Arc<dyn Policy> = Arc::new(Provider::new("acme"));
        assert_eq!(takes(shared), "acme");
    }
}
