//! A server with a rate limit, for your own tests (feature `testing`).
//!
//! A [`Server`] enforces a [`Limit`] and tells about it in a [`Dialect`]. It is a tower service, so that it stands where
//! your HTTP client stands, beneath [`RetryLayer`](crate::RetryLayer). It counts by tokio's clock: with the clock paused,
//! as by `#[tokio::test(start_paused = true)]`, hours of waiting take milliseconds.
//!
//! My importer finishes 500 jobs against 60 a minute without a refusal:
//!
//! ```
//! use std::time::Duration;
//! use futures_util::future::try_join_all;
//! use http::Request;
//! use tower::{Layer, ServiceExt};
//! use tower_backoff::testing::{Limit, Server};
//! use tower_backoff::{Quota, RetryLayer, policy::Provider};
//!
//! const MINUTE: Duration = Duration::from_secs(60);
//!
//! # /* An example is run by `main`.
//! #[tokio::test(start_paused = true)]
//! async fn my_importer_finishes_500_jobs_without_a_refusal() {
//! # */
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() {
//!     let server = Server::new(Limit::fixed_window(60, MINUTE));
//!     let acme = Provider::new("acme").quota(Quota::per_minute(60));
//!     let client = RetryLayer::new(acme).patience(10 * MINUTE).layer(server.clone());
//!     let jobs = (0..500).map(|id| {
//!         let request = Request::get(format!("https://acme.test/jobs/{id}")).body(String::new());
//!         client.clone().oneshot(request.expect("a valid request"))
//!     });
//!     let responses = try_join_all(jobs).await.expect("every job has a response");
//!     assert!(responses.iter().all(|response| response.status() == 200));
//!     assert_eq!((server.calls(), server.refusals()), (500, 0));
//! }
//! ```
//!
//! In a test of yours the last eight lines would be a call of your importer, with `client` in it. The crates that it needs
//! among the `dev-dependencies` are this one with the feature `testing`, and tokio with `macros`, `rt` and `test-util`.
//!
//! # What to assert
//!
//! | question | assertion |
//! |---|---|
//! | Was the declared quota the right one? | [`server.refusals()`](Server::refusals) is 0 |
//! | Did each call wait as long as a refusal said? | [`server.early_calls()`](Server::early_calls) is 0 |
//! | Was a request sent twice? | [`server.calls()`](Server::calls) is the number of jobs |
//! | How long did it take? | `tokio::time::Instant::now()` before and after |
//!
//! # A real connection
//!
//! [`Server::serve`] is the same over loopback, for a client that is not a tower service or needs a URL. It lives in real
//! time, so give it a limit of seconds.

mod dialect;
mod limit;
mod loopback;
mod record;
mod server;

pub use dialect::Dialect;
pub use limit::Limit;
pub use loopback::Loopback;
pub use server::{ResponseFuture, Server};
