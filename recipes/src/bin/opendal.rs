//! opendal
//!
//! `with_http_transport` takes any client. opendal retries nothing unless a `RetryLayer` of its own is added: leave that away.
//! It wants redirects to be followed: add a `FollowRedirectLayer` of tower-http outside if your service sends any. The layer
//! sends a request again as it was signed: keep `patience` below the 15 minutes for which S3 takes a signature.
//! `NotBefore::find(&error)` finds the wait.

// recipe: begin
use bytes::Bytes;
use futures_util::TryStreamExt;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use opendal::{Buffer, Error, ErrorKind, HttpBody, HttpTransport, HttpTransporter};
use opendal::{OperationContext, Operator};
use tower::{Layer, ServiceExt};
use tower_backoff::{BoxError, Retry, RetryLayer, providers};

/// One for the whole program. In earnest the connector is one of hyper-rustls.
struct Layered(Retry<Client<HttpConnector, Full<Bytes>>>);

impl Layered {
    fn new() -> Self {
        let layer = RetryLayer::new(providers::aws()).end_with_not_before();
        Self(layer.layer(Client::builder(TokioExecutor::new()).build_http()))
    }
}

fn failed(error: impl Into<BoxError>) -> Error {
    let failed = Error::new(ErrorKind::Unexpected, "the request failed");
    failed.set_source(std::io::Error::other(error))
}

impl HttpTransport for Layered {
    async fn fetch(&self, request: Request<Buffer>) -> opendal::Result<Response<HttpBody>> {
        let request = request.map(|body| Full::new(body.to_bytes()));
        let response = self.0.clone().oneshot(request).await.map_err(failed)?;
        Ok(response.map(|body| {
            let frames = body.into_data_stream().map_ok(Buffer::from);
            HttpBody::new(Box::pin(frames.map_err(failed)), None)
        }))
    }
}

fn with_layer(operator: Operator) -> Operator {
    let transport = HttpTransporter::new(Layered::new());
    operator.with_context(OperationContext::new().with_http_transport(transport))
}
// recipe: end

use opendal::services::S3;

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let answer = |_: &_| {
        let response = Response::builder().header("etag", "\"1\"");
        response.body(String::new()).unwrap()
    };
    let client = |server: &recipes::Server| {
        let s3 = S3::default()
            .bucket("bucket")
            .region("us-east-1")
            .access_key_id("id")
            .secret_access_key("secret")
            .endpoint(&server.url(""));
        Ok(with_layer(Operator::new(s3)?))
    };
    recipes::play("opendal", answer, client, async |store, _| {
        store.write("letter", "Dear Ada").await?;
        Ok(())
    })
    .await
}
