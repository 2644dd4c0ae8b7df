//! octocrab
//!
//! Build it from a service of your own, which leaves octocrab's retries away (they are on by default: three, without a
//! wait). The clones of its bodies share one stream, so a `ReplayLayer` stands outside: without it a write is sent once.
//! octocrab makes an error of each refusal and drops its headers, so `end_with_not_before` is needed; then
//! `NotBefore::find(&error)` finds the wait.

use http::Response;
// recipe: begin
use std::convert::Infallible;

use http::Uri;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use octocrab::service::middleware::{auth_header::AuthHeaderLayer, base_uri::BaseUriLayer};
use octocrab::{AuthState, Octocrab, OctocrabBuilder};
use tower::ServiceBuilder;
use tower_backoff::{BoxError, RetryLayer, body::ReplayLayer, providers};

/// One for the whole program. In earnest the connector is one of hyper-rustls.
fn github(base: Uri, token: &str) -> Result<Octocrab, BoxError> {
    let service = ServiceBuilder::new()
        .layer(ReplayLayer::new())
        .layer(RetryLayer::new(providers::github()).end_with_not_before())
        .service(Client::builder(TokioExecutor::new()).build_http());
    let auth = Some(format!("Bearer {token}").parse()?);
    let github: Result<_, Infallible> = OctocrabBuilder::new_empty()
        .with_service(service)
        .with_layer(&AuthHeaderLayer::new(auth, base.clone(), base.clone()))
        .with_layer(&BaseUriLayer::new(base))
        .with_auth(AuthState::None)
        .build();
    Ok(github?)
}
// recipe: end

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let answer = |_: &_| {
        Response::builder()
            .status(201)
            .body("{}".to_owned())
            .unwrap()
    };
    let client = |server: &recipes::Server| github(server.url("/").parse()?, "secret");
    recipes::play("octocrab", answer, client, async |github, _| {
        let issue = serde_json::json!({ "title": "a write" });
        let created: serde_json::Value = github.post("/repos/a/b/issues", Some(&issue)).await?;
        assert!(created.is_object());
        Ok(())
    })
    .await
}
