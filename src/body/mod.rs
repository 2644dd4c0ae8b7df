//! Bodies: how a request is sent a second time, and what becomes of the body of a refusal.
//!
//! A request body must say how it is replayed: that is the trait [`Replay`]. Every body that is
//! `Clone` does so already (`Full<Bytes>`, `Empty`, `String`, tower-http's and reqwest's buffered
//! ones), if it knows its size: clones of some bodies share one stream (octocrab's), and one that tells
//! less than the body did before it was sent is not sent. A streaming body is wrapped, by one of two
//! layers outside the retry layer:
//!
//! | layer | each body | sent again |
//! |---|---|---|
//! | [`ReplayLayer`] | is buffered while it is sent, up to a bound | if it fits, or its request carries a [`BodyFactory`] |
//! | [`NoReplayLayer`] | is passed on as it is | never |
//!
//! What cannot be sent again is sent once, paced like every other request, and its refusal is handed
//! back whole with a [`Report`](crate::Report) of [`StopReason::BodyNotReplayable`](crate::StopReason::BodyNotReplayable).
//!
//! A body that is none of these does not compile:
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
//! time*, with notes that name both layers. With [`ReplayLayer`] outside it compiles:
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
//! and so it does with [`NoReplayLayer`] and [`NoReplay`] in their places.
//!
//! # Memory
//!
//! A call under [`ReplayLayer`] keeps its bound at most, 64 KiB unless it is told otherwise, however
//! large its body is. Frames are shared, so a frame that is a small slice of a larger allocation keeps
//! all of that alive while it is buffered. The body of a refusal is listened to up to 256 KiB,
//! and a call that waits keeps a copy of it if it has at most 4 KiB.

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
