//! The clients that users put beneath the layer.

use bytes::Bytes;
use http_body_util::Full;
use hyper_util::client::legacy::{Builder, Client, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioTimer};

/// hyper-util's pooling client over plain TCP.
pub type HttpClient = Client<HttpConnector, Full<Bytes>>;

/// Speaks HTTP/1.1.
pub fn http1_client() -> HttpClient {
    builder().build_http()
}

/// Speaks HTTP/1.1 and sends bodies of any kind.
pub fn http1_client_of<B>() -> Client<HttpConnector, B>
where
    B: http_body::Body<Data: Send> + Send,
{
    builder().build_http()
}

/// Speaks HTTP/2 from the first byte, and sends bodies of any kind.
pub fn http2_client_of<B>() -> Client<HttpConnector, B>
where
    B: http_body::Body<Data: Send> + Send,
{
    builder().http2_only(true).build_http()
}

/// Speaks HTTP/2 from the first byte, without TLS.
pub fn http2_client() -> HttpClient {
    builder().http2_only(true).build_http()
}

/// Speaks HTTP/1.1 and reports a request that the pool would quietly send again.
pub fn http1_client_without_retries() -> HttpClient {
    builder().retry_canceled_requests(false).build_http()
}

fn builder() -> Builder {
    let mut builder = Client::builder(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new());
    builder
}

/// A request with a body, and a method that must not be sent twice.
pub fn post(uri: http::Uri) -> http::Request<Full<Bytes>> {
    http::Request::post(uri)
        .body(Full::from("order one"))
        .expect("a valid request")
}

/// A request without a body.
pub fn get(uri: http::Uri) -> http::Request<Full<Bytes>> {
    http::Request::get(uri)
        .body(Full::default())
        .expect("a valid request")
}
