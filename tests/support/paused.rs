//! Requests to a mock in virtual time, and what comes of them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tower::{Layer, Service, ServiceExt};
use tower_backoff::body::ResponseBody;
use tower_backoff::{BoxError, Clock, Gates, Report, Retry, RetryLayer};

use super::mock::Mock;

/// The body of every request here.
pub type Body = Full<Bytes>;

/// What a call ends with.
pub type Outcome = Result<Response<ResponseBody<Full<Bytes>>>, BoxError>;

/// The wall clock of the tests begins here: 2026-03-02 12:00:00 UTC.
pub fn noon() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_772_452_800)
}

/// The layer around the mock, with a set clock and a seeded generator.
pub fn around(mock: &Mock, layer: RetryLayer) -> Retry<Mock> {
    layer
        .clock(Clock::starting_at(noon()))
        .seed(1)
        .layer(mock.clone())
}

pub fn get(uri: &str) -> Request<Body> {
    request("GET", uri)
}

pub fn post(uri: &str) -> Request<Body> {
    request("POST", uri)
}

pub fn request(method: &str, uri: &str) -> Request<Body> {
    Request::builder()
        .method(method)
        .uri(uri)
        .body(Full::from("order one"))
        .expect("a valid request")
}

/// Sends one request through a clone and waits for the end.
pub async fn send<S>(service: &S, request: Request<Body>) -> Result<S::Response, S::Error>
where
    S: Service<Request<Body>> + Clone,
{
    service.clone().oneshot(request).await
}

/// Sends one request in the background.
pub fn start<S>(service: &S, request: Request<Body>) -> JoinHandle<Result<S::Response, S::Error>>
where
    S: Service<Request<Body>, Response: Send, Error: Send, Future: Send> + Clone + Send + 'static,
{
    tokio::spawn(service.clone().oneshot(request))
}

pub fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// How long after `start` each call was sent.
pub fn offsets(mock: &Mock, start: Instant) -> Vec<Duration> {
    mock.calls().iter().map(|call| call.at - start).collect()
}

/// The report on a response, if there is one.
pub fn report(outcome: &Outcome) -> Option<&Report> {
    outcome.as_ref().ok()?.extensions().get()
}

#[track_caller]
pub fn status_of(outcome: &Outcome) -> u16 {
    outcome.as_ref().expect("an answer").status().as_u16()
}

pub async fn text(outcome: Outcome) -> String {
    let body = outcome.expect("an answer").into_body();
    let bytes = body.collect().await.expect("a whole body").to_bytes();
    String::from_utf8(bytes.to_vec()).expect("text")
}

/// Asserts that a wait is at least `least` and at most `spread` longer.
#[track_caller]
pub fn assert_between(wait: Duration, least: Duration, spread: Duration) {
    assert!(wait >= least, "{wait:?} is early, before {least:?}");
    assert!(
        wait <= least + spread,
        "{wait:?} is later than {least:?} + {spread:?}"
    );
}

/// Asserts that no call is under way or waiting at any gate.
#[track_caller]
pub fn assert_nobody_is_left(gates: &Gates) {
    for gate in gates.snapshot() {
        assert_eq!((gate.in_flight, gate.waiting), (0, 0), "{gate:?}");
    }
}
