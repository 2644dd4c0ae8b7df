//! Request bodies that can be sent again, and response bodies.
//!
//! A request body must implement [`Replay`], which says how it is sent again. Every `Clone` body does (`Full<Bytes>`,
//! `Empty`, `String`, the buffered bodies of tower-http and reqwest), if it knows its size. Clones of some bodies
//! share one stream (octocrab's): a clone whose size differs from that of the body before it was sent is not sent. A
//! streaming body is wrapped by one of two layers outside of the retry layer:
//!
//! | layer | each body | sent again |
//! |---|---|---|
//! | [`ReplayLayer`] | is buffered while it is sent, up to a bound | if it fits, or its request carries a [`BodyFactory`] |
//! | [`NoReplayLayer`] | is passed on as it is | never |
//!
//! A request that cannot be sent again is sent once, rate limited like every other, and its refusal is returned whole
//! with a [`Report`](crate::Report) of [`StopReason::BodyNotReplayable`](crate::StopReason::BodyNotReplayable).
//!
//! Any other body does not compile:
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
//! The compiler says that *the request body `Incoming` does not say how it is sent a second time*, and names both
//! layers. With [`ReplayLayer`] outside it compiles:
//!
//! ```
//! use tower::{Layer, Service};
//! use tower_backoff::body::{ReplayBody, ReplayLayer};
//! use tower_backoff::{RetryLayer, providers};
//!
//! type Request<B> = http::Request<B>;
//! type Incoming = hyper::body::Incoming;
//!
//! fn serve(_: impl Service<Request<Incoming>>) {}
//!
//! fn proxy<S>(client: S)
//! where
//!     S: Service<Request<ReplayBody<Incoming>>, Response = http::Response<String>, Error = hyper::Error>
//!         + Clone,
//! {
//!     serve(ReplayLayer::new().layer(RetryLayer::new(providers::lemlist()).layer(client)));
//! }
//! ```
//!
//! The same works with [`NoReplayLayer`] and [`NoReplay`].
//!
//! # Memory
//!
//! A call under [`ReplayLayer`] keeps at most its bound, 64 KiB by default, however large its body is. Frames are
//! shared, so a frame that is a small slice of a larger allocation keeps all of it alive while it is buffered. The
//! body of a refusal is read up to 256 KiB, and a waiting call keeps a copy of it if it has at most 4 KiB.

mod buffer;
mod factory;
mod no_replay;
mod reader;
mod replay;
mod replay_body;
mod replay_layer;
mod response;
mod stored;
mod tee;

pub use factory::BodyFactory;
pub use no_replay::{NoReplay, NoReplayLayer, NoReplayService};
pub use replay::Replay;
pub use replay_body::ReplayBody;
pub use replay_layer::{ReplayLayer, ReplayService};
pub use response::ResponseBody;

pub(crate) use reader::{BodyReader, BufferedBody};
pub(crate) use stored::StoredResponse;
