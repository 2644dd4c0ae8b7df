//! The client beneath the layer, as one bound.

use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use crate::error::BoxError;

/// A client that is `Clone`, since a waiting call holds a clone that is not ready.
#[diagnostic::on_unimplemented(
    message = "the client `{Self}` beneath `RetryLayer` is not `Clone`",
    label = "a call that waits does so on a clone, and this cannot be cloned",
    note = "wrap it in `tower::buffer::Buffer`, whose handles are `Clone`, or put what is shared of it into an `Arc`",
    note = "bare connections of hyper have services in `tower_backoff::client::connection` that are `Clone`"
)]
#[expect(unnameable_types, reason = "every `Clone` client has it, and no other")]
pub trait Clonable: Clone {}

// The compiler then explains with the words above instead of "`Clone` is not satisfied".
#[diagnostic::do_not_recommend]
impl<S: Clone> Clonable for S {}

/// An error that becomes a `BoxError`, which the error of the layer is.
#[diagnostic::on_unimplemented(
    message = "the error `{Self}` of the client beneath `RetryLayer` is not `Into<tower_backoff::BoxError>`",
    label = "this error cannot be passed on in a `BoxError`",
    note = "implement `std::error::Error` for it, and let it be `Send + Sync + 'static`",
    note = "or turn it into an error that is so: `.map_err(..)` of `tower::ServiceBuilder`, between the layer and the client"
)]
#[expect(unnameable_types, reason = "it is a bound and nothing else")]
pub trait IntoBoxError: Into<BoxError> {}

#[diagnostic::do_not_recommend]
impl<E: Into<BoxError>> IntoBoxError for E {}

/// An HTTP client as tower sees it: a `Clone` service, from requests with a body `B` to responses.
// The compiler takes these words where the bound is its root, as in `Retry::call`, and those of `Clonable` elsewhere.
#[diagnostic::on_unimplemented(
    message = "the client `{Self}` beneath `RetryLayer` is not `Clone`, or no service of `http::Request<{B}>`",
    label = "a client is a `Clone` service from `http::Request` to `http::Response`",
    note = "if it is not `Clone`: wrap it in `tower::buffer::Buffer`, whose handles are `Clone`, or put what is shared of it into an `Arc`",
    note = "bare connections of hyper have services in `tower_backoff::client::connection` that are `Clone`",
    note = "if it is reqwest's client: `tower_backoff::client::reqwest::ReqwestService` makes a service of it"
)]
#[expect(unnameable_types, reason = "it is a bound and nothing else")]
pub trait Inner<B>:
    Service<
        Request<B>,
        Response = Response<<Self as Inner<B>>::ResponseBody>,
        Error: Into<BoxError>,
    > + Clone
{
    /// The body of its responses.
    type ResponseBody: Body;
}

impl<S, B, R> Inner<B> for S
where
    S: Service<Request<B>, Response = Response<R>, Error: IntoBoxError> + Clonable,
    R: Body,
{
    type ResponseBody = R;
}
