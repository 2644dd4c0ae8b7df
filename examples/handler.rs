//! A handler of axum that passes a refusal on: 503 with `Retry-After`, at once, instead of a timeout.
//!
//! ```text
//! cargo run --example handler
//! ```
//!
//! It starts an API on the loopback that refuses with 429 and names a wait of 58 seconds, and a server whose handler asks
//! it. Three callers ask that server. The first is the only one whose call reaches the API: the others are told when to
//! come back, and the API is left alone.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use http::header::RETRY_AFTER;
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use tokio::net::TcpListener;
use tower::{ServiceBuilder, ServiceExt};
use tower_backoff::policy::Provider;
use tower_backoff::{BoxError, NotBefore, Retry, RetryLayer};

type HttpClient = Client<HttpConnector, Empty<Bytes>>;

/// What the handlers share: one client for all, so that all wait at one gate.
#[derive(Clone)]
struct Contacts {
    client: Retry<HttpClient>,
    api: Uri,
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let api = start(Router::new().route("/contacts", get(refuse))).await?;
    let layer = RetryLayer::new(Provider::new("contacts"))
        // Below the timeout of our own callers: they are answered instead of timing out.
        .patience(Duration::from_secs(5))
        // The handler need not look at refusals: all that is past its patience is one error.
        .end_with_not_before();
    let contacts = Contacts {
        client: ServiceBuilder::new().layer(layer).service(client()),
        api,
    };
    let server = Router::new()
        .route("/contacts", get(list))
        .with_state(contacts);
    let server = start(server).await?;
    for caller in 1..=3 {
        let begun = Instant::now();
        let response = client().get(server.clone()).await?;
        let (status, retry_after) = (
            response.status(),
            response.headers().get(RETRY_AFTER).cloned(),
        );
        let body = response.into_body().collect().await?.to_bytes();
        println!(
            "caller {caller}, after {:?}: {status}, retry-after {retry_after:?}: {}",
            begun.elapsed(),
            String::from_utf8_lossy(&body)
        );
    }
    Ok(())
}

/// The handler.
async fn list(State(contacts): State<Contacts>) -> Response {
    match ask(contacts).await {
        Ok(body) => body.into_response(),
        Err(error) => match NotBefore::find(&*error) {
            Some(not_before) => busy(not_before),
            None => StatusCode::BAD_GATEWAY.into_response(),
        },
    }
}

async fn ask(contacts: Contacts) -> Result<Bytes, BoxError> {
    let request = Request::get(contacts.api).body(Empty::new())?;
    let response = contacts.client.oneshot(request).await?;
    Ok(response.into_body().collect().await?.to_bytes())
}

/// Our own 503: when to come back, rounded up to whole seconds.
fn busy(not_before: &NotBefore) -> Response {
    let seconds = not_before.retry_after_seconds();
    let retry_after = [(RETRY_AFTER, seconds.to_string())];
    (
        StatusCode::SERVICE_UNAVAILABLE,
        retry_after,
        "busy, come back later",
    )
        .into_response()
}

/// What the API answers to all.
async fn refuse() -> Response {
    println!("the API is asked");
    (StatusCode::TOO_MANY_REQUESTS, [(RETRY_AFTER, "58")]).into_response()
}

fn client() -> HttpClient {
    Client::builder(TokioExecutor::new()).build_http()
}

/// Serves in the background, and says where.
async fn start(router: Router) -> Result<Uri, BoxError> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let uri = format!("http://{}/contacts", listener.local_addr()?);
    tokio::spawn(async { axum::serve(listener, router).await });
    Ok(uri.parse()?)
}
