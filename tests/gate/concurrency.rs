//! How many calls a gate lets be in flight, and how many callers may wait.

use crate::support::mock::{Mock, answer, status};
use crate::support::paused::*;
use http_body_util::BodyExt;
use tokio::time::Instant;
use tower_backoff::policy::Provider;
use tower_backoff::{Gates, NotBefore, Quota, RetryLayer};

const URI: &str = "https://api.test/";

fn layer(quotas: impl IntoIterator<Item = Quota>) -> RetryLayer {
    RetryLayer::new(Provider::new("concurrency").quotas(quotas))
}

#[tokio::test(start_paused = true)]
async fn a_slot_is_held_until_the_body_has_ended() {
    let mock = Mock::new(|_, _| answer(200, &[], "a body"));
    let service = around(&mock, layer([Quota::concurrent(1)]));
    let first = send(&service, get(URI)).await.unwrap();
    let second = start(&service, get(URI));
    tokio::time::sleep(secs(30)).await;
    assert_eq!(mock.calls().len(), 1, "the first body is still open");
    let body = first.into_body().collect().await.unwrap();
    assert_eq!(body.to_bytes(), "a body");
    assert_eq!(status_of(&second.await.unwrap()), 200);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_dropped_frees_its_slot() {
    let mock = Mock::new(|_, _| answer(200, &[], "a body"));
    let gates = Gates::new();
    let service = around(&mock, layer([Quota::concurrent(2)]).gates(&gates));
    let first = send(&service, get(URI)).await.unwrap();
    let second = send(&service, get(URI)).await.unwrap();
    assert_eq!(gates.snapshot()[0].quotas[0].used, 2);
    let third = start(&service, get(URI));
    tokio::time::sleep(secs(1)).await;
    assert_eq!(gates.snapshot()[0].waiting, 1);
    drop(second);
    let third = third.await.unwrap();
    drop((first, third));
    assert_eq!(gates.snapshot()[0].quotas[0].used, 0);
}

#[tokio::test(start_paused = true)]
async fn an_answer_without_a_body_holds_no_slot() {
    let mock = Mock::new(|_, _| status(204));
    let service = around(&mock, layer([Quota::concurrent(1)]));
    let first = send(&service, get(URI)).await;
    let second = send(&service, get(URI)).await;
    assert_eq!((status_of(&first), status_of(&second)), (204, 204));
}

#[tokio::test(start_paused = true)]
async fn failures_refusals_and_dropped_callers_free_their_slot() {
    let mock = Mock::new(|nth, _| match nth {
        1 => answer(500, &[], "broken"),
        2 => answer(429, &[("retry-after", "3")], "not now"),
        3 => Err("the connection broke".into()),
        _ => answer(200, &[], "done"),
    })
    .taking(millis(50));
    let gates = Gates::new();
    let service = around(&mock, layer([Quota::concurrent(1)]).gates(&gates));
    let dropped = tokio::time::timeout(millis(10), send(&service, get(URI))).await;
    assert!(dropped.is_err());
    let outcome = send(&service, get(URI)).await;
    assert_eq!(status_of(&outcome), 200);
    assert_eq!(mock.calls().len(), 4);
    drop(outcome);
    assert_eq!(gates.snapshot()[0].quotas[0].used, 0);
}

#[tokio::test(start_paused = true)]
async fn never_more_calls_at_once_than_the_quota_allows() {
    let mock = Mock::new(|_, _| answer(200, &[], "done")).taking(millis(100));
    let service = around(&mock, layer([Quota::concurrent(3)]));
    let begun = Instant::now();
    let calls: Vec<_> = (0..12).map(|_| start(&service, get(URI))).collect();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    let sent = offsets(&mock, begun);
    for window in sent.windows(4) {
        assert!(window[3] - window[0] >= millis(100), "{sent:?}");
    }
    assert!(begun.elapsed() < millis(450), "and no slower than needed");
}

#[tokio::test(start_paused = true)]
async fn beyond_the_bound_on_waiting_callers_the_next_one_is_told_at_once() {
    let mock = Mock::new(|nth, _| match nth {
        1 => answer(429, &[("retry-after", "40")], ""),
        _ => status(200),
    });
    let service = around(&mock, layer([]).max_waiting(2));
    let begun = Instant::now();
    let waiting: Vec<_> = (0..2).map(|_| start(&service, get(URI))).collect();
    tokio::time::sleep(millis(1)).await;
    // The refused one and one more wait: there is no third slot.
    let error = send(&service, get(URI)).await.unwrap_err();
    let not_before = error
        .downcast_ref::<NotBefore>()
        .expect("when to come back");
    assert_eq!(not_before.decided_by(), "retry-after");
    assert_between(not_before.wait(), secs(39), secs(2));
    assert!(begun.elapsed() < secs(1));
    for call in waiting {
        assert_eq!(status_of(&call.await.unwrap()), 200);
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_was_sent_is_not_sent_away_by_those_who_came_after() {
    let mock = Mock::new(|nth, _| match nth {
        1 => answer(429, &[("retry-after", "1")], ""),
        _ => status(200),
    })
    .taking(millis(100));
    let service = around(&mock, layer([Quota::concurrent(1)]).max_waiting(1));
    let first = start(&service, get(URI));
    tokio::time::sleep(millis(1)).await;
    let second = start(&service, get(URI));
    assert_eq!(status_of(&first.await.unwrap()), 200);
    assert_eq!(status_of(&second.await.unwrap()), 200);
}

/// Its body ends, is read past its end, and is dropped.
#[tokio::test(start_paused = true)]
async fn a_slot_is_freed_once() {
    let mock = Mock::new(|_, _| answer(200, &[], "body"));
    let gates = Gates::new();
    let service = around(&mock, layer([Quota::concurrent(2)]).gates(&gates));
    let mut one = send(&service, get(URI)).await.unwrap();
    let two = send(&service, get(URI)).await.unwrap();
    let _ = one.body_mut().frame().await;
    assert_eq!(gates.snapshot()[0].quotas[0].used, 1);
    let _ = one.body_mut().frame().await;
    drop(one);
    assert_eq!(gates.snapshot()[0].quotas[0].used, 1);
    drop(two);
    assert_eq!(gates.snapshot()[0].quotas[0].used, 0);
}
