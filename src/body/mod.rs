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
//! type Request = http::Request<hyper::body::Incoming>; // a body that can be read only once
//!
//! fn serve(_: impl Service<Request>) {}
//!
//! fn proxy<S>(client: S)
//! where
//!     S: Service<Request, Response = http::Response<String>, Error = hyper::Error> + Clone,
//! {
//!     serve(RetryLayer::new(providers::lemlist()).layer(client));
//! }
//! ```
//!
//! and the compiler says what to do: *the request body `Incoming` does not say how it is sent a second
//! time*, with a note that names the layers. With [`OnceLayer`] outside it compiles:
//!
//! ```
//! use tower::{Layer, Service};
//! use tower_backoff::body::{Once, OnceLayer};
//! use tower_backoff::{RetryLayer, providers};
//!
//! type Request<B> = http::Request<B>;
//! type Incoming = hyper::body::Incoming;
//!
//! fn serve(_: impl Service<Request<Incoming>>) {}
//!
//! fn proxy<S>(client: S)
//! where
//!     S: Service<Request<Once<Incoming>>, Response = http::Response<String>, Error = hyper::Error>
//!         + Clone,
//! {
//!     serve(OnceLayer::new().layer(RetryLayer::new(providers::lemlist()).layer(client)));
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
