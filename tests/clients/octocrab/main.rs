//! octocrab above the layer. The clones of a body share one stream: what the first attempt has read is gone.

use std::convert::Infallible;
use std::time::Duration;

use http::{Request, Response, Uri};
use http_body_util::BodyExt;
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use octocrab::service::middleware::base_uri::BaseUriLayer;
use octocrab::{AuthState, OctoBody, Octocrab, OctocrabBuilder};
use support::wire::{self, Wire};
use tower::{Layer, Service};
use tower_backoff::body::ReplayLayer;
use tower_backoff::{BoxError, NotBefore, Report, RetryLayer, StopReason, providers};

#[allow(dead_code, unreachable_pub)]
#[path = "../../support"]
mod support {
    pub mod listener;
    pub mod wire;
}

/// Refuses the first request for a second, and serves all others.
async fn server() -> Wire {
    Wire::start(|received| match received.nth {
        1 => wire::answer(429, "retry-after: 1\r\n", r#"{"message":"slow down"}"#),
        _ => wire::answer(201, "", r#"{"number":7}"#),
    })
    .await
}

fn client<B>() -> Client<HttpConnector, B>
where
    B: http_body::Body<Data: Send> + Send,
{
    Client::builder(TokioExecutor::new()).build_http()
}

fn octocrab<S, R>(server: &Wire, service: S) -> Octocrab
where
    S: Service<Request<OctoBody>, Response = Response<R>, Error = BoxError> + Send + 'static,
    S::Future: Send + 'static,
    R: http_body::Body<Data = bytes::Bytes, Error: Into<BoxError>> + Send + Sync + 'static,
{
    let base: Uri = server.uri("/").to_string().parse().unwrap();
    let built: Result<Octocrab, Infallible> = OctocrabBuilder::new_empty()
        .with_service(service)
        .with_layer(&BaseUriLayer::new(base))
        .with_auth(AuthState::None)
        .build();
    built.unwrap()
}

fn issue() -> serde_json::Value {
    serde_json::json!({"title": "The second time there is nothing in it"})
}

fn bodies(server: &Wire) -> Vec<String> {
    let received = server.received().into_iter();
    let texts = received.map(|request| String::from_utf8(request.body.to_vec()).unwrap());
    texts.collect()
}

#[tokio::test]
async fn through_the_replay_layer_a_post_goes_again_whole() {
    let server = server().await;
    let retry = RetryLayer::new(providers::github());
    let github = octocrab(&server, ReplayLayer::new().layer(retry.layer(client())));
    let answer = github
        ._post("/repos/a/b/issues", Some(&issue()))
        .await
        .unwrap();
    assert_eq!(answer.status(), 201);
    assert_eq!(bodies(&server), [issue().to_string(), issue().to_string()]);
}

#[tokio::test]
async fn without_it_a_post_ends_with_the_refusal_and_the_reason() {
    let server = server().await;
    let retry = RetryLayer::new(providers::github());
    let github = octocrab(&server, retry.layer(client()));
    let answer = github
        ._post("/repos/a/b/issues", Some(&issue()))
        .await
        .unwrap();
    let report = answer
        .extensions()
        .get::<Report>()
        .cloned()
        .expect("a report");
    assert_eq!(
        (answer.status().as_u16(), report.stop_reason()),
        (429, Some(StopReason::BodyNotReplayable))
    );
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, r#"{"message":"slow down"}"#);
    assert_eq!(bodies(&server), [issue().to_string()]);
}

#[tokio::test]
async fn a_get_goes_again_without_it() {
    let server = server().await;
    let retry = RetryLayer::new(providers::github());
    let github = octocrab(&server, retry.layer(client()));
    let answer = github._get("/repos/a/b/issues").await.unwrap();
    assert_eq!(answer.status(), 201);
    assert_eq!(bodies(&server), ["", ""]);
}

/// octocrab makes an error of its own of each refusal, without its headers.
#[tokio::test]
async fn its_error_has_not_before_in_it() {
    let server = Wire::always(wire::answer(
        429,
        "retry-after: 58\r\n",
        r#"{"message":"slow down"}"#,
    ))
    .await;
    let retry = RetryLayer::new(providers::github())
        .patience(Duration::from_secs(5))
        .end_with_not_before();
    let github = octocrab(&server, retry.layer(client()));
    for _ in 0..2 {
        let error = github.issues("a", "b").get(7).await.unwrap_err();
        let not_before = NotBefore::find(&error).expect("when to come back");
        assert!((58..=59).contains(&not_before.retry_after_seconds()));
    }
    assert_eq!(server.received().len(), 1);
}
