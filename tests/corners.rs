//! Prices, buckets, counters and fleets, in the corners where two of them meet.
mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use http::{HeaderName, Request};
use support::mock::{Mock, answer, status};
use support::paused::*;
use tokio::time::Instant;
use tower::Service;
use tower::ServiceExt;
use tower_backoff::fleet::{Admission, Admitting, Fleet};
use tower_backoff::policy::{Attempt, Policy, Provider, RequestHead, Verdict};
use tower_backoff::{Gates, Price, Quota, Retry, RetryLayer, Scope};

const URI: &str = "https://api.test/";
const SEARCH: &str = "https://api.test/search/code";
const CORE: &str = "https://api.test/repos/1/issues";
const OTHER: &str = "https://api.test/users/1/repos";

fn priced(price: u32) -> Request<Body> {
    let mut request = get(URI);
    request.extensions_mut().insert(Price(price));
    request
}
fn start(service: &Retry<Mock>, request: Request<Body>) -> tokio::task::JoinHandle<Outcome> {
    let service = service.clone();
    tokio::spawn(async move { send(&service, request).await })
}
fn github() -> Provider {
    Provider::new("github").buckets_in(HeaderName::from_static("x-ratelimit-resource"))
}

struct Tokens;
impl Policy for Tokens {
    fn judge(&self, attempt: &Attempt<'_>) -> Verdict {
        let said = attempt.headers().and_then(|headers| headers.get("x-cost"));
        let cost = said.and_then(|cost| cost.to_str().ok()?.parse().ok());
        attempt.standard().costing(cost.unwrap_or(1))
    }
    fn quotas(&self, _: &RequestHead<'_>) -> &[Quota] {
        const TEN: [Quota; 1] = [Quota::per_minute(10)];
        &TEN
    }
}

#[tokio::test(start_paused = true)]
async fn a_cheaper_call_gives_back_though_its_answer_took_longer_than_the_slack() {
    let mock = Mock::new(|_, _| answer(200, &[("x-cost", "1")], "")).taking(millis(800));
    let service = around(&mock, RetryLayer::new(Tokens));
    let begun = Instant::now();
    for _ in 0..3 {
        send(&service, priced(8)).await.unwrap();
    }
    assert!(begun.elapsed() < secs(5), "{:?}", offsets(&mock, begun));
}

#[tokio::test(start_paused = true)]
async fn a_published_count_of_requests_is_not_spent_by_prices_in_tokens() {
    let mock = Mock::new(|nth, _| {
        let left = (500 - nth).to_string();
        let headers = [
            ("x-ratelimit-limit-requests", "500"),
            ("x-ratelimit-remaining-requests", left.as_str()),
            ("x-ratelimit-reset-requests", "60s"),
            ("x-ratelimit-limit-tokens", "30000"),
            ("x-ratelimit-remaining-tokens", "25000"),
            ("x-ratelimit-reset-tokens", "10s"),
        ];
        answer(200, &headers, "")
    });
    let quotas = [Quota::per_minute(30_000), Quota::per_minute(500).per_call()];
    let service = around(&mock, RetryLayer::new(Provider::new("acme").quotas(quotas)));
    let begun = Instant::now();
    for _ in 0..5 {
        send(&service, priced(1_000)).await.unwrap();
    }
    assert!(begun.elapsed() < secs(1), "{:?}", offsets(&mock, begun));
}

#[tokio::test(start_paused = true)]
async fn the_end_of_an_hour_does_not_raise_a_quota_per_minute() {
    let begun = Instant::now();
    let mock = Mock::new(move |nth, _| {
        let left = (5_000 - nth).to_string();
        let reset = 100u64.saturating_sub(begun.elapsed().as_secs()).to_string();
        let headers = [
            ("x-ratelimit-limit", "5000"),
            ("x-ratelimit-remaining", left.as_str()),
            ("x-ratelimit-reset", reset.as_str()),
        ];
        answer(200, &headers, "")
    });
    let quotas = [Quota::per_minute(10)];
    let service = around(&mock, RetryLayer::new(Provider::new("acme").quotas(quotas)));
    for _ in 0..30 {
        send(&service, get(URI)).await.unwrap();
    }
    let sent = offsets(&mock, begun);
    for window in sent.windows(11) {
        assert!(window[10] - window[0] >= secs(60), "{sent:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_of_one_bucket_does_not_count_for_all() {
    let mock = Mock::new(|nth, head| {
        let search = head.uri.path().starts_with("/search");
        let headers = [
            (
                "x-ratelimit-resource",
                if search { "search" } else { "core" },
            ),
            ("x-ratelimit-limit", if search { "30" } else { "5000" }),
            ("x-ratelimit-remaining", if search { "1" } else { "4000" }),
            ("x-ratelimit-reset", "50"),
        ];
        answer(if nth == 2 { 500 } else { 200 }, &headers, "")
    });
    let service = around(&mock, RetryLayer::new(github()).max_retries(0));
    let begun = Instant::now();
    send(&service, get(CORE)).await.unwrap();
    send(&service, get(SEARCH)).await.unwrap();
    for _ in 0..5 {
        send(&service, get(CORE)).await.unwrap();
    }
    assert!(begun.elapsed() < secs(1), "{:?}", offsets(&mock, begun));
}

#[tokio::test(start_paused = true)]
async fn after_a_global_refusal_the_count_of_a_bucket_does_not_count_for_all() {
    let mock = Mock::new(|nth, head| {
        let search = head.uri.path().starts_with("/search");
        let headers = [
            (
                "x-ratelimit-resource",
                if search { "search" } else { "core" },
            ),
            ("x-ratelimit-limit", if search { "30" } else { "5000" }),
            ("x-ratelimit-remaining", if search { "3" } else { "4000" }),
            ("x-ratelimit-reset", "3000"),
            ("retry-after", "20"),
        ];
        let few = &headers[..if nth == 1 { 5 } else { 4 }];
        answer(
            if nth == 1 { 403 } else { 200 },
            few,
            "secondary rate limit",
        )
    });
    let service = around(&mock, RetryLayer::new(github()).patience(secs(10)));
    let begun = Instant::now();
    let refused = send(&service, get(SEARCH)).await;
    assert_eq!(status_of(&refused), 403);
    tokio::time::sleep(secs(25)).await;
    for _ in 0..10 {
        send(&service, get(CORE)).await.unwrap();
    }
    assert!(begun.elapsed() < secs(40), "{:?}", offsets(&mock, begun));
}

struct Always(AtomicUsize);
impl Fleet for Always {
    fn admit(&self, _: &Scope, _: u32) -> Admitting {
        let nth = self.0.fetch_add(1, Ordering::Relaxed);
        Box::pin(std::future::ready(if nth > 100_000 {
            Admission::Granted
        } else {
            Admission::NotBefore(Duration::ZERO)
        }))
    }
    fn shut(&self, _: &Scope, _: Duration) {}
}

#[tokio::test(start_paused = true)]
async fn a_fleet_that_says_now_makes_no_loop() {
    let mock = Mock::new(|_, _| status(200));
    let fleet = Arc::new(Always(AtomicUsize::new(0)));
    let service = around(
        &mock,
        RetryLayer::new(Provider::new("f")).fleet(Arc::clone(&fleet)),
    );
    let mut call = Box::pin(send(&service, get(URI)));
    let _ = futures_util::poll!(&mut call);
    let asked = fleet.0.load(Ordering::Relaxed);
    assert!(asked < 10, "asked {asked} times in one poll");
}

#[tokio::test(start_paused = true)]
async fn after_silent_answers_a_spent_counter_is_noticed() {
    let mock = Mock::new(|nth, _| match nth {
        21 => answer(
            200,
            &[
                ("x-ratelimit-remaining", "0"),
                ("x-ratelimit-limit", "21"),
                ("x-ratelimit-reset", "30"),
            ],
            "",
        ),
        _ => status(200),
    });
    let service = around(&mock, RetryLayer::new(Provider::new("f")));
    let begun = Instant::now();
    for _ in 0..22 {
        send(&service, get(URI)).await.unwrap();
    }
    assert!(begun.elapsed() >= secs(30), "{:?}", offsets(&mock, begun));
}

/// Ready only when told.
#[derive(Clone)]
struct Gated {
    inner: Mock,
    open: Arc<tokio::sync::watch::Sender<bool>>,
}
impl Service<Request<Body>> for Gated {
    type Response = <Mock as Service<Request<Body>>>::Response;
    type Error = support::BoxError;
    type Future = <Mock as Service<Request<Body>>>::Future;
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        if !*self.open.borrow() {
            let waker = cx.waker().clone();
            let mut rx = self.open.subscribe();
            tokio::spawn(async move {
                let _ = rx.changed().await;
                waker.wake();
            });
            return Poll::Pending;
        }
        <Mock as Service<Request<Body>>>::poll_ready(&mut self.inner, cx)
    }
    fn call(&mut self, r: Request<Body>) -> Self::Future {
        self.inner.call(r)
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_was_not_sent_gives_back_its_place_in_the_bucket() {
    use tower::Layer;
    let mock = Mock::new(|nth, head| {
        let search = head.uri.path().starts_with("/search");
        let headers = [
            (
                "x-ratelimit-resource",
                if search { "search" } else { "core" },
            ),
            ("x-ratelimit-limit", "30"),
            ("x-ratelimit-remaining", if search { "1" } else { "20" }),
            ("x-ratelimit-reset", "250"),
            ("retry-after", "20"),
        ];
        // The second is refused for all.
        let few = &headers[..if nth == 2 { 5 } else { 4 }];
        answer(if nth == 2 { 403 } else { 200 }, few, "")
    })
    .taking(millis(100));
    let (tx, _rx) = tokio::sync::watch::channel(true);
    let open = Arc::new(tx);
    let gated = Gated {
        inner: mock.clone(),
        open: Arc::clone(&open),
    };
    let gates = Gates::new();
    let service = RetryLayer::new(github()).gates(&gates).seed(1).layer(gated);
    let begun = Instant::now();
    // Search is known, one is left.
    service.clone().oneshot(get(SEARCH)).await.unwrap();
    // One for core, on its way.
    let core = tokio::spawn(service.clone().oneshot(get(CORE)));
    tokio::time::sleep(millis(10)).await;
    let mut ready = service.clone();
    let search = ServiceExt::<Request<Body>>::ready(&mut ready)
        .await
        .unwrap()
        .call(get(SEARCH));
    open.send(false).unwrap();
    let search = tokio::spawn(search);
    tokio::time::sleep(millis(200)).await;
    open.send(true).unwrap();
    search.await.unwrap().unwrap();
    let sent = offsets(&mock, begun);
    let _ = core.await;
    assert!(begun.elapsed() < secs(60), "{sent:?} {:?}", gates.all());
}

/// A call of an unknown route names a bucket: it was not sent only when its answer came.
#[tokio::test(start_paused = true)]
async fn an_answer_is_not_stale_because_another_has_just_named_the_bucket() {
    let mock = Mock::new(|nth, _| {
        let headers = [
            ("x-ratelimit-resource", "core"),
            ("x-ratelimit-limit", "100"),
            ("x-ratelimit-remaining", if nth == 3 { "0" } else { "50" }),
            ("x-ratelimit-reset", "30"),
        ];
        answer(200, &headers, "")
    })
    .taking(millis(600));
    let service = around(&mock, RetryLayer::new(github()));
    send(&service, get(CORE)).await.unwrap();
    let begun = Instant::now();
    let other = start(&service, get(OTHER));
    tokio::time::sleep(millis(10)).await;
    let core = start(&service, get(CORE));
    other.await.unwrap().unwrap();
    core.await.unwrap().unwrap();
    send(&service, get(CORE)).await.unwrap();
    assert!(begun.elapsed() >= secs(30), "{:?}", offsets(&mock, begun));
}
