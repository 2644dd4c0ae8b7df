//! A tower layer that waits as long as the server asked and retries what is safe, for any HTTP client.
//!
//! It combines a rate limiter, a cooldown after refusals, a circuit breaker and retries with exponential backoff. All
//! concurrent callers of one API share one gate, so that a refusal causes no thundering herd and no retry storm.
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
//! let response = client.oneshot(request).await?; // waits for its slot, retries what is safe, never early
//! # drop(response);
//! # Ok(())
//! # }
//! ```
//!
//! Inside a request handler set [`patience`](RetryLayer::patience) below your own timeout. If the next attempt would be
//! later than `patience`, the call returns now instead of timing out: the last response, plus a [`Report`] whose
//! [`not_before`](Report::not_before) says when to retry.
//!
//! # The map
//!
//! | to | see |
//! |---|---|
//! | use an API that has a preset | [`providers`] |
//! | use an API whose server is nginx, HAProxy, Laravel, Django or another known one | [`providers::frameworks`] |
//! | describe another API | [`policy::Provider`] |
//! | decide by code | [`policy`], "write your own in 20 lines" |
//! | declare what a provider allows, or what a request costs | [`Quota`], [`policy::PartialQuota`], [`Cost`] |
//! | change a setting, or see its default | [`RetryLayer`] |
//! | set something for one request | [`Patience`], [`Deadline`], [`Priority`], [`Idempotent`], [`ReportSlot`] |
//! | know why a call waited, or when to come back | [`Report`], [`NotBefore`] |
//! | see every decision | [`Observer`], `metrics` (feature `metrics`) |
//! | share gates between layers, inspect them, or open one | [`Gates`], [`GateStatus`] |
//! | share one quota between processes | [`fleet`] |
//! | send streams | [`body`] |
//! | put it around reqwest or a bare connection | [`client`] |
//! | call a gRPC service, such as over tonic's channel | [`policy::Grpc`] |
//! | read hints and classify errors without the layer | [`hint`], [`failure`] |
//! | test your own client against a server with a rate limit | `testing` (feature `testing`) |
//!
//! The guides lie in `docs/`, in the package and in the repository:
//!
//! | guide | tells |
//! |---|---|
//! | `getting-started.md` | six decisions, from a client to one that keeps to the limits |
//! | `policies.md`, `quotas.md` | what the page of a provider says, and what you say |
//! | `servers.md`, `providers.md` | the same for known servers and known APIs |
//! | `waiting.md`, `learning.md` | why a call waits, and how an unknown limiter is learned |
//! | `fleet.md` | many processes, one key |
//! | `observability.md`, `testing.md`, `config.md` | metrics and logs; tests of your own; a provider in a config file |
//! | `recipes.md`, `cookbook.md`, `anti-patterns.md` | a dozen clients; short answers; mistakes that look right |
//! | `migrating.md`, `comparison.md`, `limits.md` | from other crates; beside them; what it does not do |
//!
//! # What happens to a call
//!
//! 1. It arrives at the **gate** of its [`Scope`], by default the origin of the request. If the gate is open, it is sent
//!    at once through the client that was polled ready.
//! 2. The **policy** judges the response ([`policy`]): accept it, retry the call, close the gate because the server
//!    limits all callers, or give up. What the response says about *when* to retry is read by [`hint`].
//! 3. A **refusal** starts a cooldown: it closes the gate for every caller of the scope as soon as its head arrives.
//!    The gate stays closed for as long as the server said and never less; at least 60 s if it named no wait. The body
//!    is read to its end, so that the connection is free, and the call keeps its place in the queue. It holds no permit
//!    and no connection.
//! 4. A **failure** (a 5xx, a broken connection) is retried with [`Backoff`], if sending it twice is safe
//!    (idempotency), within `max_retries` and the [`Budget`]. While the [`CircuitBreaker`] of the gate is open, one probe at a time tests the server.
//! 5. After the cooldown **one probe** is sent first, then two calls, four, eight (slow start).
//! 6. If the next attempt would be later than the call's [`Patience`] or [`Deadline`], it **ends now**: with the last
//!    response and a [`Report`], or, if nothing was sent, with the error [`NotBefore`].
//!
//! # Where to put it
//!
//! A layer inside runs once per attempt, a layer outside once per call.
//!
//! | what | where | why |
//! |---|---|---|
//! | a timeout per attempt, tracing of each request on the wire | inside | it is meant for one attempt |
//! | a timeout for the whole call, a buffer, tracing of the whole | outside | it is meant for the call |
//! | a concurrency limit | inside | a waiting call returns its permit |
//! | decompression | inside | codes that make a refusal final cannot be read in a compressed body |
//! | a client that follows redirects or retries by itself | outside, or disabled | it sends more than one request |
//! | `load_shed`, `balance` | inside | outside they see a service that is always ready, however many calls wait |
//!
//! With ten hosts and ten concurrent calls, and one host in a cooldown of a second, the calls to the other nine took
//! 0.95 s with the limit inside and 1.8 s with it outside or in the caller's loop, where waiting calls hold all
//! permits.
//! To shed load, limit the number of waiting calls with [`max_waiting`](RetryLayer::max_waiting):
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
//! The client must be `Clone`, and nothing more: a waiting call keeps a clone that is not ready. A service that is not
//! `Clone`, such as a single connection, becomes so by `tower::buffer::Buffer` or by an adapter in [`client`].
//!
//! # Runtime
//!
//! A waiting call sleeps on tokio's timer (in a browser on the page's). A call that need not wait needs no runtime. One
//! that has to wait outside of a runtime ends with an error that says what is missing. Whether a runtime was built with
//! `enable_time` cannot be found out: without it tokio panics when the first call waits.

#![cfg_attr(docsrs, feature(doc_cfg))]

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
mod header_name;
pub mod hint;
mod inner;
mod layer;
pub mod policy;
pub mod providers;
mod retry;
mod scope;
mod service;
mod telemetry;
#[cfg(feature = "testing")]
pub mod testing;
mod time;
#[cfg(feature = "serde")]
mod written;

pub use error::{BoxError, CostAboveQuota, NotBefore, UnknownCost};
pub use future::ResponseFuture;
pub use gate::{Estimate, GateStatus, Gates, LearnedLimit, Quota, QuotaUsage};
pub use layer::RetryLayer;
pub use retry::{
    Backoff, Budget, CircuitBreaker, Cost, Deadline, Idempotent, Jitter, Patience, Priority,
};
pub use scope::Scope;
pub use service::Retry;
#[cfg(feature = "metrics")]
pub use telemetry::metrics;
pub use telemetry::{Decision, LowQuota, Observer, Report, ReportSlot, StopReason};
#[cfg(feature = "test-util")]
pub use time::Clock;

/// The examples of the README and of the pages in `docs/` are tests, too.
// Its first program calls a server of the feature `testing` with reqwest.
#[cfg(all(doctest, feature = "reqwest", feature = "testing"))]
#[doc = include_str!("../README.md")]
struct Readme;

#[cfg(doctest)]
#[doc = include_str!("../docs/getting-started.md")]
struct GettingStarted;

#[cfg(doctest)]
#[doc = include_str!("../docs/policies.md")]
struct Policies;

#[cfg(doctest)]
#[doc = include_str!("../docs/quotas.md")]
struct Quotas;

#[cfg(all(doctest, feature = "metrics"))]
#[doc = include_str!("../docs/observability.md")]
struct Observability;

#[cfg(doctest)]
#[doc = include_str!("../docs/anti-patterns.md")]
struct AntiPatterns;

#[cfg(all(doctest, feature = "reqwest", feature = "testing"))]
#[doc = include_str!("../docs/cookbook.md")]
struct Cookbook;

#[cfg(doctest)]
#[doc = include_str!("../docs/waiting.md")]
struct Waiting;

#[cfg(doctest)]
#[doc = include_str!("../docs/servers.md")]
struct Servers;

#[cfg(all(doctest, feature = "serde"))]
#[doc = include_str!("../docs/config.md")]
struct ConfigFile;

#[cfg(all(doctest, feature = "file"))]
#[doc = include_str!("../docs/fleet.md")]
struct ManyProcesses;

#[cfg(all(doctest, feature = "testing"))]
#[doc = include_str!("../docs/testing.md")]
struct Testing;

// It comes from reqwest and goes to it.
#[cfg(all(doctest, feature = "reqwest-middleware"))]
#[doc = include_str!("../docs/migrating.md")]
struct Migrating;
