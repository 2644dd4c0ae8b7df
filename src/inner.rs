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

/// An HTTP client as tower sees it: a service that can be cloned, from requests with a body `B` to responses.
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
    S: Service<Request<B>, Response = Response<R>, Error: Into<BoxError>> + Clonable,
    R: Body,
{
    type ResponseBody = R;
}
