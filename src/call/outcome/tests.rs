//! Which answers the policy is asked about, and which go to the caller as they are.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use http::{HeaderMap, Request, Response};
use tower::{Layer, ServiceExt, service_fn};

use crate::policy::{Attempt, ByHost, Grpc, Policy, Provider, RequestHead, Verdict, policy_fn};
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
    struct Asked<P>(P, Arc<AtomicUsize>);
    impl<P: Policy> Policy for Asked<P> {
        fn judge(&self, attempt: &Attempt<'_>) -> Verdict {
            self.1.fetch_add(1, Relaxed);
            self.0.judge(attempt)
        }
        fn accepts_success(&self, request: &RequestHead<'_>, headers: &HeaderMap) -> bool {
            self.0.accepts_success(request, headers)
        }
    }
    let asked = Arc::new(AtomicUsize::new(0));
    let policy = Asked(policy, Arc::clone(&asked));
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
