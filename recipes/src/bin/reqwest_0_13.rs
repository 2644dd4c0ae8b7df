//! reqwest 0.13
//!
//! `client::reqwest::ReqwestService` makes a tower service of the client, and `send_through` ends a request in place of
//! `send`. On its own reqwest retries only what HTTP/2 proves not to have been processed; leave `ClientBuilder::retry` away.
//! A client that follows no redirects proves by a failed connection that nothing was sent. The error of a call is a
//! `BoxError`, and `NotBefore::find(&*error)` finds the wait in it.

use recipes::check;
// recipe: begin
use std::time::Duration;

use reqwest::{Client, redirect::Policy};
use tower::Layer;
use tower_backoff::client::reqwest::{ReqwestService, SendThrough};
use tower_backoff::{BoxError, Retry, RetryLayer, policy::Provider};

/// One for the whole program; clones share their gates.
#[derive(Clone)]
struct Acme {
    client: Client,
    service: Retry<ReqwestService>,
}

impl Acme {
    fn new() -> reqwest::Result<Self> {
        let client = Client::builder().redirect(Policy::none());
        let client = client.timeout(Duration::from_secs(10)).build()?; // of each attempt
        let service = ReqwestService::new(client.clone()).without_redirects();
        let layer = RetryLayer::new(Provider::new("acme")).end_with_not_before();
        Ok(Self {
            client,
            service: layer.layer(service),
        })
    }

    async fn create(&self, url: String) -> Result<reqwest::Response, BoxError> {
        let request = self.client.post(url).body(r#"{"name":"Ada"}"#);
        request.send_through(&self.service).await // in place of `request.send()`
    }
}
// recipe: end

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let answer = |_: &_| http::Response::new("created".to_owned());
    let client = |_: &_| Ok(Acme::new()?);
    recipes::play("reqwest 0.13", answer, client, async |acme, server| {
        check(
            acme.create(server.url("/contacts"))
                .await?
                .status()
                .as_u16(),
        )
    })
    .await
}
