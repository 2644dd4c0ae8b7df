//! Which answers the policy is asked about, and which go to the caller as they are.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use http::{HeaderMap, Request, Response};
use proptest::prelude::*;
use tower::{Layer, ServiceExt, service_fn};

use crate::hint::{Left, is_silent};
use crate::policy::{
    Attempt, ByHost, Grpc, Policy, Provider, RequestHead, Ruling, Verdict, policy_fn,
};
use crate::telemetry::{Report, StopReason};
use crate::{BoxError, RetryLayer};

/// The standard policy, and how often it was asked to judge.
struct Counting(Provider, Arc<AtomicUsize>);

impl Policy for Counting {
    fn judge(&self, attempt: &Attempt<'_>) -> Verdict {
        self.1.fetch_add(1, Relaxed);
        self.0.judge(attempt)
    }

    fn accepts_success(&self, request: &RequestHead<'_>, headers: &HeaderMap) -> bool {
        self.0.accepts_success(request, headers)
    }
}

#[tokio::test(start_paused = true)]
async fn every_400_is_judged_and_reported_and_plain_successes_take_the_fast_path() {
    let asked = Arc::new(AtomicUsize::new(0));
    let policy = Counting(Provider::new("test"), Arc::clone(&asked));
    let code = Arc::new(AtomicUsize::new(200));
    let answers = Arc::clone(&code);
    let client = RetryLayer::new(policy).layer(service_fn(move |_: Request<String>| {
        let status = answers.load(Relaxed) as u16;
        let response = Response::builder().status(status).body(String::new());
        std::future::ready(response.map_err(BoxError::from))
    }));
    let call = async || {
        let request = Request::get("https://api.test/").body(String::new());
        client.clone().oneshot(request.unwrap()).await.unwrap()
    };
    for _ in 0..40 {
        assert!(call().await.extensions().get::<Report>().is_none());
    }
    assert_eq!(asked.load(Relaxed), 0);
    for status in [400, 404, 399] {
        code.store(status, Relaxed);
        asked.store(0, Relaxed);
        let response = call().await;
        let report = response.extensions().get().map(Report::stop_reason);
        if status < 400 {
            assert_eq!(report, None, "{status}");
        } else {
            assert_eq!(asked.load(Relaxed), 1, "{status}");
            assert_eq!(report, Some(Some(StopReason::Final)), "{status}");
        }
    }
}

/// How often a policy is asked to judge forty plain successes.
async fn judged(policy: impl Policy + 'static, request: fn() -> Request<String>) -> usize {
    struct CountedPolicy<P>(P, Arc<AtomicUsize>);
    impl<P: Policy> Policy for CountedPolicy<P> {
        fn judge(&self, attempt: &Attempt<'_>) -> Verdict {
            self.1.fetch_add(1, Relaxed);
            self.0.judge(attempt)
        }
        fn accepts_success(&self, request: &RequestHead<'_>, headers: &HeaderMap) -> bool {
            self.0.accepts_success(request, headers)
        }
    }
    let asked = Arc::new(AtomicUsize::new(0));
    let policy = CountedPolicy(policy, Arc::clone(&asked));
    let client = RetryLayer::new(policy).layer(service_fn(|_: Request<String>| {
        let response = Response::builder().header("content-type", "application/grpc");
        std::future::ready(response.body(String::new()).map_err(BoxError::from))
    }));
    for _ in 0..40 {
        client.clone().oneshot(request()).await.unwrap();
    }
    asked.load(Relaxed)
}

#[tokio::test(start_paused = true)]
async fn policies_of_users_take_the_fast_path_if_they_say_so() {
    let get = || {
        Request::get("https://api.test/")
            .body(String::new())
            .unwrap()
    };
    let standard = || policy_fn(|attempt: &Attempt<'_>| attempt.standard());
    assert_eq!(judged(standard(), get).await, 40);
    assert_eq!(judged(standard().accept_success(), get).await, 0);
    let by_host = ByHost::new().host("api.test", standard().accept_success());
    assert_eq!(judged(by_host.otherwise(standard()), get).await, 0);
    let stream = || {
        let request = Request::post("https://api.test/feed.Feed/Follow");
        request.body(String::new()).unwrap()
    };
    let grpc = || Grpc::new(Provider::new("test"));
    let streams = grpc().streams(["/feed.Feed/Follow"]);
    assert_eq!(judged(streams, stream).await, 0);
    let unary = grpc().streams(["/feed.Feed/Other"]);
    assert_eq!(judged(unary, stream).await, 40, "its trailers decide");
}

fn header() -> impl Strategy<Value = (&'static str, &'static str)> {
    let name = prop::sample::select(vec![
        "x-ratelimit-remaining",
        "x-ratelimit-limit",
        "x-ratelimit-reset",
        "x-ratelimit-remaining-day",
        "x-ratelimit-reset-day",
        "x-ratelimit-remaining-tokens",
        "ratelimit",
        "ratelimit-remaining",
        "retry-after",
        "age",
        "date",
        "content-length",
        "x-request-id",
        "etag",
    ]);
    let value = prop::sample::select(vec![
        "0",
        "00",
        "7",
        "59",
        "60, 0",
        "0.5",
        "soon",
        "-1",
        "\"default\";r=0;t=30",
        "\"default\";r=9;t=30",
        "1772452860",
        "Mon, 02 Mar 2026 12:00:00 GMT",
    ]);
    (name, value)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// The fast path says of a success what the policy would say of it.
    #[test]
    fn the_fast_path_agrees_with_the_policy(
        status in prop::sample::select(vec![200u16, 204, 302]),
        lines in prop::collection::vec(header(), 0..6),
        rounds_down in any::<bool>(),
    ) {
        let provider = Provider::new("test");
        let provider = if rounds_down { provider.retry_after_rounded_down() } else { provider };
        let request = Request::get("https://api.test/").body(()).unwrap();
        let mut response = Response::builder().status(status);
        for (name, value) in lines {
            response = response.header(name, value);
        }
        let response = response.body(()).unwrap();
        let now = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_772_452_800);
        let attempt = Attempt::new(&request, &response).received_at(now);
        let headers = response.headers();
        prop_assume!(provider.accepts_success(&attempt.request(), headers));
        let counter = match Left::read(headers, || now) {
            Left::Silent => None,
            Left::Some(counter) => counter,
            Left::PerhapsNone => return Ok(()),
        };
        prop_assert!(counter.is_none() || !is_silent(headers));
        let verdict = provider.judge(&attempt);
        prop_assert_eq!(verdict.ruling(), Ruling::Accept);
        prop_assert!(!verdict.closes_gate());
        prop_assert_eq!(verdict.counter(), counter);
    }
}

/// A policy of a user that leaves the body to a provider within it.
struct ByBody(Provider);

impl Policy for ByBody {
    fn judge(&self, attempt: &Attempt<'_>) -> Verdict {
        match attempt.body() {
            Some(_) => self.0.judge(attempt),
            None => Verdict::refuse(),
        }
    }

    fn wants_body(&self, attempt: &Attempt<'_>) -> bool {
        self.0.wants_body(attempt)
    }
}

#[tokio::test(start_paused = true)]
async fn a_provider_within_a_policy_is_asked_for_its_own_verdict() {
    let calls = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&calls);
    let policy = ByBody(Provider::new("within").final_codes(["BROKE"]));
    let client = RetryLayer::new(policy).layer(service_fn(move |_: Request<String>| {
        let status = match count.fetch_add(1, Relaxed) {
            0 => 429,
            _ => 200,
        };
        let response = Response::builder().status(status).body(String::new());
        std::future::ready(response.map_err(BoxError::from))
    }));
    let request = Request::get("https://api.test/").body(String::new());
    let response = client.oneshot(request.unwrap()).await.unwrap();
    assert_eq!((response.status().as_u16(), calls.load(Relaxed)), (200, 2));
}
