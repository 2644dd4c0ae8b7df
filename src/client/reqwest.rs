//! A `reqwest::Client` beneath the layer, with responses of reqwest (feature `reqwest`).
//!
//! ```no_run
//! use tower::Layer;
//! use tower_backoff::client::reqwest::{ReqwestService, SendThrough};
//! use tower_backoff::{BoxError, RetryLayer, providers};
//!
//! # async fn contacts() -> Result<(), BoxError> {
//! let client = reqwest::Client::new();
//! let wolfeo = RetryLayer::new(providers::wolfeo()).layer(ReqwestService::new(client.clone()));
//!
//! let request = client.get("https://api.wolfeo.me/contacts");
//! let response = request.send_through(&wolfeo).await?; // in place of `request.send()`
//!
//! println!("{}: {}", response.url(), response.status());
//! # Ok(())
//! # }
//! ```
//!
//! # Redirects
//!
//! A `reqwest::Client` follows redirects unless it was built not to, and does not tell whether it does. A failure
//! behind a redirect is not the failure of the request that was sent: a POST may have been processed before the next
//! address refused the connection. So errors of a client that is passed to [`ReqwestService::new`] prove nothing for
//! methods that are not idempotent, and a response of another address closes the gate of *that* address. (A redirect
//! to its own address cannot be detected.)
//!
//! [`ReqwestService::from_builder`] builds a client that follows no redirects, so that a failed connection proves
//! that nothing was sent. Redirects are then followed outside of the layer, each as a request of its own:
//!
//! ```no_run
//! use tower::ServiceBuilder;
//! use tower_backoff::{BoxError, RetryLayer, client, providers};
//! use tower_http::follow_redirect::FollowRedirectLayer;
//!
//! # async fn contacts() -> Result<(), BoxError> {
//! let service = ServiceBuilder::new()
//!     .layer(FollowRedirectLayer::new())
//!     .layer(RetryLayer::new(providers::wolfeo()))
//!     .service(client::reqwest::ReqwestService::from_builder(reqwest::Client::builder())?);
//!
//! let request = reqwest::Request::new(reqwest::Method::GET, "https://api.wolfeo.me/contacts".parse()?);
//! let response = client::reqwest::execute(&service, request).await?;
//! # drop(response);
//! # Ok(())
//! # }
//! ```
//!
//! # What else
//!
//! Timeouts of the client and of the request apply to each attempt. A request whose body is a stream is sent once.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use ::reqwest::redirect::Policy;
use ::reqwest::{Error, Request, Response, ResponseBuilderExt, Url};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tower_service::Service;

use crate::body::Replay;
use crate::error::BoxError;
use crate::failure::{Redirected, Unproven};

/// A `reqwest::Client` as a service of `http` requests, for any tower layer.
#[derive(Clone)]
pub struct ReqwestService {
    client: ::reqwest::Client,
    follows_redirects: bool,
}

impl ReqwestService {
    /// Wraps a client that may follow redirects; clones share its connection pool.
    pub fn new(client: ::reqwest::Client) -> Self {
        Self {
            client,
            follows_redirects: true,
        }
    }

    /// Builds a client that follows no redirects.
    ///
    /// ```
    /// use tower_backoff::client;
    ///
    /// let builder = reqwest::Client::builder().user_agent("acme/1.0");
    /// let client = client::reqwest::ReqwestService::from_builder(builder)?;
    /// # let _ = client;
    /// # Ok::<(), reqwest::Error>(())
    /// ```
    pub fn from_builder(builder: ::reqwest::ClientBuilder) -> Result<Self, Error> {
        let client = builder.redirect(Policy::none()).build()?;
        Ok(Self::new(client).without_redirects())
    }

    /// Declares that the client was built with `redirect::Policy::none()`.
    #[must_use]
    pub fn without_redirects(mut self) -> Self {
        self.follows_redirects = false;
        self
    }
}

impl fmt::Debug for ReqwestService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The client prints its default headers, credentials included.
        f.debug_struct("ReqwestService").finish_non_exhaustive()
    }
}

/// The body of a reqwest request, which is replayed by `reqwest::Request::try_clone`.
pub struct ReqwestBody {
    // Only a reqwest request can clone its body.
    carrier: Request,
}

impl ReqwestBody {
    pub(super) fn new(body: Option<::reqwest::Body>, url: Url) -> Self {
        let mut carrier = Request::new(::reqwest::Method::GET, url);
        *carrier.body_mut() = body;
        Self { carrier }
    }

    pub(super) fn into_request(mut self, head: http::request::Parts) -> Result<Request, Error> {
        let body = self.carrier.body_mut().take();
        let mut request = Request::try_from(http::Request::from_parts(head, ""))?;
        *request.body_mut() = body;
        // The URL is restored, since a `Uri` has no fragment; unless a layer has changed the address.
        if is_same_address(request.url(), self.carrier.url()) {
            *request.url_mut() = self.carrier.url().clone();
        }
        Ok(request)
    }
}

impl Body for ReqwestBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match self.carrier.body_mut() {
            Some(body) => Pin::new(body).poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.carrier.body().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let none = || SizeHint::with_exact(0);
        self.carrier.body().map_or_else(none, Body::size_hint)
    }
}

/// An empty body, which layers that follow redirects use.
impl Default for ReqwestBody {
    fn default() -> Self {
        let nowhere = Url::parse("about:blank").expect("an address that is well known");
        Self::new(None, nowhere)
    }
}

impl Replay for ReqwestBody {
    fn replay(&self) -> Option<Self> {
        let carrier = self.carrier.try_clone()?;
        Some(Self { carrier })
    }
}

impl fmt::Debug for ReqwestBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The carrier contains the whole address.
        f.debug_struct("ReqwestBody").finish_non_exhaustive()
    }
}

impl Service<http::Request<ReqwestBody>> for ReqwestService {
    type Response = http::Response<::reqwest::Body>;
    type Error = BoxError;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<ReqwestBody>) -> ResponseFuture {
        let Self {
            client,
            follows_redirects,
        } = self.clone();
        let (head, body) = request.into_parts();
        ResponseFuture(Box::pin(async move {
            let request = body.into_request(head)?;
            let requested = follows_redirects.then(|| request.url().clone());
            match client.execute(request).await {
                Ok(response) => Ok(to_http(response, requested.as_ref())),
                Err(error) if follows_redirects => Err(Unproven::new(error).into()),
                Err(error) => Err(error.into()),
            }
        }))
    }
}

/// The response future of a [`ReqwestService`].
#[must_use = "futures do nothing unless polled"]
pub struct ResponseFuture(Pin<Box<ReqwestFuture>>);

type ReqwestFuture = dyn Future<Output = Result<http::Response<::reqwest::Body>, BoxError>> + Send;

impl Future for ResponseFuture {
    type Output = Result<http::Response<::reqwest::Body>, BoxError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for ResponseFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}

/// Sends a reqwest request through the layers around a [`ReqwestService`].
pub async fn execute<S, R>(service: &S, request: Request) -> Result<Response, BoxError>
where
    S: Service<http::Request<ReqwestBody>, Response = http::Response<R>> + Clone,
    S::Error: Into<BoxError>,
    R: Body<Data = Bytes> + Send + Sync + 'static,
    R::Error: Into<BoxError>,
{
    let mut service = service.clone();
    std::future::poll_fn(|cx| service.poll_ready(cx))
        .await
        .map_err(Into::into)?;
    let response = service.call(to_http_request(request)?);
    let response = response
        .await
        .map_err(|error| unwrap_unproven(error.into()))?;
    Ok(Response::from(response.map(::reqwest::Body::wrap)))
}

/// Sends a request of reqwest through the layers around a [`ReqwestService`], in place of `send()`.
///
/// ```no_run
/// use tower::Layer;
/// use tower_backoff::client::reqwest::{ReqwestService, SendThrough};
/// use tower_backoff::{BoxError, RetryLayer, providers};
///
/// # async fn create() -> Result<(), BoxError> {
/// let client = reqwest::Client::new();
/// let wolfeo = RetryLayer::new(providers::wolfeo()).layer(ReqwestService::new(client.clone()));
///
/// let request = client.post("https://api.wolfeo.me/contacts").body(r#"{"name":"Ada"}"#);
/// let response = request.send_through(&wolfeo).await?; // in place of `request.send()`
/// # drop(response);
/// # Ok(())
/// # }
/// ```
pub trait SendThrough {
    /// Builds the request and [executes](execute) it.
    fn send_through<S, R>(self, service: &S) -> impl Future<Output = Result<Response, BoxError>>
    where
        S: Service<http::Request<ReqwestBody>, Response = http::Response<R>> + Clone,
        S::Error: Into<BoxError>,
        R: Body<Data = Bytes> + Send + Sync + 'static,
        R::Error: Into<BoxError>;
}

impl SendThrough for ::reqwest::RequestBuilder {
    async fn send_through<S, R>(self, service: &S) -> Result<Response, BoxError>
    where
        S: Service<http::Request<ReqwestBody>, Response = http::Response<R>> + Clone,
        S::Error: Into<BoxError>,
        R: Body<Data = Bytes> + Send + Sync + 'static,
        R::Error: Into<BoxError>,
    {
        execute(service, self.build()?).await
    }
}

/// Unwraps an error that was marked as unproven.
pub(super) fn unwrap_unproven(error: BoxError) -> BoxError {
    match error.downcast::<Unproven>() {
        Ok(unproven) => unproven.into_inner(),
        Err(error) => error,
    }
}

/// Converts a request: head, extensions (the timeout is one) and body.
pub(super) fn to_http_request(request: Request) -> Result<http::Request<ReqwestBody>, Error> {
    let url = request.url().clone();
    let has_body = request.body().is_some();
    let (head, body) = http::Request::<::reqwest::Body>::try_from(request)?.into_parts();
    let body = ReqwestBody::new(has_body.then_some(body), url);
    Ok(http::Request::from_parts(head, body))
}

/// Converts a response and keeps its URL, which reqwest's own conversion drops.
///
/// The response is marked as redirected if the client may follow redirects and another URL was requested.
pub(super) fn to_http(
    response: Response,
    requested: Option<&Url>,
) -> http::Response<::reqwest::Body> {
    let url = response.url().clone();
    let is_known = url.host_str() != Some(UNKNOWN_HOST);
    let is_another = requested.is_some_and(|requested| !is_same_address(&url, requested));
    let redirected = (is_known && is_another).then(|| to_redirected(&url));
    let mut response = http::Response::<::reqwest::Body>::from(response);
    let extensions = http::Response::builder().url(url).body(());
    if let Ok(with_url) = extensions {
        response
            .extensions_mut()
            .extend(with_url.into_parts().0.extensions);
    }
    if let Some(redirected) = redirected {
        response.extensions_mut().insert(redirected);
    }
    response
}

/// The host that reqwest reports for a response that a middleware created without a URL.
const UNKNOWN_HOST: &str = "no.url.provided.local";

/// Compares two URLs without fragment and user info, which a server does not see.
fn is_same_address(one: &Url, other: &Url) -> bool {
    one.origin() == other.origin() && one.path() == other.path() && one.query() == other.query()
}

fn to_redirected(url: &Url) -> Redirected {
    let origin = || url.origin().ascii_serialization().parse();
    let uri = url.as_str().parse().or_else(|_| origin());
    Redirected::new(uri.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_says_whether_there_is_anything_in_it_and_how_much() {
        let url = || Url::parse("https://api.test/").unwrap();
        for (body, length) in [(None, 0), (Some(""), 0), (Some("order one"), 9)] {
            let body = ReqwestBody::new(body.map(::reqwest::Body::from), url());
            let copy = body.replay().unwrap();
            for body in [body, copy] {
                assert_eq!(body.is_end_stream(), length == 0);
                assert_eq!(body.size_hint().exact(), Some(length));
            }
        }
    }

    #[test]
    fn a_response_of_another_address_says_so() {
        let requested = Url::parse("https://me:secret@api.test/a?b=c#d").unwrap();
        for (answered, redirected) in [
            (Some("https://api.test/a?b=c"), None),
            (Some("https://api.test:443/a?b=c#d"), None),
            (None, None),
            (Some("https://api.test/a"), Some("https://api.test/a")),
            (Some("http://api.test/a?b=c"), Some("http://api.test/a?b=c")),
            (Some("https://b.test/"), Some("https://b.test/")),
        ] {
            let mut response = http::Response::builder();
            if let Some(url) = answered {
                response = response.url(url.parse().unwrap());
            }
            let response = to_http(response.body("").unwrap().into(), Some(&requested));
            let said = response.extensions().get::<Redirected>();
            let said = said.map(|redirected| redirected.uri().to_string());
            assert_eq!(said.as_deref(), redirected, "{answered:?}");
        }
    }

    #[test]
    fn a_request_goes_where_a_layer_has_sent_it_and_keeps_its_fragment_otherwise() {
        let url = Url::parse("https://api.test/a#d").unwrap();
        let there = |uri: &str, body: ReqwestBody| {
            let (head, ()) = http::Request::get(uri).body(()).unwrap().into_parts();
            body.into_request(head).unwrap().url().to_string()
        };
        let body = || ReqwestBody::new(None, url.clone());
        assert_eq!(there("https://api.test/a", body()), "https://api.test/a#d");
        assert_eq!(there("https://api.test/b", body()), "https://api.test/b");
        assert_eq!(
            there("https://api.test/b", ReqwestBody::default()),
            "https://api.test/b"
        );
    }
}
