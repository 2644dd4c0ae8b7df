//! A service that answers at once with a 200 and twelve headers.
//!
//! Request and response cost two allocations each, both for the header map.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Request, Response, Uri};
use http_body_util::{Empty, Full};
use tower::Service;

/// The request of every call.
pub type MockRequest = Request<Empty<Bytes>>;
/// The response to every call.
pub type MockResponse = Response<Full<Bytes>>;

/// The body of every response.
pub const BODY: &str = r#"{"done":true}"#;

type Header = (HeaderName, &'static str);

/// Nine headers that most servers send.
static COMMON: [Header; 9] = [
    (header::DATE, "Mon, 02 Mar 2026 12:00:00 GMT"),
    (header::CONTENT_TYPE, "application/json"),
    (header::CONTENT_LENGTH, "13"),
    (header::CACHE_CONTROL, "no-store"),
    (header::ETAG, "\"33a64df5\""),
    (header::VARY, "accept-encoding"),
    (header::SERVER, "nginx"),
    (header::STRICT_TRANSPORT_SECURITY, "max-age=31536000"),
    (header::VIA, "1.1 varnish"),
];

/// Three more headers that say nothing about limits.
static WITHOUT_COUNTERS: [Header; 3] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (HeaderName::from_static("x-request-id"), "6f1d2c7a"),
    (header::AGE, "0"),
];

/// Three headers that publish a limit.
static COUNTERS: [Header; 3] = [
    (HeaderName::from_static("x-ratelimit-limit"), "1000000"),
    (HeaderName::from_static("x-ratelimit-remaining"), "999990"),
    (HeaderName::from_static("x-ratelimit-reset"), "1772452860"),
];

/// A server that returns copies of one response. Clones share it.
///
/// A copy is cheap, so the row of the bare service holds little besides the call.
#[derive(Clone, Debug)]
pub struct Mock {
    response: Arc<MockResponse>,
}

impl Mock {
    pub fn without_counters() -> Self {
        Self::with(&WITHOUT_COUNTERS)
    }

    pub fn with_counters() -> Self {
        Self::with(&COUNTERS)
    }

    fn with(more: &[Header]) -> Self {
        let body = Full::new(Bytes::from_static(BODY.as_bytes()));
        let mut response = Response::new(body);
        *response.headers_mut() = headers(COMMON.iter().chain(more));
        Self::with_response(response)
    }

    pub fn with_response(response: MockResponse) -> Self {
        Self {
            response: Arc::new(response),
        }
    }

    pub fn response(&self) -> MockResponse {
        MockResponse::clone(&self.response)
    }
}

/// Makes copies of one request, a GET with four headers.
#[derive(Debug)]
pub struct RequestTemplate(MockRequest);

impl RequestTemplate {
    pub fn new() -> Self {
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = Uri::from_static("https://api.example.com/v1/contacts");
        *request.headers_mut() = headers(&[
            (header::ACCEPT, "application/json"),
            (header::AUTHORIZATION, "Bearer 0123456789abcdef"),
            (header::USER_AGENT, "bench/1.0"),
            (header::HOST, "api.example.com"),
        ]);
        Self(request)
    }

    pub fn request(&self) -> MockRequest {
        self.0.clone()
    }
}

fn headers<'a>(lines: impl IntoIterator<Item = &'a Header>) -> HeaderMap {
    let line = |(name, value): &Header| (name.clone(), HeaderValue::from_static(value));
    lines.into_iter().map(line).collect()
}

impl<B> Service<Request<B>> for Mock {
    type Response = MockResponse;
    type Error = Infallible;
    type Future = Ready<Result<MockResponse, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        drop(request);
        ready(Ok(self.response()))
    }
}
