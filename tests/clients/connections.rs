//! Bare connections of hyper beneath the layer.

use crate::support::paused::assert_nobody_is_left;
use crate::support::wire::{self, Received, Step, Wire};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tower::{Layer, ServiceExt};
use tower_backoff::client::connection::Http1;
use tower_backoff::policy::Provider;
use tower_backoff::{Gates, Retry, RetryLayer};

type Client = Retry<Http1<Full<Bytes>>>;

async fn connect(server: &Wire, gates: &Gates) -> Client {
    let addr = server.uri("/").authority().unwrap().to_string();
    let stream = TcpStream::connect(addr).await.unwrap();
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    RetryLayer::new(Provider::new("one connection"))
        .gates(gates)
        .max_retries(1)
        .layer(Http1::new(sender))
}

fn get(path: &str) -> http::Request<Full<Bytes>> {
    http::Request::get(path)
        .header("host", "api.test")
        .body(Full::default())
        .unwrap()
}

#[tokio::test]
async fn many_callers_share_one_connection_one_after_the_other() {
    let server = Wire::start(|request: &Received| {
        let status = if request.nth == 3 { 503 } else { 200 };
        wire::answer(status, "", "done")
    })
    .await;
    let gates = Gates::new();
    let client = connect(&server, &gates).await;
    let calls: Vec<_> = (0..8)
        .map(|_| tokio::spawn(client.clone().oneshot(get("/hello"))))
        .collect();
    for call in calls {
        let response = call.await.unwrap().unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(
            response.into_body().collect().await.unwrap().to_bytes(),
            "done"
        );
    }
    assert_eq!((server.connections(), server.requests()), (1, 9));
    assert_eq!(gates.snapshot()[0].scope.to_string(), "api.test");
}

#[tokio::test]
async fn a_connection_that_is_closed_ends_the_call_with_its_error() {
    let server = Wire::always(vec![Step::Close]).await;
    let gates = Gates::new();
    let client = connect(&server, &gates).await;
    let error = client.clone().oneshot(get("/hello")).await.unwrap_err();
    assert!(error.is::<hyper::Error>(), "{error:?}");
    let error = client.oneshot(get("/hello")).await.unwrap_err();
    assert!(error.is::<hyper::Error>(), "{error:?}");
    assert_nobody_is_left(&gates);
}
