//! Failures that no retry mends say nothing about the server.

use crate::support::mock::{Mock, status};
use crate::support::paused::*;
use crate::support::wire::{self, Wire};
use crate::support::{self, BoxError, listener};
use bytes::Bytes;
use http::{Request, Version};
use http_body_util::Full;
use tokio::time::Instant;
use tokio_rustls::rustls;
use tower::{Layer, ServiceExt};
use tower_backoff::failure::{Unproven, Unsent, is_permanent};
use tower_backoff::policy::{Attempt, Provider, Verdict, policy_fn};
use tower_backoff::{Gates, Quota, Report, ReportSlot, RetryLayer, StopReason};

const URI: &str = "https://api.test/";

fn untrusted() -> rustls::Error {
    rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer)
}

#[test]
fn what_is_about_a_certificate_is_permanent_and_other_failures_of_tls_are_not() {
    use rustls::AlertDescription::{CertificateRequired, HandshakeFailure, UnknownCA};
    for (error, expected) in [
        (untrusted(), true),
        (rustls::Error::AlertReceived(UnknownCA), true),
        (rustls::Error::AlertReceived(CertificateRequired), true),
        (rustls::Error::AlertReceived(HandshakeFailure), false),
        (rustls::Error::DecryptError, false),
        (rustls::Error::HandshakeNotComplete, false),
    ] {
        let wrapped = Unproven::new(std::io::Error::other(error.clone()));
        assert_eq!(is_permanent(&error), expected, "{error}");
        assert_eq!(is_permanent(&wrapped), expected, "{error}");
    }
}

/// Ten calls fail so, half a second apart; the next one finds the server well.
async fn next_call_waits(policy: Provider, fails: fn() -> BoxError) -> std::time::Duration {
    let mock = Mock::new(move |nth, _| match nth {
        1..=10 => Err(fails()),
        _ => status(200),
    });
    let gates = Gates::new();
    let service = around(&mock, RetryLayer::new(policy).gates(&gates));
    for _ in 0..10 {
        let slot = ReportSlot::new();
        let mut request = get(URI);
        request.extensions_mut().insert(slot.clone());
        let begun = Instant::now();
        send(&service, request).await.unwrap_err();
        let report = slot.report().unwrap();
        assert_eq!(report.stop_reason(), Some(StopReason::Permanent));
        assert_eq!((report.attempts(), begun.elapsed()), (1, secs(0)));
        tokio::time::sleep(millis(500)).await;
    }
    let begun = Instant::now();
    assert_eq!(status_of(&send(&service, get(URI)).await), 200);
    assert_nobody_is_left(&gates);
    begun.elapsed()
}

#[tokio::test(start_paused = true)]
async fn ten_failures_that_no_retry_mends_open_no_circuit_breaker() {
    let plain = || Provider::new("test");
    for fails in [
        || untrusted().into(),
        || Unproven::new(untrusted()).into(),
        || Unsent::new(untrusted()).into(),
    ] as [fn() -> BoxError; 3]
    {
        assert_eq!(next_call_waits(plain(), fails).await, secs(0));
    }
    // What was not sent took nothing of a quota either.
    let of_ten = plain().quota(Quota::per_hour(10));
    let unsent = || Unsent::new(untrusted()).into();
    assert_eq!(next_call_waits(of_ten, unsent).await, secs(0));
}

#[tokio::test(start_paused = true)]
async fn a_policy_can_say_that_no_retry_mends_an_error() {
    let policy = policy_fn(|attempt: &Attempt<'_>| match attempt.error() {
        Some(error) if error.to_string() == "no such device" => Verdict::permanent(),
        _ => attempt.standard(),
    });
    let mock = Mock::new(|_, _| Err("no such device".into()));
    let slot = ReportSlot::new();
    let mut request = get(URI);
    request.extensions_mut().insert(slot.clone());
    let service = around(&mock, RetryLayer::new(policy));
    send(&service, request).await.unwrap_err();
    assert_eq!(
        slot.report().unwrap().stop_reason(),
        Some(StopReason::Permanent)
    );
    assert_eq!(mock.calls().len(), 1);
}

/// How a call through hyper-util's client ends.
async fn ended_by_hyper(request: Request<Full<Bytes>>) -> Option<Report> {
    let slot = ReportSlot::new();
    let mut request = request;
    request.extensions_mut().insert(slot.clone());
    let layer = RetryLayer::new(Provider::new("test"));
    let service = layer.layer(support::client::http1_client());
    service
        .oneshot(request)
        .await
        .expect_err("it cannot be sent");
    slot.report()
}

#[tokio::test]
async fn a_request_that_the_client_does_not_send_ends_at_once() {
    let none = wire::uri(listener::refusing().await, "/");
    let without_a_host = Request::get("/orders");
    let of_version_3 = Request::get(none.clone()).version(Version::HTTP_3);
    let connect = Request::connect(none).version(Version::HTTP_10);
    for request in [without_a_host, of_version_3, connect] {
        let request = request.body(Full::default()).unwrap();
        let report = ended_by_hyper(request).await.unwrap();
        assert_eq!(report.stop_reason(), Some(StopReason::Permanent));
        assert_eq!(report.attempts(), 1);
    }
}

#[tokio::test]
async fn a_head_that_is_too_large_ends_the_call_at_once() {
    let many: String = (0..200).map(|n| format!("x-{n}: 1\r\n")).collect();
    let server = Wire::always(wire::answer(200, &many, "")).await;
    let request = support::client::get(server.uri("/"));
    let report = ended_by_hyper(request).await.unwrap();
    assert_eq!(report.stop_reason(), Some(StopReason::Permanent));
    assert_eq!(server.requests(), 1);
}
