//! Many calls at the same moment, or close together: each is counted by itself, and none passes unasked.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};

use crate::support::BoxError;
use crate::support::mock::{Mock, answer, status};
use crate::support::paused::*;
use bytes::Bytes;
use http::{Request, Response};
use http_body::Frame;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tower::{Layer, Service, ServiceExt};
use tower_backoff::policy::Provider;
use tower_backoff::{Backoff, Budget, Gates, Patience, Quota, RetryLayer};

const URI: &str = "https://api.test/";

/// Calls before those under test: the gate is in use, and no longer fresh.
const WARM: usize = 40;

fn layer(gates: &Gates) -> RetryLayer {
    RetryLayer::new(Provider::new("bursts")).gates(gates)
}

fn with_quota(gates: &Gates, quota: Quota) -> RetryLayer {
    RetryLayer::new(Provider::new("bursts").quota(quota)).gates(gates)
}

async fn all(calls: Vec<tokio::task::JoinHandle<Outcome>>) -> Vec<u16> {
    let mut statuses = Vec::new();
    for call in calls {
        statuses.push(status_of(&call.await.unwrap()));
    }
    statuses
}

#[tokio::test(start_paused = true)]
async fn nobody_passes_after_a_refusal() {
    let gates = Gates::new();
    let mock = Mock::new(|nth, _| match nth {
        100 => answer(429, &[("retry-after", "7")], ""),
        _ => status(200),
    });
    let service = around(&mock, layer(&gates));
    let begun = Instant::now();
    let calls: Vec<_> = (0..300).map(|_| start(&service, get(URI))).collect();
    assert_eq!(all(calls).await, [200; 300]);
    let offsets = offsets(&mock, begun);
    assert_eq!(offsets.len(), 301);
    assert!(offsets[..100].iter().all(|at| *at < millis(10)));
    assert!(offsets[100..].iter().all(|at| *at >= secs(7)));
    assert_nobody_is_left(&gates);
}

#[tokio::test(start_paused = true)]
async fn no_more_pass_in_a_window_than_declared() {
    let gates = Gates::new();
    let mock = Mock::new(|_, _| status(200));
    let service = around(&mock, with_quota(&gates, Quota::per_second(3_000)));
    let begun = Instant::now();
    let calls: Vec<_> = (0..7_000).map(|_| start(&service, get(URI))).collect();
    tokio::time::sleep(millis(500)).await;
    assert_eq!(mock.calls().len(), 3_000);
    assert_eq!(gates.snapshot()[0].quotas[0].used, 3_000);
    assert_eq!(all(calls).await, [200; 7_000]);
    let offsets = offsets(&mock, begun);
    for pair in offsets.windows(3_001) {
        assert!(pair[3_000] - pair[0] >= secs(1), "{pair:?}");
    }
    assert_between(offsets[6_999], secs(2), millis(30));
}

#[tokio::test(start_paused = true)]
async fn what_is_spent_and_who_is_on_the_way_is_seen_at_any_moment() {
    let gates = Gates::new();
    let mock = Mock::new(|_, _| status(200)).taking_each(|nth, _| match nth {
        ..=WARM => millis(0),
        _ => millis(50),
    });
    let service = around(&mock, with_quota(&gates, Quota::per_minute(5_000)));
    for _ in 0..WARM {
        send(&service, get(URI)).await.unwrap();
    }
    let mut calls = Vec::new();
    for sent in 1..=150u32 {
        calls.push(start(&service, get(URI)));
        tokio::task::yield_now().await;
        let gate = &gates.snapshot()[0];
        assert_eq!(gate.in_flight, sent);
        assert_eq!(gate.quotas[0].used, WARM as u32 + sent);
    }
    assert_eq!(all(calls).await, [200; 150]);
    assert_nobody_is_left(&gates);
}

#[tokio::test(start_paused = true)]
async fn the_budget_counts_every_call() {
    let gates = Gates::new();
    let mock = Mock::new(|_, head| match head.uri.path() {
        "/bad" => status(500),
        _ => status(200),
    });
    let budget = Budget::percent(10).min_retries(0);
    let service = around(&mock, layer(&gates).budget(budget).max_retries(1));
    let calls: Vec<_> = (0..1_000).map(|_| start(&service, get(URI))).collect();
    assert_eq!(all(calls).await, [200; 1_000]);
    // By turns, so that it is not the whole scope that fails.
    let by_turns = [URI, "https://api.test/bad"].repeat(200);
    let calls = by_turns.iter().map(|uri| start(&service, get(uri)));
    assert_eq!(all(calls.collect()).await, [200, 500].repeat(200));
    let calls = 1_000 + 400;
    assert_eq!(mock.calls().len(), calls + calls / 10);
}

#[tokio::test(start_paused = true)]
async fn a_published_limit_is_spent_to_the_last_and_not_beyond() {
    const LIMIT: usize = 2_000;
    let refused = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&refused);
    let begun = Instant::now();
    let mock = Mock::new(move |nth, _| {
        let window = begun.elapsed().as_secs() / 60;
        let left = (LIMIT * (window as usize + 1)).checked_sub(nth);
        let reset = (60 - begun.elapsed().as_secs() % 60).to_string();
        let limit = LIMIT.to_string();
        let remaining = left.unwrap_or(0).to_string();
        let status = if left.is_some() { 200 } else { 429 };
        count.fetch_add(usize::from(status == 429), Relaxed);
        let headers = [
            ("x-ratelimit-limit", &*limit),
            ("x-ratelimit-remaining", &*remaining),
            ("x-ratelimit-reset", &*reset),
        ];
        answer(status, &headers, "")
    });
    let service = around(&mock, layer(&Gates::new()));
    let calls: Vec<_> = (0..3_000).map(|_| start(&service, get(URI))).collect();
    assert_eq!(all(calls).await, [200; 3_000]);
    assert_eq!(refused.load(Relaxed), 0);
    let offsets = offsets(&mock, begun);
    assert!(offsets[LIMIT - 1] < secs(1), "{:?}", offsets[LIMIT - 1]);
    assert!(offsets[LIMIT] >= secs(60), "{:?}", offsets[LIMIT]);
}

#[tokio::test(start_paused = true)]
async fn callers_that_are_dropped_on_the_way_are_counted_once() {
    let gates = Gates::new();
    let mock = Mock::new(|_, _| status(200)).taking_each(|nth, _| match nth {
        ..=WARM => millis(0),
        _ => secs(5),
    });
    let service = around(&mock, with_quota(&gates, Quota::per_minute(5_000)));
    for _ in 0..WARM {
        send(&service, get(URI)).await.unwrap();
    }
    let calls: Vec<_> = (0..200).map(|_| start(&service, get(URI))).collect();
    tokio::time::sleep(millis(1)).await;
    calls.iter().step_by(2).for_each(|call| call.abort());
    tokio::time::sleep(millis(1)).await;
    let gate = &gates.snapshot()[0];
    assert_eq!((gate.in_flight, gate.quotas[0].used), (100, 240));
    tokio::time::sleep(secs(6)).await;
    assert_nobody_is_left(&gates);
}

/// Serves at once; at `/late` it refuses what was asked for at once, and the body of that comes when it is told to.
#[derive(Clone, Default)]
struct Peeked {
    sent: Arc<Mutex<Vec<Instant>>>,
    tell: Arc<Mutex<Vec<oneshot::Sender<()>>>>,
}

/// A body without data, that may end late.
struct Late(Option<oneshot::Receiver<()>>);

impl http_body::Body for Late {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Some(told) = &mut self.0 {
            ready!(Pin::new(told).poll(cx)).unwrap();
            self.0 = None;
        }
        Poll::Ready(None)
    }
}

impl Service<Request<Body>> for Peeked {
    type Response = Response<Late>;
    type Error = BoxError;
    type Future = std::future::Ready<Result<Response<Late>, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        self.sent.lock().unwrap().push(Instant::now());
        let mut response = Response::new(Late(None));
        if request.uri().path() == "/late" {
            let (tell, told) = oneshot::channel();
            self.tell.lock().unwrap().push(tell);
            *response.status_mut() = http::StatusCode::BAD_REQUEST;
            *response.body_mut() = Late(Some(told));
        }
        std::future::ready(Ok(response))
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_whose_body_comes_late_frees_no_slots_of_others_early() {
    const LIMIT: usize = 3_000;
    let server = Peeked::default();
    let provider = Provider::new("bursts")
        .quota(Quota::per_second(LIMIT as u32))
        .throttled_when_body_contains("slow down");
    let service = RetryLayer::new(provider).seed(1).layer(server.clone());
    let peeked = (0..30).map(|_| start(&service, get("https://api.test/late")));
    let peeked: Vec<_> = peeked.collect();
    tokio::time::sleep(millis(900)).await;
    let tell = std::mem::take(&mut *server.tell.lock().unwrap());
    assert_eq!(tell.len(), 30);
    for (call, tell) in peeked.into_iter().zip(tell) {
        for _ in 0..60 {
            send(&service, get(URI)).await.unwrap();
        }
        tell.send(()).unwrap();
        call.await.unwrap().unwrap();
    }
    let calls: Vec<_> = (0..3 * LIMIT).map(|_| start(&service, get(URI))).collect();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    let sent = server.sent.lock().unwrap().clone();
    for pair in sent.windows(LIMIT + 1) {
        assert!(pair[LIMIT] - pair[0] >= secs(1), "{:?}", pair[0] - sent[0]);
    }
}

#[tokio::test(start_paused = true)]
async fn slots_are_free_one_window_after_the_answer_though_callers_leave() {
    for slack in [secs(1), secs(20)] {
        let gates = Gates::new();
        let mock = Mock::new(|_, _| status(200)).taking_each(|_, head| match head.uri.path() {
            "/slow" => secs(50),
            _ => millis(0),
        });
        let quota = Quota::per_second(3_000).slack(slack);
        let service = around(&mock, with_quota(&gates, quota));
        let mut slow = Vec::new();
        for _ in 0..30 {
            let mut service = service.clone();
            let ready = ServiceExt::<Request<Body>>::ready(&mut service);
            slow.push(ready.await.unwrap().call(get("https://api.test/slow")));
        }
        for leaves in slow {
            for _ in 0..50 {
                send(&service, get(URI)).await.unwrap();
            }
            drop(leaves);
        }
        tokio::time::sleep(millis(1_100)).await;
        let gate = &gates.snapshot()[0];
        assert_eq!(gate.in_flight, 0);
        assert!(gate.quotas[0].used <= 30, "all but 30 were answered");
    }
}

#[tokio::test(start_paused = true)]
async fn each_slot_is_free_one_window_after_its_answer_whatever_the_slack() {
    let quota = Quota::per_second(3_000);
    for quota in [quota, quota.slack(secs(20))] {
        let gates = Gates::new();
        let mock = Mock::new(|_, _| status(200));
        let service = around(&mock, with_quota(&gates, quota));
        for _ in 0..1_900 {
            send(&service, get(URI)).await.unwrap();
        }
        tokio::time::sleep(millis(1_050)).await;
        assert_eq!(gates.snapshot()[0].quotas[0].used, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn patience_begins_with_the_call() {
    for said_by_the_layer in [false, true] {
        let failed = AtomicBool::new(false);
        let mock = Mock::new(move |_, head| match head.uri.path() {
            "/flaky" if !failed.swap(true, Relaxed) => status(503),
            _ => status(200),
        });
        let layer = layer(&Gates::new()).backoff(Backoff::exponential(millis(3)));
        let layer = match said_by_the_layer {
            true => layer.failure_patience(millis(7)),
            false => layer,
        };
        let service = around(&mock, layer);
        for _ in 0..WARM {
            send(&service, get(URI)).await.unwrap();
        }
        tokio::time::advance(millis(8)).await;
        let mut request = get("https://api.test/flaky");
        if !said_by_the_layer {
            let patience = Patience::of(millis(7));
            request.extensions_mut().insert(patience);
        }
        let outcome = send(&service, request).await;
        assert_eq!(status_of(&outcome), 200, "{:?}", report(&outcome));
    }
}

#[tokio::test(start_paused = true)]
async fn a_patience_of_seconds_begins_with_the_call() {
    let mock = Mock::new(|_, head| match head.uri.path() {
        "/busy" => answer(503, &[("retry-after", "2")], ""),
        _ => status(200),
    });
    let patience = secs(2) + millis(150);
    let layer = layer(&Gates::new()).patience(patience).max_retries(1);
    let service = around(&mock, layer.failure_patience(patience));
    // Neither the calls before it nor the time since then count towards the patience of a call.
    tokio::time::advance(millis(300)).await;
    for _ in 0..WARM {
        send(&service, get(URI)).await.unwrap();
    }
    tokio::time::advance(millis(200)).await;
    let before = mock.calls().len();
    let outcome = send(&service, get("https://api.test/busy")).await;
    assert_eq!(mock.calls().len(), before + 2, "{:?}", report(&outcome));
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_not_old_because_a_call_that_was_sent_just_after_it_is_answered() {
    let gates = Gates::new();
    let counters = [
        ("x-ratelimit-limit", "8000"),
        ("x-ratelimit-remaining", "0"),
        ("x-ratelimit-reset", "60"),
    ];
    let mock = Mock::new(move |_, head| match head.uri.path() {
        "/slow" => answer(200, &counters, ""),
        _ => status(200),
    });
    let mock = mock.taking_each(|nth, head| match head.uri.path() {
        "/slow" => millis(350),
        _ if nth > WARM + 4 => millis(20),
        _ => millis(0),
    });
    let service = around(&mock, layer(&gates));
    for _ in 0..WARM {
        send(&service, get(URI)).await.unwrap();
    }
    tokio::time::sleep(millis(1_100)).await;
    let slow = start(&service, get("https://api.test/slow"));
    tokio::time::sleep(millis(258)).await;
    for _ in 0..3 {
        send(&service, get(URI)).await.unwrap();
        tokio::time::sleep(millis(5)).await;
    }
    let just_after: Vec<_> = (0..5).map(|_| start(&service, get(URI))).collect();
    tokio::time::sleep(millis(10)).await;
    assert_eq!(gates.snapshot()[0].in_flight, 6);
    assert_eq!(all(just_after).await, [200; 5]);
    slow.await.unwrap().unwrap();
    let closed = gates.snapshot()[0].closed_for;
    assert!(closed.is_some_and(|closed| closed > secs(50)), "{closed:?}");
}

#[tokio::test(start_paused = true)]
async fn single_calls_of_a_bucket_are_sent_so_far_apart_that_the_network_brings_none_too_close() {
    // One call in 100 ms; on their way calls come up to 10 ms closer to each other.
    let last = Arc::new(Mutex::new(None::<Instant>));
    let refused = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&refused);
    let ways = tower::service_fn(move |request: Request<Body>| {
        let (last, counted) = (Arc::clone(&last), Arc::clone(&counted));
        async move {
            let nth = last
                .lock()
                .unwrap()
                .map_or(0, |last| last.elapsed().as_micros() as u64);
            let way = millis(20 + (nth * 7_919 + request.uri().path().len() as u64) % 11);
            tokio::time::sleep(way).await;
            let now = Instant::now();
            let before = last.lock().unwrap().replace(now);
            let is_close = before.is_some_and(|before| now < before + millis(100));
            if is_close {
                *last.lock().unwrap() = before;
            }
            counted.fetch_add(usize::from(is_close), Relaxed);
            tokio::time::sleep(way).await;
            let status = if is_close { 429 } else { 200 };
            let response = Response::builder().status(status).body(Body::default());
            Ok::<_, std::convert::Infallible>(response.unwrap())
        }
    });
    let quota = Quota::per_minute(600).burst(1);
    let layer = RetryLayer::new(Provider::new("bursts").quota(quota)).patience(secs(3_600));
    let service = tower::util::BoxCloneSyncService::new(layer.layer(ways));
    let begun = Instant::now();
    let calls: Vec<_> = (0..500)
        .map(|_| tokio::spawn(service.clone().oneshot(get(URI))))
        .collect();
    for call in calls {
        assert_eq!(call.await.unwrap().unwrap().status(), 200);
    }
    assert_eq!(refused.load(Relaxed), 0);
    let took = begun.elapsed();
    assert!(took < secs(60), "{took:?}: 50 s if the ways were even");
}
