//! reqwest-middleware
//!
//! `RetryMiddleware` is added in place of reqwest-retry's; do not keep both. Middlewares that are added after it run for each
//! attempt. `NotBefore::find(&error)` finds the wait, which is hidden in an `anyhow::Error`.

use http::Response;
use recipes::check;
use tower_backoff::BoxError;
// recipe: begin
use reqwest::redirect::Policy;
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware};
use tower_backoff::client::reqwest_middleware::RetryMiddleware;
use tower_backoff::{RetryLayer, policy::Provider};

/// One for the whole program; clones share their gates.
fn client() -> reqwest::Result<ClientWithMiddleware> {
    let client = reqwest::Client::builder()
        .redirect(Policy::none())
        .build()?;
    let layer = RetryLayer::new(Provider::new("acme")).end_with_not_before();
    let middleware = RetryMiddleware::new(layer).without_redirects();
    Ok(ClientBuilder::new(client).with(middleware).build())
}
// recipe: end

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let answer = |_: &_| Response::new("created".to_owned());
    let client = |_: &_| Ok(client()?);
    recipes::play(
        "reqwest-middleware",
        answer,
        client,
        async |acme, server| {
            let request = acme.post(server.url("/contacts"));
            let response = request.body(r#"{"name":"Ada"}"#).send().await?;
            check(response.status().as_u16())
        },
    )
    .await
}
