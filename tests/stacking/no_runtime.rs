//! Without a runtime there is no timer: a call that has to wait ends with an error that says so, and any other
//! call is as it would be with one.

use std::task::{Context, Poll};
use std::time::Duration;

use crate::support::mock::{Mock, answer, status};
use bytes::Bytes;
use futures_util::FutureExt;
use http::Request;
use http_body_util::Full;
use tower::{Layer, ServiceExt};
use tower_backoff::policy::{PartialQuota, Provider};
use tower_backoff::{BoxError, Gates, Quota, ReportSlot, RetryLayer, StopReason, providers};

type Body = Full<Bytes>;

const MISSING: &str = "tower-backoff needs a tokio runtime with its timer enabled to wait";

fn get(uri: &str) -> Request<Body> {
    Request::get(uri).body(Full::default()).unwrap()
}

/// The error of a call that has to wait, and how it was reported to have ended.
fn fails(mock: &Mock, layer: RetryLayer) -> String {
    let slot = ReportSlot::new();
    let mut request = get("https://api.test/");
    request.extensions_mut().insert(slot.clone());
    let outcome = layer.layer(mock.clone()).oneshot(request);
    let outcome = outcome.now_or_never().expect("it waits for nothing");
    let error: BoxError = outcome.expect_err("nothing to wait with");
    assert_eq!(
        slot.report().unwrap().stop_reason(),
        Some(StopReason::Permanent)
    );
    error.to_string()
}

#[test]
fn a_refused_call_says_what_is_missing() {
    for (code, header) in [(429, "30"), (429, "soon"), (503, "1"), (500, "soon")] {
        let mock = Mock::new(move |_, _| answer(code, &[("retry-after", header)], "not now"));
        let gates = Gates::new();
        let layer = RetryLayer::new(Provider::new("test")).gates(&gates);
        assert_eq!(fails(&mock, layer), MISSING, "{code} {header}");
        assert_eq!(mock.calls().len(), 1);
        let gate = &gates.snapshot()[0];
        assert_eq!((gate.in_flight, gate.waiting), (0, 0));
    }
}

#[test]
fn so_does_one_whose_body_is_to_be_seen_first() {
    let mock = Mock::new(|_, _| answer(429, &[("retry-after", "30")], "{}"));
    let provider = Provider::new("test").final_codes(["BROKE"]);
    assert_eq!(fails(&mock, RetryLayer::new(provider)), MISSING);
}

#[test]
fn so_does_one_that_failed_without_an_answer() {
    let reset = || std::io::Error::from(std::io::ErrorKind::ConnectionReset);
    let mock = Mock::new(move |_, _| Err(reset().into()));
    let layer = RetryLayer::new(Provider::new("test"));
    assert_eq!(fails(&mock, layer), MISSING);
}

#[test]
fn so_does_one_that_waits_for_its_turn() {
    let mock = Mock::new(|_, _| status(200));
    let provider = Provider::new("test").quota(Quota::new(1, Duration::from_secs(60)));
    let layer = RetryLayer::new(provider);
    let first = layer.layer(mock.clone()).oneshot(get("https://api.test/"));
    assert_eq!(first.now_or_never().unwrap().unwrap().status(), 200);
    assert_eq!(fails(&mock, layer), MISSING);
    assert_eq!(mock.calls().len(), 1);
}

#[test]
fn a_call_that_need_not_wait_needs_no_runtime() {
    for code in [200, 404] {
        let mock = Mock::new(move |_, _| status(code));
        for layer in [
            RetryLayer::new(Provider::new("test")),
            RetryLayer::new(providers::discord()),
        ] {
            let service = layer.layer(mock.clone());
            for _ in 0..3 {
                let call = service
                    .clone()
                    .oneshot(get("https://discord.com/api/v10/users/@me"));
                assert_eq!(call.now_or_never().unwrap().unwrap().status(), code);
            }
        }
    }
}

/// Ready once: a clone never is.
struct ReadyOnce(bool);

impl Clone for ReadyOnce {
    fn clone(&self) -> Self {
        Self(false)
    }
}

impl tower::Service<Request<Body>> for ReadyOnce {
    type Response = http::Response<Body>;
    type Error = BoxError;
    type Future = std::future::Ready<Result<http::Response<Body>, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        match self.0 {
            true => Poll::Ready(Ok(())),
            false => Poll::Pending,
        }
    }

    fn call(&mut self, _: Request<Body>) -> Self::Future {
        unreachable!("two gates are asked first, and then the clone for its readiness")
    }
}

#[test]
fn a_client_that_is_not_ready_is_waited_for_without_a_timer() {
    let writes = PartialQuota::of_writes(Quota::per_second(1));
    let layer = RetryLayer::new(Provider::new("test").partial_quota(writes));
    let mut request = get("https://api.test/");
    *request.method_mut() = http::Method::POST;
    let call = layer.layer(ReadyOnce(true)).oneshot(request);
    assert!(call.now_or_never().is_none());
}

#[test]
fn a_refusal_that_ends_the_call_needs_no_runtime() {
    let mock = Mock::new(|_, _| answer(429, &[("retry-after", "30")], "not now"));
    let layer = RetryLayer::new(Provider::new("test")).patience(Duration::from_secs(5));
    let call = layer.layer(mock).oneshot(get("https://api.test/"));
    assert_eq!(call.now_or_never().unwrap().unwrap().status(), 429);
}
