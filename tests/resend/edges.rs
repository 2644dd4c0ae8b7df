//! Rare cases: what callers may do to the layer and servers may answer, though seldom on purpose.

use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use crate::support::mock::{Mock, answer, status};
use crate::support::paused::*;
use http::{Request, Response};
use tokio::time::Instant;
use tower::limit::ConcurrencyLimit;
use tower::{Layer, Service, ServiceBuilder, ServiceExt};
use tower_backoff::policy::{Attempt, Policy, Provider, Ruling, Verdict, policy_fn};
use tower_backoff::{
    Backoff, BoxError, Deadline, Gates, NotBefore, Patience, ReportSlot, RetryLayer, StopReason,
};

const A: &str = "https://a.test/";

fn standard() -> RetryLayer {
    RetryLayer::new(Provider::new("test"))
}

fn refuse_first(n: usize, headers: &'static [(&'static str, &'static str)]) -> Mock {
    Mock::new(move |nth, _| match nth {
        _ if nth <= n => answer(429, headers, "no"),
        _ => status(200),
    })
}

/// A waker that owns a call.
struct DropsCall(
    #[expect(dead_code, reason = "it is owned, and dropped with the waker")]
    Mutex<Option<Box<dyn std::any::Any + Send>>>,
);
impl Wake for DropsCall {
    fn wake(self: Arc<Self>) {}
}

#[tokio::test(start_paused = true)]
async fn a_waiting_call_that_nobody_polls_holds_nobody_up() {
    let service = around(&refuse_first(1, &[("retry-after", "5")]), standard());
    let refused = start(&service, get(A));
    tokio::time::sleep(millis(1)).await;
    refused.abort();
    let mut parked = Box::pin(send(&service, get(A)));
    assert!(futures_util::poll!(parked.as_mut()).is_pending());
    // patience is 5 minutes; an hour passes
    let start = Instant::now();
    let second = tokio::time::timeout(secs(3600), send(&service, get(A))).await;
    assert!(
        second.is_ok() && start.elapsed() < secs(301),
        "stuck for an hour behind a future that is not polled, past patience"
    );
}

#[tokio::test(start_paused = true)]
async fn a_follow_up_call_inside_of_a_stream_of_calls_gets_its_turn() {
    use futures_util::StreamExt;
    let service = around(
        &Mock::new(|nth, _| {
            if nth == 2 {
                answer(429, &[("retry-after", "5")], "no")
            } else {
                status(200)
            }
        })
        .taking(millis(10)),
        standard(),
    );
    let run = async {
        let mut stream = futures_util::stream::iter(0..6)
            .map(|_| send(&service, get(A)))
            .buffer_unordered(3);
        while let Some(one) = stream.next().await {
            let _ = one;
            let start = Instant::now();
            let out = send(&service, get(A)).await; // follow-up call, same API
            assert!(
                out.is_ok(),
                "follow-up: {:?} after {:?}",
                out.err(),
                start.elapsed()
            );
        }
    };
    assert!(
        tokio::time::timeout(secs(3600), run).await.is_ok(),
        "deadlock"
    );
}

#[test]
fn retry_on_holds_for_limits_under_403_too() {
    let request = post(A);
    let response = Response::builder()
        .status(403)
        .header("retry-after", "5")
        .body(())
        .unwrap();
    let p = Provider::new("x").retry_on([429]);
    assert_eq!(
        p.judge(&Attempt::new(&request, &response)).ruling(),
        Ruling::Refuse
    );
}

#[tokio::test(start_paused = true)]
async fn the_report_names_the_header_that_ended_the_call() {
    let mock = Mock::new(|nth, _| {
        if nth == 1 {
            answer(429, &[("retry-after", "1")], "")
        } else {
            answer(
                429,
                &[
                    ("x-ratelimit-remaining", "0"),
                    ("x-ratelimit-reset", "4000"),
                ],
                "",
            )
        }
    });
    let outcome = send(&around(&mock, standard()), get(A)).await;
    let r = report(&outcome).unwrap();
    assert_eq!(r.stop_reason(), Some(StopReason::PatienceExceeded));
    assert_eq!(r.decided_by(), Some("x-ratelimit-reset"), "{r:?}");
}

#[tokio::test(start_paused = true)]
async fn the_report_of_a_first_refusal_names_its_header() {
    let outcome = send(
        &around(&refuse_first(9, &[("retry-after", "4000")]), standard()),
        get(A),
    )
    .await;
    assert_eq!(report(&outcome).unwrap().decided_by(), Some("retry-after"));
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_ended_at_the_gate_is_counted() {
    let mock = Mock::new(|nth, _| {
        if nth == 1 {
            answer(429, &[("retry-after", "10")], "")
        } else {
            answer(429, &[("retry-after", "3600")], "")
        }
    });
    let service = around(&mock, standard());
    let slot = ReportSlot::new();
    let mut second = get(A);
    second.extensions_mut().insert(slot.clone());
    let start = Instant::now();
    let _ = futures_util::future::join(send(&service, get(A)), send(&service, second)).await;
    assert!(start.elapsed() >= secs(10));
    assert!(
        slot.report().unwrap().waited() >= secs(10),
        "{:?}",
        slot.report()
    );
}

#[tokio::test(start_paused = true)]
async fn failures_after_a_refusal_stay_within_the_patience_of_the_call() {
    let mock = Mock::new(|nth, _| {
        if nth == 1 {
            answer(429, &[("retry-after", "15")], "")
        } else {
            status(500)
        }
    })
    .taking(secs(4));
    let service = around(&mock, standard());
    let mut r = get(A);
    r.extensions_mut().insert(Patience::of(secs(20)));
    let start = Instant::now();
    let _ = send(&service, r).await;
    let sent = offsets(&mock, start);
    assert!(*sent.last().unwrap() <= secs(20), "{sent:?}");
}

#[tokio::test(start_paused = true)]
async fn a_permit_that_comes_too_late_is_not_used() {
    const B: &str = "https://b.test/";
    let mock = Mock::new(|nth, _| match nth {
        1 => answer(429, &[("retry-after", "1")], ""),
        _ => status(200),
    })
    .taking_each(|_, head| secs(if head.uri == B { 100 } else { 0 }));
    let service = ServiceBuilder::new()
        .layer(standard().patience(secs(20)))
        .concurrency_limit(1)
        .service(mock.clone());
    let begun = Instant::now();
    let refused = start(&service, get(A));
    tokio::time::sleep(millis(10)).await;
    let slow = start(&service, get(B));
    let _ = refused.await.unwrap();
    slow.await.unwrap().unwrap();
    let calls = mock.calls();
    let last = calls.iter().rfind(|call| call.uri == A).unwrap().at - begun;
    assert!(last <= secs(20), "sent after {last:?}, patience 20 s");
}

#[tokio::test(start_paused = true)]
async fn a_call_whose_deadline_is_over_is_not_sent() {
    tokio::time::advance(secs(100)).await;
    let mock = refuse_first(0, &[]);
    let mut r = get(A);
    r.extensions_mut()
        .insert(Deadline::at(Instant::now() - secs(50)));
    let o = send(&around(&mock, standard()), r).await;
    assert!(
        o.is_err() && mock.calls().is_empty(),
        "sent although its deadline was 50 s ago"
    );
    let error = o.expect_err("it is not sent").to_string();
    assert!(error.contains("the deadline of the call"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_never_ready_is_told_as_the_reason() {
    let limited = ConcurrencyLimit::new(refuse_first(1, &[("retry-after", "1")]), 1);
    let service = standard().patience(secs(5)).layer(limited.clone());
    let mut hurried = get(A);
    hurried
        .extensions_mut()
        .insert(Deadline::at(Instant::now()));
    send(&service, hurried).await.expect("a refusal");
    let waiting = start(&service, get(A));
    tokio::task::yield_now().await;
    let mut elsewhere = limited;
    let ready = ServiceExt::<Request<Body>>::ready(&mut elsewhere).await;
    let _permit = ready.expect("the only permit");
    let error = waiting.await.unwrap().expect_err("it is not sent");
    let error = error.to_string();
    assert!(error.contains("the client beneath"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn answers_about_one_request_open_the_gate_as_good_ones_do() {
    let mock = Mock::new(|nth, _| {
        if nth <= 64 {
            answer(429, &[("retry-after", "1")], "")
        } else {
            status(404)
        }
    })
    .taking(millis(500));
    let service = around(&mock, standard());
    let start = Instant::now();
    futures_util::future::join_all((0..64).map(|_| send(&service, get(A)))).await;
    assert!(
        start.elapsed() < secs(10),
        "one by one: {:?}",
        start.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn an_answer_about_one_request_ends_the_growth_of_bare_waits() {
    let mock = Mock::new(|nth, _| match nth {
        1 => status(429),
        2 => status(404),
        3 => status(429),
        _ => status(200),
    });
    let service = around(&mock, standard());
    let start = Instant::now();
    for _ in 0..2 {
        let _ = send(&service, get(A)).await;
    }
    let s = offsets(&mock, start);
    assert!(s[3] - s[2] < secs(62), "{s:?}");
}

/// Of forty in flight all but one are refused at once; the last refusal comes when the next calls are under way.
#[tokio::test(start_paused = true)]
async fn a_late_refusal_that_shuts_the_gate_again_is_followed_by_one_probe() {
    let mock = Mock::new(|nth, _| match nth {
        1..=40 => answer(429, &[("retry-after", "1")], ""),
        _ => status(200),
    })
    .taking_each(|nth, _| {
        millis(match nth {
            ..40 => 10,
            40 => 1_950,
            _ => 200,
        })
    });
    let service = around(&mock, standard());
    let begun = Instant::now();
    futures_util::future::join_all((0..40).map(|_| send(&service, get(A)))).await;
    let sent = offsets(&mock, begun);
    let after: Vec<_> = sent.iter().filter(|at| **at > millis(1_960)).collect();
    let probes = after.iter().filter(|at| *at == &after[0]).count();
    assert_eq!(probes, 1, "{sent:?}");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_refused_keeps_its_place() {
    // calls 1, 2 in flight; 2 refused first at 10 ms, newcomer 3 queues, then 1 refused at 50 ms
    let order = Arc::new(Mutex::new(Vec::new()));
    let o2 = order.clone();
    let svc = tower::service_fn(move |r: Request<Body>| {
        let o = o2.clone();
        async move {
            let who = r.uri().path().to_owned();
            let n = {
                let mut o = o.lock().unwrap();
                o.push(who.clone());
                o.iter().filter(|w| **w == who).count()
            };
            let code = if n == 1 && who != "/3" { 429 } else { 200 };
            tokio::time::sleep(millis(if who == "/1" { 50 } else { 10 })).await;
            Ok::<_, BoxError>(
                Response::builder()
                    .status(code)
                    .header("retry-after", "5")
                    .body(Body::default())?,
            )
        }
    });
    let service = standard().seed(1).layer(svc);
    let late = async {
        tokio::time::sleep(millis(20)).await;
        send(&service, get("https://a.test/3")).await
    };
    let _ = futures_util::future::join3(
        send(&service, get("https://a.test/1")),
        send(&service, get("https://a.test/2")),
        late,
    )
    .await;
    let order = order.lock().unwrap().clone();
    assert_eq!(order, ["/1", "/2", "/1", "/2", "/3"], "arrival order");
}

#[tokio::test(start_paused = true)]
async fn not_before_is_not_retried_by_a_layer_outside() {
    let slot = ReportSlot::new();
    let policy = policy_fn(|a: &Attempt<'_>| {
        if a.error().is_some_and(|e| e.is::<NotBefore>()) {
            a.standard()
        } else {
            Verdict::accept()
        }
    });
    let mock = refuse_first(9, &[("retry-after", "4000")]);
    let service = ServiceBuilder::new()
        .layer(RetryLayer::new(policy))
        .layer(standard())
        .service(mock.clone());
    let _ = send(&service, get(A)).await;
    let start = Instant::now();
    let mut r = get(A);
    r.extensions_mut().insert(slot.clone());
    let e = send(&service, r).await.unwrap_err();
    assert!(e.is::<NotBefore>());
    assert!(
        start.elapsed().is_zero(),
        "NotBefore was retried for {:?}, {:?}",
        start.elapsed(),
        slot.report()
    );
}

#[tokio::test(start_paused = true)]
async fn max_cooldown_does_not_undercut_the_bare_floor() {
    let mock = refuse_first(1, &[]);
    let start = Instant::now();
    send(&around(&mock, standard().max_cooldown(secs(10))), get(A))
        .await
        .unwrap();
    assert!(
        offsets(&mock, start)[1] >= secs(60),
        "{:?}",
        offsets(&mock, start)
    );
}

#[tokio::test(start_paused = true)]
async fn retry_after_zero_makes_no_loop_however_small_the_backoff() {
    let mock = refuse_first(usize::MAX, &[("retry-after", "0")]);
    let layer = standard().backoff(Backoff::exponential(millis(10)).max_delay(millis(50)));
    let _ = send(&around(&mock, layer), get(A)).await;
    assert!(mock.calls().len() <= 30, "{} requests", mock.calls().len());
}

#[tokio::test(start_paused = true)]
async fn gates_of_scopes_long_gone_are_forgotten() {
    let gates = Gates::new();
    let mock = Mock::new(|_, _| answer(429, &[("retry-after", "1")], ""));
    let service = around(&mock, standard().gates(&gates).patience(Duration::ZERO));
    for n in 0..3000 {
        let _ = send(&service, get(&format!("https://h{n}.test/"))).await;
    }
    tokio::time::advance(secs(86_400 * 30)).await;
    for n in 0..3000 {
        let _ = send(&service, get(&format!("https://x{n}.test/"))).await;
        tokio::time::advance(secs(10)).await;
    }
    assert!(
        gates.snapshot().len() < 5000,
        "{} gates",
        gates.snapshot().len()
    );
}

#[test]
fn a_waker_that_owns_a_call_may_be_dropped_at_any_time() {
    let (tx, rx) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let rt = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap();
        rt.block_on(async {
            let service = around(&refuse_first(1, &[("retry-after", "100")]), standard());
            let s = service.clone();
            let _first = tokio::spawn(async move { send(&s, get(A)).await.is_ok() });
            tokio::time::sleep(millis(1)).await;
            // task 1 owns two calls: `moved` is polled there once, then handed to another task; `kept` dies with task 1
            let mut moved = Box::pin(service.clone().oneshot(get(A)));
            let mut kept = Box::pin(service.clone().oneshot(get(A)));
            assert!(futures_util::poll!(kept.as_mut()).is_pending());
            let task = Arc::new(DropsCall(Mutex::new(Some(
                Box::new(kept) as Box<dyn std::any::Any + Send>
            ))));
            let waker = Waker::from(task.clone());
            assert!(
                moved
                    .as_mut()
                    .poll(&mut Context::from_waker(&waker))
                    .is_pending()
            );
            drop(waker);
            drop(task); // the executor lets go of task 1; the gate's queue has its last waker
            let _ = tokio::time::timeout(secs(1), moved).await; // polled in another task: clone_from drops the old waker
        });
        let _ = tx.send(());
    });
    assert!(rx.recv_timeout(Duration::from_secs(5)).is_ok(), "deadlock");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_dies_before_a_retry_is_told() {
    #[derive(Clone)]
    struct Dies(Arc<Mutex<u32>>);
    impl Service<Request<Body>> for Dies {
        type Response = Response<Body>;
        type Error = BoxError;
        type Future = std::future::Ready<Result<Response<Body>, BoxError>>;
        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
            if *self.0.lock().unwrap() > 0 {
                Poll::Ready(Err("closed".into()))
            } else {
                Poll::Ready(Ok(()))
            }
        }
        fn call(&mut self, _: Request<Body>) -> Self::Future {
            *self.0.lock().unwrap() += 1;
            std::future::ready(Ok(Response::builder()
                .status(429)
                .header("retry-after", "1")
                .body(Body::from("why"))
                .unwrap()))
        }
    }
    let slot = ReportSlot::new();
    let mut r = get(A);
    r.extensions_mut().insert(slot.clone());
    let out = standard().layer(Dies(Default::default())).oneshot(r).await;
    assert!(
        slot.report().unwrap().stop_reason().is_some(),
        "failed with {:?} but the report says success: {:?}",
        out.err(),
        slot.report()
    );
    let waited = slot.report().unwrap().waited();
    assert_between(waited, secs(1), millis(20));
}

#[test]
fn an_address_without_a_port_is_a_host() {
    let policy =
        tower_backoff::policy::ByHost::new().host("[::1]", policy_fn(|_| Verdict::retry()));
    let request = Request::get("/x").header("host", "[::1]").body(()).unwrap();
    let response = Response::builder().status(404).body(()).unwrap();
    assert_eq!(
        policy.judge(&Attempt::new(&request, &response)).ruling(),
        Ruling::Retry
    );
}

#[tokio::test(start_paused = true)]
async fn a_429_that_is_not_to_be_retried_still_cools_the_scope() {
    let mock = Mock::new(|nth, _| {
        if nth == 1 {
            answer(
                429,
                &[("retry-after", "30"), ("x-should-retry", "false")],
                "",
            )
        } else {
            status(200)
        }
    });
    let service = around(
        &mock,
        RetryLayer::new(
            Provider::new("x").should_retry_header(http::HeaderName::from_static("x-should-retry")),
        ),
    );
    let start = Instant::now();
    let _ = send(&service, get(A)).await;
    let _ = send(&service, get(A)).await;
    assert!(
        offsets(&mock, start)[1] >= secs(30),
        "{:?}",
        offsets(&mock, start)
    );
}

/// A body that never ends and never says anything.
#[derive(Default)]
struct Empties(u64);

impl http_body::Body for Empties {
    type Data = bytes::Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<bytes::Bytes>, Self::Error>>> {
        self.0 += 1;
        assert!(self.0 < 1_000_000, "a million empty frames were kept");
        Poll::Ready(Some(Ok(http_body::Frame::data(bytes::Bytes::new()))))
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_of_endless_empty_frames_costs_a_bounded_memory() {
    let server = tower::service_fn(|_: Request<Body>| async {
        let refusal = Response::builder().status(429).header("retry-after", "1");
        Ok::<_, BoxError>(refusal.body(Empties::default())?)
    });
    let layer = standard().patience(secs(10));
    let ended = layer.layer(server).oneshot(get(A)).await;
    assert!(ended.is_ok() || ended.is_err_and(|error| error.is::<NotBefore>()));
}
