//! reqwest 0.13
//!
//! `client::reqwest::ReqwestService` makes a tower service of the client, and `execute` sends a request of reqwest
//! through it and returns a response of reqwest. reqwest retries nothing on its own unless `ClientBuilder::retry` asks
//! for it: leave that away. The error of a call is a `BoxError`, and `NotBefore::find(&*error)` finds the wait in it.

use http::Response;
use recipes::check;
// recipe: begin
use std::time::Duration;

use tower::Layer;
use tower_backoff::client::reqwest::{ReqwestService, execute};
use tower_backoff::{BoxError, Retry, RetryLayer, policy::Provider};

/// One for the whole program; clones share their gates.
fn client() -> Result<Retry<ReqwestService>, BoxError> {
    let builder = reqwest::Client::builder().timeout(Duration::from_secs(10)); // of each attempt
    let layer = RetryLayer::new(Provider::new("acme")).end_with_not_before();
    Ok(layer.layer(ReqwestService::from_builder(builder)?))
}

async fn create(
    client: &Retry<ReqwestService>,
    url: String,
) -> Result<reqwest::Response, BoxError> {
    let mut request = reqwest::Request::new(reqwest::Method::POST, url.parse()?);
    *request.body_mut() = Some(r#"{"name":"Ada"}"#.into());
    execute(client, request).await // in place of `client.execute(request)`
}
// recipe: end

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let answer = |_: &_| Response::new("created".to_owned());
    recipes::play(
        "reqwest 0.13",
        answer,
        |_| client(),
        async |acme, server| {
            check(
                create(acme, server.url("/contacts"))
                    .await?
                    .status()
                    .as_u16(),
            )
        },
    )
    .await
}
