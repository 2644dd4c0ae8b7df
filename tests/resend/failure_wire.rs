//! Every failure that [`tower_backoff::failure::delivery`] has an opinion on, made on a real wire.
//!
//! `cargo test --test resend failure_wire -- --nocapture` prints the tables.

use std::error::Error;
use std::time::Duration;

use crate::support::client::{get, http1_client, http1_client_without_retries, http2_client, post};
use crate::support::h2::{H2, Last};
use crate::support::wire::{self, Wire};
use crate::support::{h2 as frames, listener};
use h2::Reason;
use tower::{Service, ServiceBuilder, ServiceExt};
use tower_backoff::failure::{
    Delivery::{self, AtMostHead, No, Perhaps},
    Unsent, delivery,
};

/// Prints one row and holds it against what it must say.
#[track_caller]
fn judge(failure: &str, error: &(dyn Error + 'static), arrived: usize, expected: Delivery) {
    let verdict = delivery(error);
    println!("{failure:55} | {arrived} | {verdict:?}");
    assert_eq!(verdict, expected, "{failure}: {error:?}");
}

#[tokio::test]
async fn http1_failures_prove_nothing_once_the_request_is_out() {
    use wire::Step::{Close, Reset, Send};
    let cut_head = Send("HTTP/1.1 200 O".into());
    let nonsense = Send("SSH-2.0-OpenSSH\r\n\r\n".into());
    for (failure, steps) in [
        ("http1: closed without an answer", vec![Close]),
        ("http1: reset without an answer", vec![Reset]),
        ("http1: closed within the head", vec![cut_head, Close]),
        ("http1: an answer that is not HTTP", vec![nonsense]),
    ] {
        let server = Wire::always(steps).await;
        let result = http1_client().request(post(server.uri("/"))).await;
        assert_eq!(server.requests(), 1, "{failure}");
        judge(failure, &result.unwrap_err(), 1, Perhaps);
    }
}

#[tokio::test]
async fn http2_failures_prove_what_the_server_said() {
    use Last::{Before, Everything, Nothing, This};
    for (failure, steps, expected) in [
        (
            "http2: REFUSED_STREAM",
            frames::reset(Reason::REFUSED_STREAM),
            No,
        ),
        (
            "http2: INTERNAL_ERROR",
            frames::reset(Reason::INTERNAL_ERROR),
            Perhaps,
        ),
        ("http2: CANCEL", frames::reset(Reason::CANCEL), Perhaps),
        (
            "http2: ENHANCE_YOUR_CALM",
            frames::reset(Reason::ENHANCE_YOUR_CALM),
            Perhaps,
        ),
        ("http2: NO_ERROR", frames::reset(Reason::NO_ERROR), Perhaps),
        (
            "http2: GOAWAY, nothing processed",
            frames::go_away(Nothing, Reason::NO_ERROR),
            AtMostHead,
        ),
        (
            "http2: GOAWAY, up to the one before",
            frames::go_away(Before, Reason::NO_ERROR),
            AtMostHead,
        ),
        (
            "http2: GOAWAY with an error, up to the one before",
            frames::go_away(Before, Reason::ENHANCE_YOUR_CALM),
            AtMostHead,
        ),
        (
            "http2: GOAWAY, up to this one",
            frames::go_away(This, Reason::NO_ERROR),
            Perhaps,
        ),
        (
            "http2: GOAWAY with an error, up to this one",
            frames::go_away(This, Reason::INTERNAL_ERROR),
            Perhaps,
        ),
        (
            "http2: GOAWAY, all of them",
            frames::go_away(Everything, Reason::NO_ERROR),
            Perhaps,
        ),
        (
            "http2: GOAWAY with an error, all of them",
            frames::go_away(Everything, Reason::INTERNAL_ERROR),
            Perhaps,
        ),
        (
            "http2: closed without an answer",
            vec![frames::Step::Close],
            Perhaps,
        ),
    ] {
        let server = H2::always(steps).await;
        let result = http2_client().request(post(server.uri("/"))).await;
        assert_eq!(server.requests(), 1, "{failure}");
        judge(failure, &result.unwrap_err(), 1, expected);
    }
}

#[tokio::test]
async fn a_connection_that_cannot_be_made_carries_nothing() {
    for (failure, client) in [
        ("http1: nothing listens", http1_client()),
        ("http2: nothing listens", http2_client()),
    ] {
        let nowhere = wire::uri(listener::refusing().await, "/");
        let error = client.request(post(nowhere)).await.unwrap_err();
        judge(failure, &error, 0, No);
    }
}

/// Which error the client gives depends on who is faster; no order of events may call a request unsent that
/// the server has read.
#[tokio::test]
async fn a_server_that_closes_at_once_has_read_nothing() {
    for (failure, client) in [
        ("http1: closed before reading", http1_client()),
        ("http2: closed before reading", http2_client()),
    ] {
        let server = Wire::closing_at_once().await;
        let error = client.request(post(server.uri("/"))).await.unwrap_err();
        println!("{failure:55} | 0 | {:?} {error:?}", delivery(&error));
        assert_eq!(server.requests(), 0);
    }
}

#[tokio::test]
async fn a_kept_connection_that_closes_on_the_next_request_proves_nothing() {
    let server = Wire::always(wire::answer_then_close_on_next(200, "", "first")).await;
    let mut client = http1_client_without_retries();
    read(
        client
            .ready()
            .await
            .unwrap()
            .call(get(server.uri("/")))
            .await
            .unwrap(),
    )
    .await;
    let error = client.request(post(server.uri("/"))).await.unwrap_err();
    assert_eq!(
        server.connections(),
        1,
        "the second request met the first connection"
    );
    judge(
        "http1: closed as the second request arrived",
        &error,
        1,
        Perhaps,
    );
}

#[tokio::test]
async fn one_goaway_tells_the_streams_it_spares_from_those_it_disowns() {
    let server = H2::start(|request| match request.nth {
        1 => vec![],
        _ => frames::go_away(Last::Before, Reason::NO_ERROR),
    })
    .await;
    let client = http2_client();
    let first = tokio::spawn(client.request(post(server.uri("/first"))));
    while server.requests() == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let second = client.request(post(server.uri("/second"))).await;
    let first = first.await.unwrap();
    assert_eq!(server.connections(), 1);
    judge(
        "http2: GOAWAY, the stream it spares",
        &first.unwrap_err(),
        1,
        Perhaps,
    );
    judge(
        "http2: GOAWAY, the stream it disowns",
        &second.unwrap_err(),
        1,
        AtMostHead,
    );
}

#[tokio::test]
async fn a_goaway_that_spares_the_stream_lets_the_answer_through() {
    let mut steps = vec![frames::Step::GoAway(Last::This, Reason::NO_ERROR)];
    steps.extend(frames::answer(200, &[], "late but whole"));
    let server = H2::always(steps).await;
    let response = http2_client().request(get(server.uri("/"))).await.unwrap();
    assert_eq!(read(response).await, "late but whole");
}

#[tokio::test]
async fn a_body_that_breaks_off_proves_nothing_even_if_the_server_calls_it_refused() {
    let server = Wire::always(wire::truncated_answer(200, "", "cut")).await;
    let response = http1_client().request(get(server.uri("/"))).await.unwrap();
    judge(
        "http1: truncated body",
        &read_error(response).await,
        1,
        Perhaps,
    );

    let mut steps = frames::answer(200, &[], "cut");
    *steps.last_mut().unwrap() = frames::Step::Reset(Reason::REFUSED_STREAM);
    let server = H2::always(steps).await;
    let response = http2_client().request(get(server.uri("/"))).await.unwrap();
    judge(
        "http2: REFUSED_STREAM within the body",
        &read_error(response).await,
        1,
        Perhaps,
    );
}

#[tokio::test]
async fn a_timeout_proves_nothing() {
    let server = Wire::always(vec![wire::Step::Wait(Duration::from_secs(60))]).await;
    let client = ServiceBuilder::new()
        .timeout(Duration::from_millis(100))
        .service(http1_client());
    let error = client.oneshot(post(server.uri("/"))).await.unwrap_err();
    judge("http1: timeout", &*error, server.requests(), Perhaps);
}

#[tokio::test]
async fn a_layer_that_refuses_on_its_own_is_believed_when_it_says_so() {
    let overloaded = || tower::load_shed::error::Overloaded::new();
    judge("tower: shed", &overloaded(), 0, Perhaps);
    judge(
        "tower: shed, marked as unsent",
        &Unsent::new(overloaded()),
        0,
        No,
    );
}

async fn read(response: http::Response<hyper::body::Incoming>) -> String {
    use http_body_util::BodyExt;
    let body = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(body.into()).unwrap()
}

async fn read_error(response: http::Response<hyper::body::Incoming>) -> hyper::Error {
    use http_body_util::BodyExt;
    response.into_body().collect().await.unwrap_err()
}
