//! Callers that are polled once and never again, and callers that are woken in their turn.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::support;
use crate::support::mock::{Mock, answer, status};
use crate::support::paused::*;
use futures_util::FutureExt;
use http::Request;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tower::ServiceExt;
use tower_backoff::policy::Provider;
use tower_backoff::{Cost, Gates, Patience, Quota, Retry, RetryLayer, Scope};

const URI: &str = "https://api.test/";

fn patient(quota: Quota) -> RetryLayer {
    RetryLayer::new(Provider::new("stalled-waiters").quota(quota)).patience(secs(3_600))
}

/// A call with a name, which the server sees.
fn named(name: impl std::fmt::Display) -> Request<Body> {
    get(&format!("{URI}{name}"))
}

/// The names of the calls as they came.
fn names(mock: &Mock) -> Vec<String> {
    let name = |call: &support::mock::Call| call.uri.path()[1..].to_owned();
    mock.calls().iter().map(name).collect()
}

/// A call that was polled once, and whose future lies around somewhere.
type LeftAlone = Pin<Box<dyn Future<Output = Outcome> + Send>>;

fn left_alone(service: &Retry<Mock>, request: Request<Body>) -> LeftAlone {
    let service = service.clone();
    let mut call = Box::pin(async move { send(&service, request).await });
    assert!(call.as_mut().now_or_never().is_none(), "it has to wait");
    call
}

/// Starts calls that are named by their numbers, each before the next.
async fn start_all(
    service: &Retry<Mock>,
    numbers: std::ops::Range<usize>,
) -> Vec<JoinHandle<Outcome>> {
    let mut calls = Vec::new();
    for number in numbers {
        calls.push(start(service, named(number)));
        tokio::task::yield_now().await;
    }
    calls
}

async fn all_served(calls: Vec<JoinHandle<Outcome>>) {
    for call in calls {
        let call = tokio::time::timeout(secs(3_600), call).await;
        assert_eq!(status_of(&call.expect("it is stuck").unwrap()), 200);
    }
}

#[tokio::test(start_paused = true)]
async fn a_first_waiter_that_is_never_polled_stops_none_of_200_behind_it() {
    for stalled in [1, 2, 5, 40] {
        let mock = Mock::new(|_, _| status(200));
        let service = around(&mock, patient(Quota::per_second(10)));
        all_served(start_all(&service, 0..10).await).await;
        let stuck: Vec<_> = (0..stalled)
            .map(|_| left_alone(&service, named("stuck")))
            .collect();
        let begun = Instant::now();
        all_served(start_all(&service, 10..210).await).await;
        // Twenty-one seconds, and a few in which no call came.
        assert!(begun.elapsed() <= secs(30), "{:?}", begun.elapsed());
        // Some are skipped with the stalled ones, and come back at once.
        for (position, name) in names(&mock).iter().enumerate() {
            let number: usize = name.parse().unwrap();
            let out_of_order = number.abs_diff(position);
            assert!(out_of_order <= 2 * stalled, "{name} is sent as {position}");
        }
        drop(stuck);
    }
}

#[tokio::test(start_paused = true)]
async fn nor_when_nobody_knows_when_a_slot_is_free() {
    for (callers, waits) in [(20, 20), (200, 40)] {
        let mock = Mock::new(|_, _| status(200)).taking(millis(100));
        let service = around(&mock, patient(Quota::concurrent(1)));
        let first = start(&service, named("first"));
        tokio::task::yield_now().await;
        let stuck = left_alone(&service, named("stuck"));
        let calls = start_all(&service, 0..callers).await;
        let begun = Instant::now();
        all_served(calls).await;
        assert!(begun.elapsed() < secs(waits), "{:?}", begun.elapsed());
        drop((first, stuck));
    }
}

#[tokio::test(start_paused = true)]
async fn nor_when_the_gate_is_opened_by_hand() {
    let mock = Mock::new(|nth, _| match nth {
        1 => answer(429, &[("retry-after", "3000")], ""),
        _ => status(200),
    });
    let gates = Gates::new();
    let layer = RetryLayer::new(Provider::new("stalled-waiters")).patience(secs(100_000));
    let service = around(&mock, layer.gates(&gates));
    let mut stuck = Box::pin(send(&service, named("stuck")));
    assert!(stuck.as_mut().now_or_never().is_none(), "it was refused");
    let calls = start_all(&service, 0..200).await;
    let begun = Instant::now();
    gates.reopen(&Scope::origin(&URI.parse().unwrap()));
    all_served(calls).await;
    assert!(begun.elapsed() < secs(10), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_was_skipped_goes_first_when_it_asks_again() {
    let mock = Mock::new(|_, _| status(200));
    let service = around(&mock, patient(Quota::per_second(1)));
    send(&service, named("first")).await.unwrap();
    let busy = left_alone(&service, named("busy"));
    let calls = start_all(&service, 0..200).await;
    tokio::time::sleep(secs(20)).await;
    let sent = mock.calls().len();
    assert!(sent > 10, "the others went on");
    busy.await.unwrap();
    assert_eq!(names(&mock)[sent], "busy");
    all_served(calls).await;
}

#[tokio::test(start_paused = true)]
async fn callers_that_come_and_go_do_not_let_cheap_calls_overtake_a_dear_one() {
    fn with_cost(name: &str, cost: u32) -> Request<Body> {
        let mut request = named(name);
        request.extensions_mut().insert(Cost::new(cost));
        request
    }
    let mock = Mock::new(|_, _| status(200));
    let service = around(&mock, patient(Quota::per_minute(10)));
    send(&service, with_cost("first", 5)).await.unwrap();
    let dear = start(&service, with_cost("dear", 10));
    tokio::task::yield_now().await;
    // A caller that leaves makes the gate forget what the first one needs, until that one has asked again.
    drop(left_alone(&service, with_cost("brief", 1)));
    drop(left_alone(&service, with_cost("cheap", 1)));
    // And when there are slots for all, another caller looks before the expensive one does.
    tokio::time::sleep(secs(59)).await;
    for _ in 0..1_500 {
        tokio::time::sleep(millis(1)).await;
        drop(left_alone(&service, with_cost("cheap", 1)));
    }
    assert_eq!(names(&mock), ["first", "dear"]);
    dear.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_patience_of_a_caller_without_a_timer_ends_in_time() {
    let mock = Mock::new(|_, _| status(200)).taking(secs(1_000));
    let gates = Gates::new();
    let layer = patient(Quota::concurrent(1)).gates(&gates);
    let service = around(&mock, layer);
    let hanging = start(&service, named("hanging"));
    tokio::task::yield_now().await;
    let patient = start_all(&service, 0..100).await;
    let mut ended = Vec::new();
    for seconds in [3, 30, 3, 7, 200, 4] {
        let mut hasty = named("hasty");
        hasty.extensions_mut().insert(Patience::of(secs(seconds)));
        let call = start(&service, hasty);
        ended.push(tokio::spawn(async move {
            let begun = Instant::now();
            call.await.unwrap().expect_err("no call gets through");
            (seconds, begun.elapsed())
        }));
    }
    for call in ended {
        let (seconds, ended) = call.await.unwrap();
        assert_between(ended, secs(seconds), millis(20));
    }
    drop((hanging, patient));
    assert_eq!(gates.snapshot()[0].waiting, 100, "the tasks go on");
}

#[tokio::test(start_paused = true)]
async fn patience_ends_in_time_though_the_task_with_the_timers_is_never_polled_again() {
    for calls in [40, 120, 400] {
        let patience = secs(300);
        let never = std::time::Duration::from_secs(100_000);
        let mock = Mock::new(|_, _| status(200)).taking(never);
        let layer = RetryLayer::new(Provider::new("stalled-waiters").quota(Quota::concurrent(1)));
        let service = around(&mock, layer.patience(patience));
        let hangs = start(&service, named("hangs"));
        tokio::task::yield_now().await;
        // Two tasks take turns to make their calls. One of them stops polling, whichever.
        for stops in [0, 1] {
            let begun = Instant::now();
            let mut stuck = Vec::new();
            let mut polled = Vec::new();
            for nth in 0..calls {
                if nth % 2 == stops {
                    stuck.push(left_alone(&service, named("stuck")));
                } else {
                    polled.push(start(&service, named(nth)));
                }
                tokio::task::yield_now().await;
            }
            for call in polled {
                assert!(call.await.unwrap().is_err(), "its patience ends");
            }
            let took = begun.elapsed();
            assert!(took <= patience + secs(1), "{calls}: {took:?}");
        }
        hangs.abort();
    }
}

#[tokio::test(start_paused = true)]
async fn a_caller_whose_patience_ends_does_not_wake_all_others() {
    let mock = Mock::new(|_, _| status(200)).taking(secs(1_000));
    let service = around(&mock, patient(Quota::concurrent(1)));
    let hanging = start(&service, named("hanging"));
    tokio::task::yield_now().await;
    let polls = Arc::new(AtomicUsize::new(0));
    for number in 0..5_000 {
        let polls = Arc::clone(&polls);
        let mut call = Box::pin(service.clone().oneshot(named(number)));
        tokio::spawn(std::future::poll_fn(move |cx| {
            polls.fetch_add(1, Ordering::Relaxed);
            call.as_mut().poll(cx).map(drop)
        }));
    }
    for _ in 0..60 {
        tokio::time::sleep(secs(1)).await;
        let mut hasty = named("hasty");
        hasty.extensions_mut().insert(Patience::of(secs(10)));
        start(&service, hasty);
    }
    drop(hanging);
    let polls = polls.load(Ordering::Relaxed);
    // Each once, and those with a timer each second.
    assert!(polls < 5 * 5_000, "{polls}");
}

#[tokio::test(start_paused = true)]
async fn callers_that_come_and_go_at_a_queue_of_64_do_not_wake_all_of_it() {
    let mock = Mock::new(|_, _| status(200)).taking(secs(100_000));
    let service = around(&mock, patient(Quota::concurrent(1)));
    let hanging = start(&service, named("hanging"));
    tokio::task::yield_now().await;
    let polls = Arc::new(AtomicUsize::new(0));
    for number in 0..64 {
        let polls = Arc::clone(&polls);
        let mut call = Box::pin(service.clone().oneshot(named(number)));
        tokio::spawn(std::future::poll_fn(move |cx| {
            polls.fetch_add(1, Ordering::Relaxed);
            call.as_mut().poll(cx).map(drop)
        }));
    }
    tokio::task::yield_now().await;
    for _ in 0..1_000 {
        drop(left_alone(&service, named("goes")));
        tokio::time::sleep(millis(1)).await;
    }
    drop(hanging);
    let polls = polls.load(Ordering::Relaxed);
    assert!(polls < 5_000, "{polls}");
}
