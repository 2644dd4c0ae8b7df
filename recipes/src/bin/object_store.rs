//! object_store
//!
//! `with_http_connector` takes any client. Its own retries are turned off by `max_retries: 0`. The layer sends a request
//! again as it was signed: keep `patience` below the 15 minutes for which S3 takes a signature. Its bodies are `Clone` and
//! say how long they are, so that uploads are sent again, too. `NotBefore::find(&error)` finds the wait.

use http::Response;
use tower_backoff::BoxError;
// recipe: begin
use http_body_util::BodyExt;
use hyper_util::client::legacy::{Client, connect::HttpConnector as Connector};
use hyper_util::rt::TokioExecutor;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpRequestBody,
    HttpResponse, HttpResponseBody, HttpService,
};
use object_store::{ClientOptions, RetryConfig};
use tower::{Layer, ServiceExt};
use tower_backoff::{Retry, RetryLayer, providers};

/// One for the whole program. In earnest the connector is one of hyper-rustls.
#[derive(Clone, Debug)]
struct Layered(Retry<Client<Connector, HttpRequestBody>>);

impl Layered {
    fn new() -> Self {
        let layer = RetryLayer::new(providers::aws()).end_with_not_before();
        Self(layer.layer(Client::builder(TokioExecutor::new()).build_http()))
    }
}

#[async_trait::async_trait]
impl HttpService for Layered {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let response = self.0.clone().oneshot(request).await;
        let response = response.map_err(|e| HttpError::new_boxed(HttpErrorKind::Unknown, e))?;
        let read = |e| HttpError::new(HttpErrorKind::Interrupted, e);
        Ok(response.map(|body| HttpResponseBody::new(body.map_err(read))))
    }
}

impl HttpConnector for Layered {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

fn store(builder: AmazonS3Builder) -> object_store::Result<AmazonS3> {
    let no_retries = RetryConfig {
        max_retries: 0,
        ..RetryConfig::default()
    };
    builder
        .with_retry(no_retries)
        .with_http_connector(Layered::new())
        .build()
}
// recipe: end

use object_store::ObjectStoreExt;

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let answer = |_: &_| {
        let response = Response::builder().header("etag", "\"1\"");
        response.body(String::new()).unwrap()
    };
    let client = |server: &recipes::Server| {
        let builder = AmazonS3Builder::new()
            .with_bucket_name("bucket")
            .with_region("us-east-1")
            .with_access_key_id("id")
            .with_secret_access_key("secret")
            .with_endpoint(server.url(""))
            .with_allow_http(true);
        Ok(store(builder)?)
    };
    recipes::play("object_store", answer, client, async |store, _| {
        store.put(&"letter".into(), "Dear Ada".into()).await?;
        Ok(())
    })
    .await
}
