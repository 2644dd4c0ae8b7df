//! What hyper means by "canceled" and "closed", seen from below the pooling client.
//!
//! The first two are proof; the upgrade that bears the same name, and a broken upload, are not.

use std::convert::Infallible;

use crate::support::wire::{Step, Wire};
use crate::support::{BoxError, client, h2};
use bytes::Bytes;
use futures_util::stream;
use http::{Request, header};
use http_body_util::{Full, StreamBody};
use hyper::body::Frame;
use hyper::client::conn::{http1, http2};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tower_backoff::failure::{
    Delivery::{No, Perhaps},
    delivery,
};

fn request() -> Request<Full<Bytes>> {
    let mut request = client::post(http::Uri::from_static("http://test.example/"));
    let host = header::HeaderValue::from_static("test.example");
    request.headers_mut().insert(header::HOST, host);
    request
}

fn pipe() -> (TokioIo<DuplexStream>, DuplexStream) {
    let (ours, theirs) = duplex(1024);
    (TokioIo::new(ours), theirs)
}

#[tokio::test]
async fn a_request_behind_one_that_fails_is_unsent_and_that_one_is_not() {
    let server = Wire::always(vec![Step::Close]).await;
    let addr = server.uri("/").authority().unwrap().to_string();
    let stream = tokio::net::TcpStream::connect(addr).await.unwrap();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    let in_flight = sender.send_request(request());
    let too_many = sender.send_request(request());
    let (in_flight, too_many, _) = tokio::join!(in_flight, too_many, connection);
    assert_eq!(server.requests(), 1);
    assert_eq!(delivery(&in_flight.unwrap_err()), Perhaps);
    assert_eq!(delivery(&too_many.unwrap_err()), No);
}

#[tokio::test]
async fn a_request_whose_http1_connection_is_gone_is_unsent() {
    let (ours, theirs) = pipe();
    let (mut sender, connection) = http1::handshake(ours).await.unwrap();
    let queued = sender.send_request(request());
    drop(connection);
    assert_eq!(delivery(&queued.await.unwrap_err()), No);
    assert_eq!(
        delivery(&sender.send_request(request()).await.unwrap_err()),
        No
    );
    assert_eq!(delivery(&sender.ready().await.unwrap_err()), No);
    assert_eq!(everything(theirs).await, "");
}

#[tokio::test]
async fn a_request_whose_http2_connection_is_gone_is_unsent() {
    let (ours, _theirs) = pipe();
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), ours).await.unwrap();
    let queued = sender.send_request(request());
    drop(connection);
    assert_eq!(delivery(&queued.await.unwrap_err()), No);
    assert_eq!(
        delivery(&sender.send_request(request()).await.unwrap_err()),
        No
    );
    assert_eq!(delivery(&sender.ready().await.unwrap_err()), No);
}

/// The runtime drops the connection's task at shutdown, with the request on the wire.
#[tokio::test]
async fn a_request_in_flight_when_its_connection_is_dropped_proves_nothing() {
    let server = Wire::always(vec![Step::Wait(std::time::Duration::from_secs(60))]).await;
    let addr = server.uri("/").authority().unwrap().to_string();
    let stream = tokio::net::TcpStream::connect(addr).await.unwrap();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    let connection = tokio::spawn(connection);
    let in_flight = tokio::spawn(sender.send_request(request()));
    while server.requests() == 0 {
        tokio::task::yield_now().await;
    }
    connection.abort();
    assert_eq!(delivery(&in_flight.await.unwrap().unwrap_err()), Perhaps);
}

/// hyper calls this error "canceled" as well.
#[tokio::test]
async fn an_upgrade_that_comes_to_nothing_proves_nothing() {
    let (ours, mut theirs) = pipe();
    let (mut sender, connection) = http1::handshake(ours).await.unwrap();
    let connection = tokio::spawn(connection.with_upgrades());
    let endless = StreamBody::new(stream::pending::<Result<Frame<Bytes>, Infallible>>());
    let answer = tokio::spawn(sender.send_request(request().map(|_| endless)));
    theirs.read_u8().await.unwrap();
    theirs
        .write_all(b"HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n")
        .await
        .unwrap();
    let upgrade = hyper::upgrade::on(answer.await.unwrap().unwrap());
    connection.abort();
    let error = upgrade.await.unwrap_err();
    assert!(error.is_canceled(), "{error:?}");
    assert_eq!(delivery(&error), Perhaps);
}

/// A proxy uploads what it downloads: the download's error says nothing about this request.
#[tokio::test]
async fn an_upload_that_breaks_with_a_proof_of_its_own_proves_nothing() {
    let upstream = h2::H2::always(h2::reset(::h2::Reason::REFUSED_STREAM)).await;
    let refused = client::http2_client()
        .request(client::get(upstream.uri("/")))
        .await;
    let refused = BoxError::from(refused.unwrap_err());
    assert_eq!(delivery(&*refused), No);

    let body = stream::iter([Ok(Frame::data(Bytes::from("half"))), Err(refused)]);
    let server = Wire::always(vec![Step::Close]).await;
    let post = Request::post(server.uri("/"))
        .body(StreamBody::new(body))
        .unwrap();
    let client = Client::builder(TokioExecutor::new()).build_http();
    let error = client.request(post).await.unwrap_err();
    assert_eq!(delivery(&error), Perhaps, "{error:?}");
}

async fn everything(mut stream: DuplexStream) -> String {
    let mut read = String::new();
    stream.read_to_string(&mut read).await.unwrap();
    read
}
