//! Which of the waiting calls goes first, and what is kept for urgent ones.

use std::time::Duration;

use crate::support::mock::{Mock, status};
use crate::support::paused::*;
use http::Request;
use tokio::time::Instant;
use tower_backoff::policy::Provider;
use tower_backoff::{Gates, Patience, Priority, Quota, RetryLayer};

/// Long enough that no call of these tests gives up.
const PATIENT: Patience = Patience::of(Duration::from_secs(3_600));

fn layer(quota: Quota) -> RetryLayer {
    RetryLayer::new(Provider::new("test").quota(quota)).max_waiting(usize::MAX)
}

fn serves_all() -> Mock {
    Mock::new(|_, _| status(200)).taking(millis(5))
}

fn call(priority: Priority) -> Request<Body> {
    let mut request = get(&format!("https://api.test/{priority:?}"));
    request.extensions_mut().insert(priority);
    request.extensions_mut().insert(PATIENT);
    request
}

/// The priorities of the calls in the order in which they were sent.
fn order(mock: &Mock) -> Vec<char> {
    let calls = mock.calls();
    let paths = calls.iter().map(|call| call.uri.path());
    paths.filter_map(|path| path.chars().nth(1)).collect()
}

#[tokio::test(start_paused = true)]
async fn an_urgent_call_waits_for_one_slot_behind_a_backlog() {
    // One call in some 11 ms: 99 in a second that is longer by an eighth.
    let quota = Quota::per_second(100).paced();
    let mock = serves_all();
    let service = around(&mock, layer(quota));
    let backlog: Vec<_> = (0..10_000)
        .map(|_| start(&service, call(Priority::Background)))
        .collect();
    tokio::time::sleep(secs(3)).await;
    for _ in 0..100 {
        let begun = Instant::now();
        send(&service, call(Priority::Urgent)).await.unwrap();
        // One slot of its own and one of a call in the background, whose turn it may be, and 5 ms for the answer.
        assert!(begun.elapsed() < millis(40), "{:?}", begun.elapsed());
        tokio::time::sleep(millis(137)).await;
    }
    for call in backlog {
        assert_eq!(call.await.unwrap().unwrap().status(), 200);
    }
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_urgent_calls_leaves_each_other_priority_a_tenth() {
    let mock = serves_all();
    let service = around(&mock, layer(Quota::per_second(10)));
    let mut calls = Vec::new();
    for priority in [Priority::Background, Priority::Normal, Priority::Urgent] {
        calls.extend((0..400).map(|_| start(&service, call(priority))));
    }
    tokio::time::sleep(secs(30)).await;
    let sent = order(&mock);
    // What was sent while nothing kept the calls does not count.
    let sent = &sent[10..];
    let share = |of: char| sent.iter().filter(|sent| **sent == of).count() * 100 / sent.len();
    assert!((9..=11).contains(&share('B')), "{} %", share('B'));
    assert!((9..=11).contains(&share('N')), "{} %", share('N'));
    calls.iter().for_each(|call| call.abort());
}

#[tokio::test(start_paused = true)]
async fn within_a_priority_calls_go_in_order_of_arrival() {
    let mock = serves_all();
    let service = around(&mock, layer(Quota::per_second(1)));
    send(&service, call(Priority::Normal)).await.unwrap();
    let mut calls = Vec::new();
    for nth in 0..15 {
        let priority = [Priority::Background, Priority::Urgent, Priority::Normal][nth % 3];
        let mut request = call(priority);
        *request.uri_mut() = format!("https://api.test/{priority:?}/{nth}")
            .parse()
            .unwrap();
        calls.push(start(&service, request));
        tokio::time::sleep(millis(1)).await;
    }
    for call in calls {
        call.await.unwrap().unwrap();
    }
    let numbers = |of: &str| -> Vec<usize> {
        let calls = mock.calls();
        let paths = calls
            .iter()
            .filter_map(|call| call.uri.path().strip_prefix(of));
        paths.map(|nth| nth.parse().unwrap()).collect()
    };
    assert_eq!(numbers("/Urgent/"), [1, 4, 7, 10, 13]);
    assert_eq!(numbers("/Normal/"), [2, 5, 8, 11, 14]);
    assert_eq!(numbers("/Background/"), [0, 3, 6, 9, 12]);
    let sent: String = order(&mock).into_iter().collect();
    // Each lower priority has been passed over nine times when its turn comes.
    assert_eq!(sent, "NUUUUUNNNNBNBBBB");
}

#[tokio::test(start_paused = true)]
async fn a_refused_call_keeps_its_priority() {
    let mock = Mock::new(|nth, _| match nth {
        1 | 2 => crate::support::mock::answer(429, &[("retry-after", "2")], ""),
        _ => status(200),
    })
    .taking(millis(5));
    let service = around(&mock, RetryLayer::new(Provider::new("test").cold_start(1)));
    let background: Vec<_> = (0..5)
        .map(|_| start(&service, call(Priority::Background)))
        .collect();
    tokio::time::sleep(millis(100)).await;
    let urgent = start(&service, call(Priority::Urgent));
    urgent.await.unwrap().unwrap();
    for call in background {
        call.await.unwrap().unwrap();
    }
    // The first one and its refusal, the urgent one and its refusal, and then that one goes first again.
    let sent: String = order(&mock).into_iter().collect();
    assert_eq!(sent, "BUUBBBBB");
}

#[tokio::test(start_paused = true)]
async fn a_part_of_a_quota_is_kept_for_urgent_calls() {
    for quota in [
        Quota::per_minute(10).reserved_for_urgent(3),
        Quota::concurrent(10).reserved_for_urgent(3),
    ] {
        let mock = Mock::new(|_, _| status(200)).taking(secs(20));
        let gates = Gates::new();
        let service = around(&mock, layer(quota).gates(&gates));
        let mut calls: Vec<_> = (0..20)
            .map(|_| start(&service, call(Priority::Normal)))
            .collect();
        tokio::time::sleep(secs(1)).await;
        assert_eq!(mock.calls().len(), 7, "{quota:?}");
        calls.extend((0..5).map(|_| start(&service, call(Priority::Urgent))));
        tokio::time::sleep(secs(1)).await;
        let sent: String = order(&mock).into_iter().collect();
        assert_eq!(sent, "NNNNNNNUUU", "{quota:?}");
        calls.iter().for_each(|call| call.abort());
        tokio::task::yield_now().await;
        assert_nobody_is_left(&gates);
    }
}
