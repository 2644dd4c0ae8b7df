//! The server of the feature `testing` over real connections.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::try_join_all;
use http::{Request, Version};
use http_body_util::{BodyExt, Full};
use tower::{Layer, Service, ServiceExt};
use tower_backoff::policy::Provider;
use tower_backoff::testing::{Dialect, Limit, Loopback, Server};
use tower_backoff::{BoxError, Quota, RetryLayer};

use crate::support::client::{HttpClient, get, http1_client, http2_client};

/// A small request, as against `post`.
fn small(loopback: &Loopback) -> Request<Full<Bytes>> {
    get(loopback.url("/jobs").parse().expect("a valid URL"))
}

fn post(loopback: &Loopback) -> Request<Full<Bytes>> {
    let request = Request::post(loopback.url("/jobs"));
    let body = Bytes::from(vec![b'x'; 300_000]);
    request.body(Full::from(body)).expect("a valid request")
}

#[tokio::test]
async fn it_refuses_and_is_waited_for_over_both_versions_of_http() {
    for (client, version) in [
        (http1_client(), Version::HTTP_11),
        (http2_client(), Version::HTTP_2),
    ] {
        let limit = Limit::fixed_window(10, Duration::from_secs(1));
        let server = Server::new(limit).dialect(Dialect::LegacyEpoch);
        let loopback = server.serve().await.expect("a free port");
        let client = RetryLayer::new(Provider::new("acme")).layer(client);
        let jobs = (0..15).map(|_| client.clone().oneshot(post(&loopback)));
        let responses = try_join_all(jobs).await.expect("every job has a response");
        for response in responses {
            assert_eq!(
                (response.status().as_u16(), response.version()),
                (200, version)
            );
            let body = response.into_body().collect().await.expect("a whole body");
            assert_eq!(body.to_bytes(), "{}");
        }
        assert!(server.refusals() > 0, "{}", server.refusals());
        assert_eq!(server.calls(), 15 + server.refusals());
        assert_eq!(server.early_calls(), 0);
    }
}

#[tokio::test]
async fn a_declared_quota_is_not_refused() {
    let server = Server::new(Limit::fixed_window(10, Duration::from_millis(500)));
    let loopback = server.serve().await.expect("a free port");
    // A machine that is busy may be slow to answer: each slot counts from the response.
    let quota = Quota::new(10, Duration::from_millis(500)).slack(Duration::from_secs(5));
    let client = RetryLayer::new(Provider::new("acme").quota(quota)).layer(http1_client());
    let jobs = (0..15).map(|_| client.clone().oneshot(small(&loopback)));
    try_join_all(jobs).await.expect("every job has a response");
    assert_eq!((server.calls(), server.refusals()), (15, 0));
}

#[tokio::test]
async fn a_call_that_crosses_a_refusal_is_not_early() -> Result<(), BoxError> {
    let server = Server::new(Limit::fixed_window(1, Duration::from_secs(60)));
    let loopback = server.serve().await?;
    let client = http1_client();
    for expected in [200, 429, 429] {
        let response = client.clone().oneshot(small(&loopback)).await?;
        assert_eq!(response.status(), expected);
        response.into_body().collect().await?;
    }
    assert_eq!(server.early_calls(), 0, "on the way at the same time");
    tokio::time::sleep(Duration::from_millis(150)).await;
    client.oneshot(small(&loopback)).await?;
    assert_eq!(server.early_calls(), 1);
    Ok(())
}

#[tokio::test]
async fn an_upload_is_read_so_that_its_connection_is_kept() -> Result<(), BoxError> {
    let server = Server::new(Limit::fixed_window(1, Duration::from_secs(60)));
    let loopback = server.serve().await?;
    let stream = tokio::net::TcpStream::connect(loopback.addr()).await?;
    let io = hyper_util::rt::TokioIo::new(stream);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await?;
    tokio::spawn(connection);
    for expected in [200, 429, 429] {
        sender.ready().await?;
        let response = sender.send_request(post(&loopback)).await?;
        assert_eq!(response.status(), expected);
        response.into_body().collect().await?;
    }
    Ok(())
}

#[tokio::test]
async fn its_dates_are_those_of_the_system() -> Result<(), BoxError> {
    let server = Server::new(Limit::concurrent(1));
    let loopback = server.serve().await?;
    let response = http1_client().oneshot(small(&loopback)).await?;
    let date = response.headers()["date"].to_str()?;
    let year = date.split(' ').nth(3).expect("a year").parse::<u32>()?;
    let since = std::time::UNIX_EPOCH.elapsed()?.as_secs();
    let current = 1970 + (since / 31_556_952) as u32;
    assert!(year.abs_diff(current) <= 1, "{date}");
    Ok(())
}

#[tokio::test]
async fn it_stops_with_its_connections_when_it_is_dropped() -> Result<(), BoxError> {
    let server = Server::new(Limit::fixed_window(60, Duration::from_secs(60)));
    let loopback = server.serve().await?;
    let mut client: HttpClient = http1_client();
    let response = client.ready().await?.call(small(&loopback)).await?;
    response.into_body().collect().await?;
    let request = small(&loopback);
    drop(loopback);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(client.ready().await?.call(request).await.is_err());
    assert_eq!(server.calls(), 1);
    Ok(())
}
