//! Which answers the policy is asked about, and which go to the caller as they are.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use http::{Request, Response};
use tower::{Layer, ServiceExt, service_fn};

use crate::policy::{Attempt, Policy, Provider, Shortcuts, Verdict};
use crate::telemetry::{Report, StopReason};
use crate::{BoxError, RetryLayer};

/// The standard policy, with its shortcuts, and how often it was asked.
struct Counting(Provider, Arc<AtomicUsize>);

impl Policy for Counting {
    fn judge(&self, attempt: &Attempt<'_>) -> Verdict {
        self.1.fetch_add(1, Relaxed);
        self.0.judge(attempt)
    }

    fn shortcuts(&self) -> Shortcuts {
        self.0.shortcuts()
    }
}

#[tokio::test(start_paused = true)]
async fn every_400_is_judged_and_reported_and_most_answers_of_200_go_the_short_way() {
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
        call().await; // until the gate knows what the answers look like
    }
    asked.store(0, Relaxed);
    for _ in 0..40 {
        assert!(call().await.extensions().get::<Report>().is_none());
    }
    let slow = asked.load(Relaxed);
    assert!(slow <= 20, "{slow} of 40 went the long way");
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
