//! What a call of gRPC says on the wire when it is sent again, and hears when it is not: tonic in virtual time.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::grpc::retry_info;
use crate::support::BoxError;
use http::HeaderMap;
use tokio::time::Instant;
use tonic::body::Body;
use tonic::{Code, Request, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tower::ServiceBuilder;
use tower::util::BoxCloneSyncService;
use tower_backoff::body::{ReplayBody, ReplayLayer, ResponseBody};
use tower_backoff::failure::Unsent;
use tower_backoff::policy::{Grpc, Provider};
use tower_backoff::{CircuitBreaker, NotBefore, ReportSlot, RetryLayer, StopReason};

type Answer = Result<http::Response<Body>, BoxError>;
type Client = HealthClient<
    BoxCloneSyncService<http::Request<Body>, http::Response<ResponseBody<Body>>, BoxError>,
>;
type Diary = Arc<Mutex<Vec<HeaderMap>>>;

const CHECK: &str = "/grpc.health.v1.Health/Check";
const SECOND: Duration = Duration::from_secs(1);

/// A client of tonic over the layer over a script, and the heads that the script has seen.
fn client(
    layer: RetryLayer,
    script: impl Fn(usize) -> Answer + Send + Sync + 'static,
) -> (Client, Diary) {
    let diary = Diary::default();
    let (seen, script) = (Arc::clone(&diary), Arc::new(script));
    let service = tower::service_fn(move |request: http::Request<Body>| {
        let mut seen = seen.lock().unwrap();
        seen.push(request.headers().clone());
        let answer = script(seen.len());
        async move { answer }
    });
    let service = ServiceBuilder::new()
        .layer(ReplayLayer::new())
        .layer(layer)
        .map_request(|request: http::Request<ReplayBody<Body>>| request.map(Body::new))
        .service(service);
    let origin = http::Uri::from_static("https://grpc.test");
    (
        HealthClient::with_origin(BoxCloneSyncService::new(service), origin),
        diary,
    )
}

fn policy() -> Grpc {
    Grpc::new(Provider::new("health")).idempotent([CHECK])
}

fn refused(status: &Status, pushback: &'static str) -> Answer {
    let mut response = status.clone().into_http();
    let pushback = http::HeaderValue::from_static(pushback);
    let headers = response.headers_mut();
    headers.insert("grpc-retry-pushback-ms", pushback);
    Ok(response)
}

/// SERVING, and OK behind it.
fn served() -> Answer {
    let trailers = HeaderMap::from_iter([(
        http::HeaderName::from_static("grpc-status"),
        http::HeaderValue::from_static("0"),
    )]);
    let message = bytes::Bytes::from_static(b"\0\0\0\0\x02\x08\x01");
    let frames = [
        Ok::<_, BoxError>(http_body::Frame::data(message)),
        Ok(http_body::Frame::trailers(trailers)),
    ];
    let body = http_body_util::StreamBody::new(futures_util::stream::iter(frames));
    let response = http::Response::builder().header("content-type", "application/grpc");
    Ok(response.body(Body::new(body))?)
}

async fn check(client: &Client, timeout: Option<Duration>) -> (Result<(), Status>, ReportSlot) {
    let slot = ReportSlot::new();
    let mut request = Request::new(HealthCheckRequest::default());
    request.extensions_mut().insert(slot.clone());
    if let Some(timeout) = timeout {
        request.set_timeout(timeout);
    }
    let answer = client.clone().check(request).await;
    (answer.map(drop), slot)
}

fn said<'h>(diary: &'h [HeaderMap], name: &str) -> Vec<Option<&'h str>> {
    let value = |headers: &'h HeaderMap| Some(headers.get(name)?.to_str().unwrap());
    diary.iter().map(value).collect()
}

/// gRFC A6, "Exposed Retry Metadata": absent from the first attempt, 1 in the second.
#[tokio::test(start_paused = true)]
async fn a_later_attempt_says_how_many_the_server_has_seen() {
    let (client, diary) = client(RetryLayer::new(policy()), |nth| match nth {
        1 | 2 => refused(&Status::unavailable("draining"), "300"),
        _ => served(),
    });
    check(&client, None).await.0.unwrap();
    check(&client, None).await.0.unwrap();
    let diary = diary.lock().unwrap();
    let previous = said(&diary, "grpc-previous-rpc-attempts");
    assert_eq!(previous, [None, Some("1"), Some("2"), None]);
}

/// gRFC A6, "Transparent Retries": what never reached the server is no attempt to it.
#[tokio::test(start_paused = true)]
async fn an_attempt_that_was_never_sent_is_not_counted() {
    let (client, diary) = client(RetryLayer::new(policy()), |nth| match nth {
        1 | 3 => Err(Unsent::new("no connection").into()),
        2 => refused(&Status::unavailable("draining"), "10"),
        _ => served(),
    });
    check(&client, None).await.0.unwrap();
    let diary = diary.lock().unwrap();
    let previous = said(&diary, "grpc-previous-rpc-attempts");
    assert_eq!(previous, [None, None, Some("1"), Some("1")]);
}

#[tokio::test(start_paused = true)]
async fn the_timeout_of_a_call_is_shortened_by_what_has_passed() {
    let (client, diary) = client(RetryLayer::new(policy()), |nth| match nth {
        1 | 2 => refused(&Status::resource_exhausted("slow down"), "2000"),
        _ => served(),
    });
    check(&client, Some(8 * SECOND)).await.0.unwrap();
    let diary = diary.lock().unwrap();
    let left: Vec<u64> = said(&diary, "grpc-timeout")
        .iter()
        .map(|text| {
            let micros = text.unwrap().strip_suffix('u').expect("microseconds");
            micros.parse().unwrap()
        })
        .collect();
    assert_eq!(left[0], 8_000_000);
    // The jitter on a named wait is a hundredth of it.
    assert!((5_978_000..=6_000_000).contains(&left[1]), "{left:?}");
    assert!((3_956_000..=4_000_000).contains(&left[2]), "{left:?}");
}

#[tokio::test(start_paused = true)]
async fn no_attempt_is_sent_after_the_timeout_of_a_call() {
    let (client, diary) = client(RetryLayer::new(policy()), |_| {
        refused(&Status::resource_exhausted("slow down"), "2000")
    });
    let begun = Instant::now();
    let (answer, slot) = check(&client, Some(SECOND)).await;
    let status = answer.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert_eq!(status.message(), "slow down");
    let reason = slot.report().unwrap().stop_reason();
    assert_eq!(reason, Some(StopReason::PatienceExceeded));
    // And one that would wait at the gate for longer than it has is told so at once.
    let status = check(&client, Some(SECOND)).await.0.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert!(status.message().contains("takes no call"), "{status:?}");
    assert_eq!(begun.elapsed(), Duration::ZERO);
    assert_eq!(diary.lock().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn not_before_is_resource_exhausted_with_a_retry_info_to_a_client_of_tonic() {
    let layer = RetryLayer::new(policy()).patience(5 * SECOND);
    let (client, diary) = client(layer, |_| {
        Ok(Status::resource_exhausted("slow down").into_http())
    });
    check(&client, None).await.0.unwrap_err();
    let (answer, slot) = check(&client, None).await;
    let status = answer.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    let message = status.message().to_owned();
    assert!(
        message.starts_with("https://grpc.test takes no call"),
        "{message}"
    );
    assert!(message.ends_with("(a bare grpc-status 8)"), "{message}");
    let wait = retry_info(status).expect("a RetryInfo");
    assert!(wait >= 60 * SECOND && wait <= 61 * SECOND, "{wait:?}");
    let report = slot.report().unwrap();
    assert_eq!(report.stop_reason(), Some(StopReason::PatienceExceeded));
    assert!(report.not_before().is_some());
    assert_eq!(diary.lock().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn not_before_is_unavailable_while_the_server_is_out() {
    let layer = RetryLayer::new(policy())
        .circuit_breaker(CircuitBreaker::after(2))
        .failure_patience(Duration::from_millis(1));
    let (client, diary) = client(layer, |_| Err("the connection broke".into()));
    let mut codes = Vec::new();
    for _ in 0..6 {
        let status = check(&client, None).await.0.unwrap_err();
        tokio::time::sleep(Duration::from_millis(600)).await;
        if status.code() == Code::Unavailable {
            assert!(status.message().ends_with("(an outage)"), "{status:?}");
            assert!(retry_info(status.clone()).is_some(), "{status:?}");
        }
        codes.push(status.code());
    }
    assert!(codes.contains(&Code::Unavailable), "{codes:?}");
    assert!(diary.lock().unwrap().len() < 6);
}

/// A policy that does not speak gRPC leaves such requests alone, and a request that is none gets the error.
#[tokio::test(start_paused = true)]
async fn what_is_no_call_of_grpc_ends_with_the_error_itself() {
    let plain = RetryLayer::new(Provider::new("plain")).patience(SECOND);
    let (client, diary) = client(plain, |_| {
        Ok(http::Response::builder().status(429).body(Body::empty())?)
    });
    check(&client, Some(SECOND)).await.0.unwrap_err();
    let status = check(&client, Some(SECOND)).await.0.unwrap_err();
    let source = std::error::Error::source(&status);
    assert!(
        source.is_some_and(|error| error.is::<NotBefore>()),
        "{status:?}"
    );
    assert_eq!(diary.lock().unwrap().len(), 1);

    use tower::ServiceExt;
    let refusing = tower::service_fn(|_: http::Request<String>| async {
        Ok::<_, BoxError>(http::Response::builder().status(429).body(String::new())?)
    });
    let service = ServiceBuilder::new()
        .layer(RetryLayer::new(policy()).patience(SECOND))
        .service(refusing);
    let get = || http::Request::get("https://grpc.test/status").body(String::new());
    let first = service.clone().oneshot(get().unwrap()).await.unwrap();
    assert_eq!(first.status(), 429);
    let error = service.oneshot(get().unwrap()).await.unwrap_err();
    assert!(error.is::<NotBefore>(), "{error:?}");
}

/// However a call ends while the circuit breaker is open: the server is unavailable, and no quota is exhausted.
#[tokio::test(start_paused = true)]
async fn while_the_breaker_is_open_calls_end_as_unavailable() {
    for ends_with_not_before in [false, true] {
        let layer = RetryLayer::new(policy())
            .max_retries(50)
            .failure_patience(SECOND * 6)
            .seed(1);
        let layer = match ends_with_not_before {
            true => layer.end_with_not_before(),
            false => layer,
        };
        let (client, _) = client(layer, |_| {
            let error = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
            Err(error.into())
        });
        let calls = (0..8).map(|nth| {
            let mut client = client.clone();
            async move {
                tokio::time::sleep(SECOND / 3 * nth).await;
                let outcome = client.check(HealthCheckRequest::default()).await;
                outcome.map(drop).unwrap_err().code()
            }
        });
        let codes = futures_util::future::join_all(calls).await;
        assert!(!codes.contains(&Code::ResourceExhausted), "{codes:?}");
    }
}
