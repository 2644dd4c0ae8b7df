//! A wall clock that is set while calls wait, and servers whose clock or counters are wrong: no deadline moves, and
//! no caller waits for ever.

use std::sync::Mutex;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::support::mock::{Mock, answer, status};
use crate::support::paused::*;
use tokio::time::Instant;
use tower::Layer;
use tower_backoff::policy::Provider;
use tower_backoff::{Clock, Gates, Patience, Quota, Retry, RetryLayer};

const URI: &str = "https://api.test/";
const HOUR: Duration = Duration::from_secs(3_600);

/// What the wall clock is set to at ten past noon, in seconds.
fn jumps() -> [SystemTime; 6] {
    let ten_past = noon() + secs(10);
    [
        ten_past,
        ten_past - HOUR,
        ten_past + HOUR,
        UNIX_EPOCH,
        UNIX_EPOCH + secs(4_294_967_296),
        UNIX_EPOCH + secs(253_402_300_800),
    ]
}

/// A service whose wall clock is set ten seconds from now.
fn jumping(mock: &Mock, layer: RetryLayer, to: SystemTime) -> Retry<Mock> {
    let clock = Clock::starting_at(noon()).jumping_to(to, secs(10));
    layer.clock(clock).seed(1).layer(mock.clone())
}

fn layer() -> RetryLayer {
    RetryLayer::new(Provider::new("clock"))
}

#[tokio::test(start_paused = true)]
async fn a_gate_that_is_shut_opens_when_it_was_said_whatever_the_clock_says_by_then() {
    let waits = [
        ("retry-after", "40"),
        ("retry-after", "Mon, 02 Mar 2026 12:00:40 GMT"),
        ("x-ratelimit-reset", "1772452840"),
        ("x-ratelimit-reset", "2026-03-02T12:00:40Z"),
    ];
    for (name, value) in waits {
        for jump in jumps() {
            let mock = Mock::new(move |nth, _| match nth {
                1 => answer(429, &[(name, value)], ""),
                _ => status(200),
            });
            let gates = Gates::new();
            let service = jumping(&mock, layer().gates(&gates), jump);
            let begun = Instant::now();
            let calls: Vec<_> = (0..100).map(|_| start(&service, get(URI))).collect();
            tokio::time::sleep(secs(20)).await;
            let closed_for = gates.snapshot()[0].closed_for.expect("it is closed");
            assert_between(closed_for, secs(20), millis(400));
            for call in calls {
                assert_eq!(status_of(&call.await.unwrap()), 200);
            }
            let sent = offsets(&mock, begun);
            assert_eq!(sent[0], secs(0));
            assert_between(sent[1], secs(40), millis(410));
            assert!(sent[100] < secs(50), "{name}: {:?}", sent[100]);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn quotas_and_patience_do_not_look_at_the_wall_clock() {
    for jump in jumps() {
        let mock = Mock::new(|_, _| status(200));
        let provider = Provider::new("clock").quota(Quota::per_minute(10));
        let service = jumping(&mock, RetryLayer::new(provider), jump);
        let begun = Instant::now();
        let calls: Vec<_> = (0..20).map(|_| start(&service, get(URI))).collect();
        for call in calls {
            call.await.unwrap().unwrap();
        }
        let sent = offsets(&mock, begun);
        assert_eq!(sent[9], secs(0));
        assert_between(sent[10], secs(60), secs(1));

        let hanging = Mock::new(|_, _| status(200)).taking(HOUR);
        let provider = Provider::new("clock").quota(Quota::concurrent(1));
        let service = jumping(&hanging, RetryLayer::new(provider), jump);
        let _hanging = start(&service, get(URI));
        tokio::task::yield_now().await;
        let begun = Instant::now();
        let mut hasty = get(URI);
        hasty.extensions_mut().insert(Patience::of(secs(30)));
        send(&service, hasty)
            .await
            .expect_err("no call gets through");
        assert_between(begun.elapsed(), secs(30), millis(20));
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_server_says_after_the_jump_is_read_by_its_own_clock() {
    for jump in jumps() {
        let mock = Mock::new(|nth, _| match nth {
            2 => answer(
                429,
                &[
                    ("date", "Mon, 02 Mar 2026 12:00:20 GMT"),
                    ("retry-after", "Mon, 02 Mar 2026 12:00:50 GMT"),
                ],
                "",
            ),
            _ => status(200),
        });
        let service = jumping(&mock, layer(), jump);
        let begun = Instant::now();
        send(&service, get(URI)).await.unwrap();
        tokio::time::sleep(secs(20)).await;
        send(&service, get(URI)).await.unwrap();
        assert_between(begun.elapsed(), secs(50), millis(310));
    }
}

/// How long a call waits that is refused so, by this clock, if the server does not say what time it has.
async fn refused_with(reset: &'static str, clock: SystemTime) -> Duration {
    let mock = Mock::new(move |nth, _| match nth {
        1 => answer(429, &[("x-ratelimit-reset", reset)], ""),
        _ => status(200),
    });
    let layer = layer().patience(HOUR * 2).clock(Clock::starting_at(clock));
    let service = layer.seed(1).layer(mock.clone());
    let begun = Instant::now();
    assert_eq!(status_of(&send(&service, get(URI)).await), 200);
    begun.elapsed()
}

#[tokio::test(start_paused = true)]
async fn a_reset_is_over_for_a_fast_clock_and_far_away_for_a_slow_one() {
    // At ten past noon.
    const RESET: &str = "1772453400";
    let (fast, slow) = (noon() + HOUR, noon() - HOUR);
    assert_between(refused_with(RESET, noon()).await, secs(600), secs(1));
    assert_between(refused_with(RESET, slow).await, secs(600) + HOUR, secs(1));
    // Over by an hour it says nothing about when to come back: the floor of a bare refusal holds.
    assert_between(refused_with(RESET, fast).await, secs(60), secs(1));
    // Over by a second it was cut or rounded: only the call's own backoff is left, which grows.
    let just_fast = noon() + secs(601);
    assert_between(refused_with(RESET, just_fast).await, millis(50), secs(1));
}

/// Allows 20 calls a minute, and says in a refusal when the minute ends, by a clock of its own without a `Date`.
fn by_its_own_clock(header: &'static str, begun: Instant) -> Mock {
    let served = Mutex::new((0, 0));
    Mock::new(move |_, _| {
        let minute = begun.elapsed().as_secs() / 60;
        let mut served = served.lock().unwrap();
        if served.0 != minute {
            *served = (minute, 0);
        }
        served.1 += 1;
        if served.1 <= 20 {
            return status(200);
        }
        let since_noon = (minute + 1) * 60;
        let end = match header {
            "retry-after" => format!("Mon, 02 Mar 2026 12:{:02}:00 GMT", since_noon / 60),
            _ => (1_772_452_800 + since_noon).to_string(),
        };
        answer(429, &[(header, &end)], "")
    })
    .taking(millis(20))
}

#[tokio::test(start_paused = true)]
async fn three_hundred_callers_whose_clock_is_two_minutes_fast_do_not_hammer_the_server() {
    for header in ["retry-after", "x-ratelimit-reset"] {
        let begun = Instant::now();
        let mock = by_its_own_clock(header, begun);
        let fast = Clock::starting_at(noon() + secs(120));
        let service = layer().clock(fast).seed(1).layer(mock.clone());
        let calls: Vec<_> = (0..300).map(|_| start(&service, get(URI))).collect();
        tokio::time::sleep(secs(300)).await;
        let sent = offsets(&mock, begun);
        let served = minutes(&sent).map(|(_, sent)| sent.min(20)).sum::<usize>();
        assert!(
            sent.len() - served <= 300,
            "{header}: {} of {}",
            sent.len() - served,
            sent.len()
        );
        // In no minute a call is sent once a refusal has named its end.
        for (minute, _) in minutes(&sent) {
            let within: Vec<_> = sent
                .iter()
                .filter(|at| at.as_secs() / 60 == minute)
                .collect();
            let named = within.get(20).map(|refused| **refused + millis(21));
            let early = within.iter().filter(|at| Some(***at) > named).count();
            assert!(
                named.is_none() || early == 0,
                "{header}: {early} in minute {minute}"
            );
        }
        calls.iter().for_each(|call| call.abort());
    }
}

/// How many calls were sent in each minute in which any were.
fn minutes(sent: &[Duration]) -> impl Iterator<Item = (u64, usize)> {
    let mut counts = std::collections::BTreeMap::new();
    sent.iter()
        .for_each(|at| *counts.entry(at.as_secs() / 60).or_insert(0) += 1);
    counts.into_iter()
}

#[tokio::test(start_paused = true)]
async fn a_reset_that_nobody_can_mean_is_no_hint() {
    for nonsense in ["-5", "4294967296", "99999999999999999999", "soon"] {
        let waited = refused_with(nonsense, noon()).await;
        assert_between(waited, secs(60), secs(1));
    }
}

/// Counters of served answers, by the number of the call: limit, remaining, reset.
type Counters = fn(usize) -> [String; 3];

#[tokio::test(start_paused = true)]
async fn counters_that_cannot_be_true_hold_nobody_up() {
    let wrong: [(&str, Counters); 9] = [
        ("a reset in the past", |nth| {
            counters(50, 50 - nth as i64 % 50, "1577836800")
        }),
        ("a reset in 2106", |nth| {
            counters(50, 50 - nth as i64 % 50, "4294967296")
        }),
        ("spent until 2106", |_| counters(50, 0, "4294967296")),
        ("spent until the past", |_| counters(50, 0, "1577836800")),
        ("a negative counter", |_| counters(50, -3, "30")),
        ("a negative reset", |_| counters(50, 0, "-30")),
        ("more than there is", |_| counters(50, 5_000_000_000, "30")),
        ("growing without a reset", |nth| {
            counters(50, nth as i64 % 51, "30")
        }),
        ("a limit that is negative", |_| counters(-1, 10, "30")),
    ];
    for (what, counters) in wrong {
        let mock = Mock::new(move |nth, _| {
            let [limit, remaining, reset] = counters(nth);
            let headers = [
                ("x-ratelimit-limit", &*limit),
                ("x-ratelimit-remaining", &*remaining),
                ("x-ratelimit-reset", &*reset),
            ];
            answer(200, &headers, "")
        })
        .taking(millis(10));
        let gates = Gates::new();
        let service = around(&mock, layer().patience(HOUR).gates(&gates));
        let begun = Instant::now();
        let calls: Vec<_> = (0..200).map(|_| start(&service, get(URI))).collect();
        for call in calls {
            assert_eq!(status_of(&call.await.unwrap()), 200, "{what}");
        }
        // The counters of fifty at a time in half a minute are believed, if at all.
        let took = begun.elapsed();
        assert!(took <= secs(200), "{what}: {took:?}");
        let [gate] = gates.snapshot().try_into().expect("one gate");
        assert_eq!((gate.waiting, gate.in_flight), (0, 0), "{what}");
    }
}

fn counters(limit: i64, remaining: i64, reset: &str) -> [String; 3] {
    [limit.to_string(), remaining.to_string(), reset.to_owned()]
}
