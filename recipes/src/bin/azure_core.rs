//! azure_core
//!
//! `ClientOptions` takes a transport, and so do the options of every client of the Azure SDK. Its retries are turned off by
//! `RetryOptions::none()`. Its requests are lent, so the body is copied, which for bytes is cheap; a stream is read into memory
//! here. `NotBefore::find(&error)` finds the wait behind the SDK's error.

// recipe: begin
use std::sync::Arc;

use azure_core::error::{Error, ErrorKind};
use azure_core::http::headers::{HeaderName, HeaderValue, Headers};
use azure_core::http::{
    AsyncRawResponse, Body, ClientOptions, HttpClient, Request, RetryOptions, Transport,
};
use bytes::Bytes;
use futures_util::TryStreamExt;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use tower::{Layer, ServiceExt};
use tower_backoff::{BoxError, Retry, RetryLayer, providers};

/// One for the whole program. In earnest the connector is one of hyper-rustls.
#[derive(Debug)]
struct Layered(Retry<Client<HttpConnector, Full<Bytes>>>);

impl Layered {
    fn new() -> Self {
        let layer = RetryLayer::new(providers::azure_resource_manager()).end_with_not_before();
        Self(layer.layer(Client::builder(TokioExecutor::new()).build_http()))
    }

    async fn send(&self, request: &Request) -> Result<AsyncRawResponse, BoxError> {
        let mut copy = http::Request::builder()
            .method(request.method().as_str())
            .uri(request.url().as_str());
        for (name, value) in request.headers().iter() {
            copy = copy.header(name.as_str(), value.as_str());
        }
        let body = match request.body().clone() {
            Body::Bytes(bytes) => bytes,
            Body::SeekableStream(stream) => stream.try_collect::<Vec<_>>().await?.concat().into(),
        };
        let response = self.0.clone().oneshot(copy.body(Full::new(body))?).await?;
        let (head, body) = response.into_parts();
        let mut headers = Headers::new();
        for (name, value) in &head.headers {
            let value = HeaderValue::from(value.to_str()?.to_owned());
            headers.insert(HeaderName::from(name.as_str().to_owned()), value);
        }
        let body = body.into_data_stream();
        let body = body.map_err(|error| Error::new(ErrorKind::Io, error));
        Ok(AsyncRawResponse::new(
            head.status.as_u16().into(),
            headers,
            Box::pin(body),
        ))
    }
}

#[async_trait::async_trait]
impl HttpClient for Layered {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let response = self.send(request).await;
        response.map_err(|error| Error::new(ErrorKind::Other, error))
    }
}

fn options() -> ClientOptions {
    ClientOptions {
        transport: Some(Transport::new(Arc::new(Layered::new()))),
        retry: RetryOptions::none(),
        ..ClientOptions::default()
    }
}
// recipe: end

use azure_core::http::{Context, Method, Pipeline};

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let answer = |_: &_| http::Response::new("{}".to_owned());
    let client = |_: &_| Ok(Pipeline::new(None, None, options(), vec![], vec![], None));
    recipes::play("azure_core", answer, client, async |pipeline, server| {
        let mut request = Request::new(server.url("/groups").parse()?, Method::Put);
        request.set_body(Bytes::from_static(br#"{"location":"here"}"#));
        let response = pipeline.send(&Context::new(), &mut request, None).await?;
        recipes::check(response.status().into())
    })
    .await
}
