//! The servers and the mock that other tests rely on do what their names say.

use std::time::Duration;

use crate::support::client::{get, http1_client, http2_client, post};
use crate::support::mock::{self, Mock};
use crate::support::wire::{self, Wire};
use crate::support::{h2, listener};
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use tokio::time::{Instant, sleep};
use tower::{Service, ServiceExt};

async fn body(response: http::Response<hyper::body::Incoming>) -> Bytes {
    response.into_body().collect().await.unwrap().to_bytes()
}

#[tokio::test]
async fn the_wire_sends_whatever_body_it_is_told_to_on_one_connection() {
    let pause = Duration::from_millis(20);
    let server = Wire::start(move |request| match request.nth {
        1 => wire::answer(429, "retry-after: 3\r\n", "no"),
        2 => wire::late_answer(200, "", &["la", "te"], pause),
        3 => wire::chunked_answer(200, "", &["in ", "pieces"]),
        _ => wire::large_answer(200, "", 100_000),
    })
    .await;
    let client = http1_client();
    let first = client.request(post(server.uri("/one?x=1"))).await.unwrap();
    assert_eq!(
        (first.status().as_u16(), &first.headers()["retry-after"]),
        (429, &"3".parse().unwrap())
    );
    assert_eq!(body(first).await, "no");

    let late = client.request(get(server.uri("/two"))).await.unwrap();
    let head = Instant::now();
    assert_eq!(body(late).await, "late");
    assert!(head.elapsed() > pause);

    let chunked = client.request(get(server.uri("/three"))).await.unwrap();
    assert_eq!(body(chunked).await, "in pieces");
    let large = client.request(get(server.uri("/four"))).await.unwrap();
    assert_eq!(body(large).await.len(), 100_000);

    let received = server.received();
    assert_eq!((server.connections(), received.len()), (1, 4));
    assert!(received[0].head.starts_with("POST /one?x=1 HTTP/1.1\r\n"));
    assert_eq!(received[0].body, "order one");
}

#[tokio::test]
async fn an_endless_body_goes_on_until_nobody_listens() {
    let server = Wire::always(wire::endless_answer(503, "")).await;
    let mut response = http1_client().request(get(server.uri("/"))).await.unwrap();
    let mut read = 0;
    while read < 1_000_000 {
        let frame = response.body_mut().frame().await.unwrap().unwrap();
        read += frame.data_ref().map_or(0, Bytes::len);
    }
}

#[tokio::test]
async fn the_frames_make_whole_answers() {
    let server = h2::H2::start(|request| match request.nth {
        1 => h2::answer(429, &[("retry-after", "3")], "no"),
        _ => h2::answer(200, &[], &"x".repeat(100_000)),
    })
    .await;
    let client = http2_client();
    let first = client.request(post(server.uri("/"))).await.unwrap();
    assert_eq!(
        (first.status().as_u16(), &first.headers()["retry-after"]),
        (429, &"3".parse().unwrap())
    );
    assert_eq!(body(first).await, "no");
    let second = client.request(get(server.uri("/"))).await.unwrap();
    assert_eq!(body(second).await.len(), 100_000);
    assert_eq!((server.connections(), server.requests()), (1, 2));
}

#[tokio::test]
async fn a_dropped_server_ends_its_connections() {
    let forever = wire::Step::Wait(Duration::from_secs(3600));
    let server = Wire::always(vec![forever]).await;
    let pending = tokio::spawn(http1_client().request(get(server.uri("/"))));
    while server.requests() == 0 {
        sleep(Duration::from_millis(1)).await;
    }
    drop(server);
    assert!(pending.await.unwrap().is_err());
    assert_ne!(listener::refusing().await.port(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_mock_keeps_a_diary_in_virtual_time() {
    let latency = Duration::from_secs(2);
    let mock = Mock::new(|nth, head| match nth {
        1 => mock::answer(429, &[("retry-after", "5")], head.uri.path()),
        2 => Err("cut".into()),
        _ => mock::status(200),
    })
    .taking(latency);
    let start = Instant::now();
    let call = async |path: &'static str| {
        let uri = http::Uri::from_static(path);
        mock.clone().oneshot(post(uri)).await
    };
    assert_eq!(call("/a").await.unwrap().headers()["retry-after"], "5");
    assert!(call("/b").await.is_err());
    assert_eq!(call("/c").await.unwrap().status(), 200);

    let sent: Vec<_> = mock.calls().iter().map(|call| call.at - start).collect();
    assert_eq!(sent, [Duration::ZERO, latency, 2 * latency]);
    assert_eq!(mock.calls()[1].uri.path(), "/b");
    assert_eq!(mock.calls()[1].method, http::Method::POST);
}

#[tokio::test]
#[should_panic(expected = "polled ready")]
async fn the_mock_refuses_a_clone_that_nobody_polled_ready() {
    let mut mock = Mock::new(|_, _| mock::status(200));
    let ready = ServiceExt::<Request<Full<Bytes>>>::ready(&mut mock);
    let mut clone = ready.await.unwrap().clone();
    drop(clone.call(get(http::Uri::from_static("/"))));
}
