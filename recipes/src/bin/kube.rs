//! kube
//!
//! Build the client from a service of your own: the stack that `Client::try_from` builds retries 429, 503 and 504 by
//! itself, and cannot be cloned. Its bodies are not `Clone`, so a `ReplayLayer` stands outside. A refusal of the API server
//! (priority and fairness) is a 429 with `Retry-After`. kube drops the headers of a refusal, so `end_with_not_before` is
//! needed; then `NotBefore::find(&error)` finds the wait behind `Error::Service`.

use http::Response;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, PostParams};
use recipes::Server;
// recipe: begin
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use kube::client::ConfigExt;
use tower::ServiceBuilder;
use tower_backoff::{BoxError, RetryLayer, body::ReplayLayer, policy::Provider};

/// One for the whole program. In earnest the connector is `config.rustls_https_connector()?`.
fn cluster(config: kube::Config) -> Result<kube::Client, BoxError> {
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer()?)
        .layer(ReplayLayer::new())
        .layer(RetryLayer::new(Provider::new("kubernetes")).end_with_not_before())
        .service(Client::builder(TokioExecutor::new()).build_http());
    Ok(kube::Client::new(service, config.default_namespace))
}
// recipe: end

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let answer = |_: &_| {
        let map = r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"settings"}}"#;
        Response::builder()
            .status(201)
            .body(map.to_owned())
            .unwrap()
    };
    let client = |server: &Server| cluster(kube::Config::new(server.url("/").parse()?));
    recipes::play("kube", answer, client, async |cluster, _| {
        let maps: Api<ConfigMap> = Api::default_namespaced(cluster.clone());
        let map: ConfigMap = serde_json::from_str(r#"{"metadata":{"name":"settings"}}"#)?;
        maps.create(&PostParams::default(), &map).await?;
        Ok(())
    })
    .await
}
