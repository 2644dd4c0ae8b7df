//! Quotas that count only some calls of a scope: writes, or responses with a status.

use std::time::Duration;

use http::Method;
use tokio::sync::watch;
use tokio::time::Instant;
use tower::{Layer, ServiceExt};
use tower_backoff::failure::Unsent;
use tower_backoff::policy::{PartialQuota, Provider};
use tower_backoff::{Gates, NotBefore, Quota, Retry, RetryLayer, Scope, providers};

use crate::buckets::Sluice;
use crate::support::mock::{Mock, answer, status};
use crate::support::paused::*;

const A: &str = "https://api.test/things/1";

fn writes_a_second_apart() -> Provider {
    Provider::new("acme").partial_quota(PartialQuota::of_writes(Quota::per_second(1)))
}

/// Three refusals for want of rights in ten minutes.
fn three_refusals() -> Provider {
    let ten_minutes = secs(600);
    Provider::new("acme").partial_quota(PartialQuota::of_statuses(
        [401, 403],
        Quota::new(3, ten_minutes),
    ))
}

/// When the calls with this method were sent.
fn sent(mock: &Mock, method: &Method, start: Instant) -> Vec<Duration> {
    let calls = mock.calls().into_iter();
    let calls = calls.filter(|call| call.method == *method);
    calls.map(|call| call.at - start).collect()
}

async fn all(service: &Retry<Mock>, requests: impl IntoIterator<Item = http::Request<Body>>) {
    let calls: Vec<_> = requests.into_iter().map(|r| start(service, r)).collect();
    for call in calls {
        call.await.expect("no panic").expect("an answer");
    }
}

#[track_caller]
fn assert_a_second_apart(moments: &[Duration]) {
    for pair in moments.windows(2) {
        let apart = pair[1] - pair[0];
        assert!(apart >= secs(1), "{moments:?}");
        assert!(apart <= millis(1_300), "{moments:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn writes_are_spaced_and_reads_go_on() {
    for provider in [writes_a_second_apart(), providers::github()] {
        let mock = Mock::new(|_, _| status(200)).taking(millis(50));
        let service = around(&mock, RetryLayer::new(provider));
        let begun = Instant::now();
        let writes = ["POST", "PUT", "PATCH", "DELETE", "POST"];
        let reads = (0..40).map(|_| get(A));
        all(
            &service,
            writes.map(|m| request(m, A)).into_iter().chain(reads),
        )
        .await;
        let reads = sent(&mock, &Method::GET, begun);
        assert_eq!(reads.len(), 40);
        assert!(reads.iter().all(|at| *at < millis(100)), "{reads:?}");
        let writes = mock.calls().into_iter();
        let writes = writes.filter(|call| call.method != Method::GET);
        let writes: Vec<_> = writes.map(|call| call.at - begun).collect();
        assert_eq!(writes.len(), 5);
        assert!(writes[0] < millis(100), "the first one waits for nothing");
        assert_a_second_apart(&writes);
    }
}

#[tokio::test(start_paused = true)]
async fn a_second_try_of_a_write_counts_as_one_too() {
    let mock = Mock::new(|nth, _| match nth {
        1 => answer(429, &[("retry-after", "0")], ""),
        _ => status(200),
    });
    let service = around(&mock, RetryLayer::new(writes_a_second_apart()));
    let begun = Instant::now();
    all(&service, [post(A), post(A)]).await;
    let writes = sent(&mock, &Method::POST, begun);
    assert_eq!(writes.len(), 3);
    assert_a_second_apart(&writes);
}

#[tokio::test(start_paused = true)]
async fn a_write_that_cannot_wait_is_told_when() {
    let mock = Mock::new(|_, _| status(200));
    let provider =
        Provider::new("acme").partial_quota(PartialQuota::of_writes(Quota::new(1, secs(60))));
    let layer = RetryLayer::new(provider).patience(secs(10));
    let service = around(&mock, layer);
    all(&service, [post(A)]).await;
    let begun = Instant::now();
    let error = send(&service, post(A)).await.expect_err("it has no time");
    assert!(begun.elapsed() < secs(1), "{:?}", begun.elapsed());
    let not_before: &NotBefore = error.downcast_ref().expect("when to come back");
    assert_between(not_before.wait(), secs(60), millis(300));
    assert!(not_before.scope().to_string().contains("only writes"));
    all(&service, [get(A)]).await; // reads go on
}

#[tokio::test(start_paused = true)]
async fn statuses_are_counted_as_they_come_and_the_next_call_waits() {
    let mock = Mock::new(|nth, _| match nth {
        2 | 4 | 5 => status(401),
        _ => status(200),
    });
    let layer = RetryLayer::new(three_refusals()).patience(secs(3_600));
    let service = around(&mock, layer);
    let begun = Instant::now();
    for _ in 0..6 {
        all(&service, [get(A)]).await;
    }
    let moments = offsets(&mock, begun);
    assert!(
        moments[4] < secs(1),
        "served answers do not count: {moments:?}"
    );
    assert_between(moments[5], secs(600), secs(1));
}

#[tokio::test(start_paused = true)]
async fn never_more_come_than_allowed_however_many_are_sent_at_once() {
    let mock = Mock::new(|_, _| status(403)).taking(millis(50));
    let layer = RetryLayer::new(three_refusals()).patience(secs(3_600));
    let service = around(&mock, layer);
    let begun = Instant::now();
    all(&service, (0..9).map(|_| get(A))).await;
    let moments = offsets(&mock, begun);
    for fourth in moments.windows(4) {
        assert!(fourth[3] - fourth[0] >= secs(600), "{moments:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_counted_gives_its_slot_back() {
    let mock = Mock::new(|_, _| status(200)).taking(millis(10));
    let layer = RetryLayer::new(three_refusals()).patience(secs(3_600));
    let service = around(&mock, layer);
    let begun = Instant::now();
    all(&service, (0..300).map(|_| get(A))).await;
    assert_eq!(mock.calls().len(), 300);
    assert!(
        begun.elapsed() < secs(3),
        "three at a time: {:?}",
        begun.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_invalid_requests_of_discord_are_far_away_for_the_others() {
    let mock = Mock::new(|_, _| status(200)).taking(millis(10));
    let provider = providers::discord().without_quotas();
    let service = around(&mock, RetryLayer::new(provider));
    let begun = Instant::now();
    all(&service, (0..200).map(|_| get(A))).await;
    assert!(begun.elapsed() < millis(100), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_leaves_its_wait_gives_its_turn_away() {
    let mock = Mock::new(|_, _| status(200));
    let service = around(&mock, RetryLayer::new(writes_a_second_apart()));
    all(&service, [post(A)]).await;
    let begun = Instant::now();
    let leaves = start(&service, post(A));
    tokio::time::sleep(millis(100)).await;
    leaves.abort();
    all(&service, [post(A)]).await;
    assert!(begun.elapsed() <= millis(1_300), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_refusal_of_the_scope_holds_writes_and_reads() {
    let mock = Mock::new(|nth, _| match nth {
        1 => answer(429, &[("retry-after", "30")], ""),
        _ => status(200),
    });
    let service = around(&mock, RetryLayer::new(writes_a_second_apart()));
    let begun = Instant::now();
    all(&service, [post(A), get(A), post(A)]).await;
    for moments in [
        sent(&mock, &Method::GET, begun),
        sent(&mock, &Method::POST, begun)[1..].to_vec(),
    ] {
        assert!(
            moments.iter().all(|at| at.is_zero() || *at >= secs(30)),
            "{moments:?}"
        );
    }
    assert_a_second_apart(&sent(&mock, &Method::POST, begun)[1..]);
}

#[tokio::test(start_paused = true)]
async fn what_was_not_sent_counts_for_nothing() {
    let mock = Mock::new(|nth, _| match nth {
        1 => Err(Unsent::new("kept back").into()),
        _ => status(200),
    });
    let provider =
        Provider::new("acme").partial_quota(PartialQuota::of_writes(Quota::new(1, secs(60))));
    let service = around(&mock, RetryLayer::new(provider));
    let begun = Instant::now();
    all(&service, [post(A)]).await;
    let moments = offsets(&mock, begun);
    assert_eq!(moments.len(), 2);
    assert!(moments[1] < secs(5), "{moments:?}");
}

/// One write in a minute.
fn a_write_a_minute() -> Provider {
    Provider::new("acme").partial_quota(PartialQuota::of_writes(Quota::new(1, secs(60))))
}

#[tokio::test(start_paused = true)]
async fn a_call_that_finds_its_scope_closed_when_it_is_sent_gives_its_slot_back() {
    let mock = Mock::new(|nth, _| match nth {
        1 => answer(429, &[("retry-after", "20")], ""),
        _ => status(200),
    })
    .taking(millis(100));
    let (open, _closed) = watch::channel(true);
    let sluice = Sluice {
        inner: mock.clone(),
        open: open.clone(),
    };
    let service = RetryLayer::new(a_write_a_minute()).seed(1).layer(sluice);
    let begun = Instant::now();
    let read = start(&service, get(A));
    tokio::time::sleep(millis(10)).await;
    let mut ready = service.clone();
    let write = ready.ready().await.unwrap().call(post(A));
    open.send(false).unwrap();
    let write = tokio::spawn(write);
    tokio::time::sleep(millis(200)).await;
    open.send(true).unwrap();
    write.await.unwrap().unwrap();
    read.await.unwrap().unwrap();
    assert!(begun.elapsed() < secs(60), "{:?}", offsets(&mock, begun));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_has_ended_holds_no_slot_though_its_future_lives_on() {
    let mock = Mock::new(|nth, _| match nth {
        1 => answer(429, &[("retry-after", "3600")], ""),
        _ => status(200),
    });
    let gates = Gates::new();
    let service = around(&mock, RetryLayer::new(a_write_a_minute()).gates(&gates));
    all(&service, [get(A)]).await; // refused, and the scope is closed for an hour
    let mut ready = service.clone();
    let mut ended = Box::pin(
        ServiceExt::<http::Request<Body>>::ready(&mut ready)
            .await
            .unwrap()
            .call(post(A)),
    );
    assert!((&mut ended).await.is_err(), "it cannot wait for an hour");
    gates.reopen(&Scope::origin(&A.parse().unwrap()));
    let begun = Instant::now();
    all(&service, [post(A)]).await;
    assert!(begun.elapsed() < secs(5), "{:?}", begun.elapsed());
    drop(ended);
}
