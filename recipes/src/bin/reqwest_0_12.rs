//! reqwest 0.12
//!
//! The feature `reqwest` is for 0.13; with 0.12 a closure is the adapter. The body of a request is bytes, so that it can be
//! sent again. On its own reqwest retries only what HTTP/2 proves not to have been processed; leave `ClientBuilder::retry`
//! away. It must follow no redirects beneath the layer, where a failure would be taken for one of the first address. `NotBefore::find(&*error)` finds the wait.

use recipes::check;
// recipe: begin
use bytes::Bytes;
use http_body_util::Full;
use reqwest_0_12::{self as reqwest, redirect::Policy};
use tower::util::BoxCloneSyncService;
use tower::{ServiceBuilder, ServiceExt, service_fn};
use tower_backoff::{BoxError, RetryLayer, policy::Provider};

type Acme = BoxCloneSyncService<http::Request<Full<Bytes>>, reqwest::Response, BoxError>;

/// One for the whole program; clones share their gates.
fn acme() -> Result<Acme, BoxError> {
    let client = reqwest::Client::builder()
        .redirect(Policy::none())
        .build()?;
    let send = service_fn(move |request: http::Request<Full<Bytes>>| {
        let client = client.clone();
        async move {
            let request = request.map(reqwest::Body::wrap).try_into()?;
            client.execute(request).await.map(http::Response::from)
        }
    });
    let service = ServiceBuilder::new()
        .map_response(|response: http::Response<_>| response.map(reqwest::Body::wrap).into())
        .layer(RetryLayer::new(Provider::new("acme")).end_with_not_before())
        .service(send);
    Ok(BoxCloneSyncService::new(service))
}

/// In place of `client.execute(request)`.
async fn execute(acme: &Acme, request: reqwest::Request) -> Result<reqwest::Response, BoxError> {
    let (head, body) = http::Request::<reqwest::Body>::try_from(request)?.into_parts();
    let body = body
        .as_bytes()
        .ok_or("the body is a stream, which cannot be sent again")?;
    let body = Full::new(Bytes::copy_from_slice(body));
    acme.clone()
        .oneshot(http::Request::from_parts(head, body))
        .await
}
// recipe: end

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let answer = |_: &_| http::Response::new("created".to_owned());
    recipes::play(
        "reqwest 0.12",
        answer,
        |_| acme(),
        async |acme, server| {
            let url = server.url("/contacts").parse()?;
            let mut request = reqwest::Request::new(http::Method::POST, url);
            *request.body_mut() = Some(r#"{"name":"Ada"}"#.into());
            check(execute(acme, request).await?.status().as_u16())
        },
    )
    .await
}
