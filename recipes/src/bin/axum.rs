//! A handler of axum
//!
//! A handler calls an API, and its own callers do not wait for hours: `patience` stands below their timeout, and past it
//! the handler answers 503 with the `Retry-After` of the API. hyper-util's client retries only what it knows was not
//! sent, on another connection; that may stay. `NotBefore::find(&*error)` finds the wait in the error of the client.

use recipes::{Scenes, Server};
use tokio::net::TcpListener;
// recipe: begin
use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::{Router, routing::get};
use bytes::Bytes;
use http::{Request, StatusCode, Uri, header::RETRY_AFTER};
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use tower::{Layer, ServiceExt};
use tower_backoff::policy::Provider;
use tower_backoff::{BoxError, NotBefore, Retry, RetryLayer};

/// What the handlers share: one client for all, so that all wait at one gate.
#[derive(Clone)]
struct Contacts {
    client: Retry<Client<HttpConnector, Empty<Bytes>>>,
    api: Uri,
}

impl Contacts {
    fn new(api: Uri) -> Self {
        let layer = RetryLayer::new(Provider::new("contacts"))
            .patience(Duration::from_secs(5)) // below the timeout of our own callers
            .end_with_not_before();
        let client = layer.layer(Client::builder(TokioExecutor::new()).build_http());
        Self { client, api }
    }
}

async fn list(State(contacts): State<Contacts>) -> Response {
    match ask(contacts).await {
        Ok(body) => body.into_response(),
        Err(error) => match NotBefore::find(&*error) {
            Some(not_before) => {
                let seconds = not_before.retry_after_seconds().to_string();
                (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, seconds)]).into_response()
            }
            None => StatusCode::BAD_GATEWAY.into_response(),
        },
    }
}

async fn ask(contacts: Contacts) -> Result<Bytes, BoxError> {
    let request = Request::get(contacts.api).body(Empty::new())?;
    let response = contacts.client.oneshot(request).await?;
    Ok(response.into_body().collect().await?.to_bytes())
}
// recipe: end

/// Our own server, and what it answers to a call: 200, or 503 and how long to wait.
struct Ours {
    uri: Uri,
    client: Client<HttpConnector, Empty<Bytes>>,
}

impl Ours {
    async fn start(api: &Server) -> Result<Self, BoxError> {
        let contacts = Contacts::new(api.url("/contacts").parse()?);
        let router = Router::new()
            .route("/contacts", get(list))
            .with_state(contacts);
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let uri = format!("http://{}/contacts", listener.local_addr()?).parse()?;
        tokio::spawn(async { axum::serve(listener, router).await });
        let client = Client::builder(TokioExecutor::new()).build_http();
        Ok(Self { uri, client })
    }

    async fn call(&self) -> Result<(), BoxError> {
        let response = self.client.get(self.uri.clone()).await?;
        let retry_after = response.headers().get(RETRY_AFTER);
        match (response.status(), retry_after) {
            (StatusCode::OK, None) => Ok(()),
            (StatusCode::SERVICE_UNAVAILABLE, Some(seconds)) => Err(seconds.to_str()?.into()),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let scenes = Scenes::of("a handler of axum");
    let answer = |_: &_| http::Response::new("[]".to_owned());

    let api = Server::start(answer).await;
    let ours = Ours::start(&api).await?;
    scenes
        .refused_call(&api.limiter, async || ours.call().await)
        .await?;

    let api = Server::start(answer).await;
    let ours = Ours::start(&api).await?;
    let find = |error: &BoxError| error.to_string().parse().ok().map(Duration::from_secs);
    scenes
        .past_patience(&api.limiter, async || ours.call().await, find)
        .await;

    let api = Server::start(answer).await;
    let ours = Ours::start(&api).await?;
    scenes
        .published_quota(&api.limiter, async || ours.call().await)
        .await
}
