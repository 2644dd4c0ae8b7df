//! A tower layer that makes any HTTP client wait exactly as long as the server asked, retry what is
//! worth retrying, and keep every concurrent caller of the same API behind one gate.
//!
//! ```
//! use std::time::Duration;
//! use tower::{ServiceBuilder, ServiceExt};
//! use tower_backoff::{BoxError, RetryLayer, providers};
//! # async fn contacts<C, B>(hyper_client: C, request: http::Request<B>) -> Result<(), BoxError>
//! # where
//! #     C: tower::Service<http::Request<B>, Response = http::Response<String>> + Clone,
//! #     C::Error: Into<BoxError>,
//! #     B: http_body::Body + Clone,
//! # {
//!
//! let client = ServiceBuilder::new()
//!     .layer(RetryLayer::new(providers::wolfeo()))
//!     .timeout(Duration::from_secs(10)) // per attempt, because it is inside
//!     .service(hyper_client);
//! let response = client.oneshot(request).await?; // waits its turn, retries what is safe, never early
//! # drop(response);
//! # Ok(())
//! # }
//! ```
//!
//! Inside a request handler set [`patience`](RetryLayer::patience) below your own timeout: a call
//! whose next moment lies beyond it ends at once, with the refusal in hand, instead of as a timeout.
//!
//! # The story of a call
//!
//! 1. It arrives at the **gate** of its [`Scope`], by default the origin of the request. If the gate is
//!    open, it is sent at once through the client that was polled ready.
//! 2. The **policy** judges the answer ([`policy`]): take it, try again, wait because the server
//!    refuses everybody, or give up. What the answer says about *when* is read by [`hint`].
//! 3. A **refusal** closes the gate for every caller of the scope as soon as its head is here: for as long as the
//!    server said, never less; at least 60 s if it said nothing. Its body is read to its end, so that the connection is
//!    free, and the call waits in its place in the queue. It holds no permit and no connection.
//! 4. A **failure** (a 5xx, a broken connection) is sent again by [`Backoff`], if that is safe, within
//!    `max_retries` and the [`Budget`]. A server that is out of order is asked by one probe at a time
//!    ([`CircuitBreaker`]).
//! 5. When the time is up **one probe** goes first; then two, four, eight.
//! 6. If the next moment lies beyond the call's [`Patience`] or [`Deadline`], it **ends now**: with the
//!    response in hand and a [`Report`] that says *not before when*, or, if nothing was sent, with the
//!    error [`NotBefore`].
//!
//! # Where to go from here
//!
//! | you want to | look at |
//! |---|---|
//! | use an API that is known here | [`providers`] |
//! | describe another one | [`policy::Provider`] |
//! | decide by code | [`policy`], "write your own in 20 lines" |
//! | change a setting, or see its default | [`RetryLayer`] |
//! | say something about one request | [`Patience`], [`Deadline`], [`Idempotent`], [`ReportSlot`] |
//! | send streams | [`body`] |
//! | call a gRPC service, over tonic's channel, say | [`policy::Grpc`] |
//! | say what a provider allows, or what a request costs | [`Quota`], [`Cost`] |
//! | share gates between layers, see them, or open one by hand | [`Gates`] |
//! | share one quota between processes | [`fleet`] |
//! | know why a call waited | [`Report`], [`Observer`], [`NotBefore`] |
//! | read hints and classify errors without the layer | [`hint`], [`failure`] |
//!
//! # Where to put it
//!
//! What stands inside is done once per attempt, and what stands outside sees one call.
//!
//! | what | where | why |
//! |---|---|---|
//! | a timeout per attempt, tracing of each request on the wire | inside | it is meant for one attempt |
//! | a timeout for the whole call, a buffer, tracing of the whole | outside | it is meant for the call |
//! | a concurrency limit | inside | a call that waits gives its permit back |
//! | decompression | inside | in a compressed body no code that makes a refusal final can be read |
//! | a client that follows redirects or retries by itself | outside, or told not to | it answers for more than one request |
//! | `load_shed`, `balance` | inside | outside they see a service that is always ready, however many calls wait |
//!
//! With ten hosts and ten calls at once, one of the hosts in a cooldown of a second, the calls to the other nine took
//! 0.95 s with the limit inside and 1.8 s with it outside, or in the loop of the caller, where those that wait hold all
//! permits. To shed load, bound those that wait with [`max_waiting`](RetryLayer::max_waiting):
//!
//! ```
//! use std::time::Duration;
//! use bytes::Bytes;
//! use http_body_util::Full;
//! use hyper_util::{client::legacy::Client, rt::TokioExecutor};
//! use tower::ServiceBuilder;
//! use tower_backoff::{RetryLayer, providers};
//! use tower_http::decompression::DecompressionLayer;
//!
//! let client = ServiceBuilder::new()
//!     .timeout(Duration::from_secs(60)) // of the whole call
//!     .layer(RetryLayer::new(providers::openai()).max_waiting(1_000))
//!     .concurrency_limit(10)
//!     .timeout(Duration::from_secs(10)) // of each attempt
//!     .layer(DecompressionLayer::new())
//!     .service(Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>());
//! # drop(client);
//! ```
//!
//! The client has to be `Clone`, and nothing more: a call that waits holds a clone that is not ready. A service that
//! is not, such as a single connection, gets there by `tower::buffer::Buffer` or by one of [`client`]'s.
//!
//! # What it runs on
//!
//! A call that waits sleeps on tokio's timer (in a browser on the page's). One that need not wait needs no
//! runtime; one that has to, and is polled outside of any, ends with an error that says what is missing.
//! A runtime that was built without `enable_time` cannot be asked for that: there tokio panics when the
//! first call waits.

pub mod body;
mod call;
#[cfg(any(feature = "hyper", feature = "reqwest"))]
pub mod client;
mod config;
mod error;
pub mod failure;
pub mod fleet;
mod future;
mod gate;
pub mod hint;
mod layer;
pub mod policy;
pub mod providers;
mod retry;
mod scope;
mod service;
mod telemetry;
mod time;

pub use error::{BoxError, CostAboveQuota, NotBefore};
pub use future::ResponseFuture;
pub use gate::{GateStatus, Gates, Quota, QuotaUsage};
pub use layer::RetryLayer;
pub use retry::{Backoff, Budget, CircuitBreaker, Cost, Deadline, Idempotent, Jitter, Patience};
pub use scope::Scope;
pub use service::Retry;
#[cfg(feature = "metrics")]
pub use telemetry::metrics;
pub use telemetry::{Decision, Observer, Report, ReportSlot, StopReason};
#[cfg(feature = "test-util")]
pub use time::Clock;

/// The examples of the README and of the pages in `docs/` are tests, too.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

#[cfg(doctest)]
#[doc = include_str!("../docs/waiting.md")]
struct Waiting;

// It comes from reqwest and goes to it.
#[cfg(all(doctest, feature = "reqwest-middleware"))]
#[doc = include_str!("../docs/migrating.md")]
struct Migrating;
