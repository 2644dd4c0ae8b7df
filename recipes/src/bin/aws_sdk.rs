//! The SDKs of AWS
//!
//! `http_client` of any of their configs takes a client of your own. Their retries are turned off by
//! `RetryConfig::disabled()`, and the attempt timeouts of the SDK then hold for the whole call: leave them away. The layer
//! sends a request again as it was signed, so keep `patience` below the five minutes for which most services take a signature.
//! A body of an SDK is not `Clone`, so a `ReplayLayer` stands outside. `NotBefore::find(&error)` finds the wait behind
//! `SdkError`.

// recipe: begin
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tower::{ServiceBuilder, ServiceExt, util::BoxCloneSyncService};
use tower_backoff::body::ReplayLayer;
use tower_backoff::{BoxError, RetryLayer, providers};

#[derive(Clone, Debug)]
struct Layered(BoxCloneSyncService<http::Request<SdkBody>, http::Response<SdkBody>, BoxError>);

/// One for the whole program. In earnest the connector is one of hyper-rustls.
fn http_client() -> SharedHttpClient {
    let retry = RetryLayer::new(providers::aws())
        .patience(Duration::from_secs(4 * 60))
        .end_with_not_before();
    let service = ServiceBuilder::new()
        .map_response(|response: http::Response<_>| response.map(SdkBody::from_body_1_x))
        .layer(ReplayLayer::new())
        .layer(retry)
        .service(Client::builder(TokioExecutor::new()).build_http());
    let connector = SharedHttpConnector::new(Layered(BoxCloneSyncService::new(service)));
    http_client_fn(move |_, _| connector.clone())
}

impl Layered {
    async fn send(self, request: HttpRequest) -> Result<HttpResponse, BoxError> {
        let response = self.0.oneshot(request.try_into_http1x()?).await?;
        Ok(response.try_into()?)
    }
}

impl HttpConnector for Layered {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let send = self.clone().send(request);
        HttpConnectorFuture::new(async move {
            send.await
                .map_err(|error| ConnectorError::other(error, None))
        })
    }
}
// recipe: end

use aws_sdk_sts::config::retry::RetryConfig;
use aws_sdk_sts::config::{BehaviorVersion, Credentials, Region};

const ANSWER: &str = "<GetCallerIdentityResponse><GetCallerIdentityResult><Account>1</Account>\
    </GetCallerIdentityResult></GetCallerIdentityResponse>";

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let answer = |_: &_| http::Response::new(ANSWER.to_owned());
    let client = |server: &recipes::Server| {
        // recipe: begin
        let config = aws_sdk_sts::Config::builder()
            .http_client(http_client())
            .retry_config(RetryConfig::disabled())
            // recipe: end
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new("id", "secret", None, None, "recipe"))
            .endpoint_url(server.url(""));
        Ok(aws_sdk_sts::Client::from_conf(config.build()))
    };
    recipes::play("the SDKs of AWS", answer, client, async |sts, _| {
        sts.get_caller_identity().send().await?;
        Ok(())
    })
    .await
}
