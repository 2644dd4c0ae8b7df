//! Bodies: how a request is sent a second time, and what becomes of the body of a refusal.
//!
//! A request body must say how it is replayed: that is the trait [`Replay`]. Every body that is
//! `Clone` does so already (`Full<Bytes>`, `Empty`, `String`, tower-http's and reqwest's buffered
//! ones). A streaming body is wrapped: [`OnceLayer`] outside the retry layer declares every body as
//! sent at most once, so that such a request is still paced and its refusal explained, but never
//! sent again.
//!
//! A body that is neither does not compile:
//!
//! ```compile_fail,E0277
//! use tower::{Layer, Service};
//! use tower_backoff::{RetryLayer, providers};
//!
//! fn send<S>(client: S, request: http::Request<hyper::body::Incoming>)
//! where
//!     S: Service<
//!             http::Request<hyper::body::Incoming>,
//!             Response = http::Response<hyper::body::Incoming>,
//!             Error = hyper::Error,
//!         > + Clone,
//! {
//!     let mut service = RetryLayer::new(providers::lemlist()).layer(client);
//!     let _ = service.call(request); // `Incoming` can be read only once
//! }
//! ```

mod hearing;
mod once;
mod replay;
mod response;

pub use once::{Once, OnceLayer, OnceService};
pub use replay::Replay;
pub use response::ResponseBody;

pub(crate) use hearing::{Heard, Hearing};
