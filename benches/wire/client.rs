//! The bare client that all contenders share, and the request that they send.

use bytes::Bytes;
use http::{Request, Uri};
use http_body_util::Empty;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

/// The body of every request.
pub type EmptyBody = Empty<Bytes>;

/// The client of hyper-util. Clones share one pool of connections.
pub type BareClient = Client<HttpConnector, EmptyBody>;

/// A client whose connections send each request at once.
pub fn bare() -> BareClient {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    Client::builder(TokioExecutor::new()).build(connector)
}

/// A GET with three headers; the client adds `Host`.
pub fn request(uri: Uri) -> Request<EmptyBody> {
    Request::get(uri)
        .header("accept", "application/json")
        .header("authorization", "Bearer 0123456789abcdef")
        .header("user-agent", "bench/1.0")
        .body(Empty::new())
        .expect("a valid request")
}
