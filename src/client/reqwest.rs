//! A `reqwest::Client` beneath the layer, and its own response back (feature `reqwest`).
//!
//! ```no_run
//! use tower::Layer;
//! use tower_backoff::{BoxError, RetryLayer, client, providers};
//!
//! # async fn contacts() -> Result<(), BoxError> {
//! let client = reqwest::Client::new();
//! let request = client.get("https://api.wolfeo.me/contacts").build()?;
//!
//! let service = RetryLayer::new(providers::wolfeo()).layer(client::reqwest::Client::new(client));
//! let response = client::reqwest::execute(&service, request).await?;
//!
//! println!("{}: {}", response.url(), response.status());
//! # Ok(())
//! # }
//! ```
//!
//! Timeouts of the client and of the request hold for each attempt. A request whose body is a stream is
//! sent once.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use ::reqwest::{Error, Request, Response, ResponseBuilderExt, Url};
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tower_service::Service;

use crate::body::Replay;
use crate::error::BoxError;

/// A `reqwest::Client` as a service of `http` requests, for any tower layer to stand around.
#[derive(Clone)]
pub struct Client {
    client: ::reqwest::Client,
}

impl Client {
    /// Around this client; clones share its pool.
    pub fn new(client: ::reqwest::Client) -> Self {
        Self { client }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The client shows its default headers, credentials and all.
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

/// The body of a reqwest request, which is replayed as `reqwest::Request::try_clone` says.
pub struct Body {
    // Only a request knows how to copy its body.
    carrier: Request,
}

impl Body {
    pub(super) fn of(body: Option<::reqwest::Body>, url: Url) -> Self {
        let mut carrier = Request::new(::reqwest::Method::GET, url);
        *carrier.body_mut() = body;
        Self { carrier }
    }

    pub(super) fn into_request(mut self, head: http::request::Parts) -> Result<Request, Error> {
        let body = self.carrier.body_mut().take();
        let mut request = Request::try_from(http::Request::from_parts(head, ""))?;
        *request.body_mut() = body;
        // As it was: a `Uri` has no fragment.
        *request.url_mut() = self.carrier.url().clone();
        Ok(request)
    }
}

impl HttpBody for Body {
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
        self.carrier.body().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let none = || SizeHint::with_exact(0);
        self.carrier.body().map_or_else(none, HttpBody::size_hint)
    }
}

impl Replay for Body {
    fn replay(&self) -> Option<Self> {
        let carrier = self.carrier.try_clone()?;
        Some(Self { carrier })
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The carrier knows the whole address.
        f.debug_struct("Body").finish_non_exhaustive()
    }
}

impl Service<http::Request<Body>> for Client {
    type Response = http::Response<::reqwest::Body>;
    type Error = Error;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> ResponseFuture {
        let client = self.client.clone();
        let (head, body) = request.into_parts();
        ResponseFuture(Box::pin(async move {
            let response = client.execute(body.into_request(head)?).await?;
            Ok(to_http(response))
        }))
    }
}

/// The response of a [`Client`].
#[must_use = "futures do nothing unless polled"]
pub struct ResponseFuture(Pin<Box<Answering>>);

type Answering = dyn Future<Output = Result<http::Response<::reqwest::Body>, Error>> + Send;

impl Future for ResponseFuture {
    type Output = Result<http::Response<::reqwest::Body>, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for ResponseFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}

/// Sends a reqwest request through a stack of layers around a [`Client`].
pub async fn execute<S, R>(service: &S, request: Request) -> Result<Response, BoxError>
where
    S: Service<http::Request<Body>, Response = http::Response<R>> + Clone,
    S::Error: Into<BoxError>,
    R: HttpBody<Data = Bytes> + Send + Sync + 'static,
    R::Error: Into<BoxError>,
{
    let mut service = service.clone();
    std::future::poll_fn(|cx| service.poll_ready(cx))
        .await
        .map_err(Into::into)?;
    let response = service.call(to_http_request(request)?);
    let response = response.await.map_err(Into::into)?;
    Ok(Response::from(response.map(::reqwest::Body::wrap)))
}

/// Head, extensions (the timeout is one of them) and body.
pub(super) fn to_http_request(request: Request) -> Result<http::Request<Body>, Error> {
    let url = request.url().clone();
    let has_body = request.body().is_some();
    let (head, body) = http::Request::<::reqwest::Body>::try_from(request)?.into_parts();
    let body = Body::of(has_body.then_some(body), url);
    Ok(http::Request::from_parts(head, body))
}

/// The conversion of reqwest itself forgets the address; this one keeps it.
pub(super) fn to_http(response: Response) -> http::Response<::reqwest::Body> {
    let url = response.url().clone();
    let mut response = http::Response::<::reqwest::Body>::from(response);
    let extensions = http::Response::builder().url(url).body(());
    if let Ok(with_url) = extensions {
        response
            .extensions_mut()
            .extend(with_url.into_parts().0.extensions);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_says_whether_there_is_anything_in_it_and_how_much() {
        let url = || Url::parse("https://api.test/").unwrap();
        for (body, length) in [(None, 0), (Some(""), 0), (Some("order one"), 9)] {
            let body = Body::of(body.map(::reqwest::Body::from), url());
            let copy = body.replay().unwrap();
            for body in [body, copy] {
                assert_eq!(body.is_end_stream(), length == 0);
                assert_eq!(body.size_hint().exact(), Some(length));
            }
        }
    }
}
