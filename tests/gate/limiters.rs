//! Rate limiters as other projects wrote them, in virtual time: how they count, and what they say.

use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use crate::support::mock::{Answer, Mock, answer};
use crate::support::paused::*;
use http::request::Parts;
use tokio::time::Instant;
use tower_backoff::policy::Provider;
use tower_backoff::{Gates, RetryLayer, Scope};

const URI: &str = "https://api.test/";
const LIMIT: usize = 60;

/// What came of a queue of jobs.
#[derive(Debug)]
struct Drained {
    served: usize,
    refused: usize,
    took: Duration,
}

/// Drains a number of jobs with a number of workers.
async fn drain(mock: &Mock, jobs: usize, workers: usize) -> Drained {
    let service = around(mock, RetryLayer::new(Provider::new("limiters")));
    let (begun, left) = (Instant::now(), Arc::new(Mutex::new(jobs)));
    let workers: Vec<_> = (0..workers)
        .map(|_| {
            let (service, left) = (service.clone(), Arc::clone(&left));
            tokio::spawn(async move {
                let mut served = 0;
                loop {
                    {
                        let mut left = left.lock().unwrap();
                        if *left == 0 {
                            return served;
                        }
                        *left -= 1;
                    }
                    let answer = send(&service, get(URI)).await;
                    served += usize::from(answer.is_ok_and(|answer| answer.status() == 200));
                }
            })
        })
        .collect();
    let mut served = 0;
    for worker in workers {
        served += worker.await.unwrap();
    }
    let took = begun.elapsed();
    let refused = mock.calls().len() - served;
    Drained {
        served,
        refused,
        took,
    }
}

/// All jobs are done, in little more than the least time, with few refusals.
#[track_caller]
fn assert_good(drained: &Drained, jobs: usize, least: Duration) {
    assert_eq!(drained.served, jobs, "{drained:?}");
    assert!(drained.took <= least.mul_f64(1.25), "{drained:?}");
    assert!(drained.refused * 10 <= jobs * 6, "{drained:?}");
}

/// Windows that begin with the first call after the last one ended, or with the clock.
fn window(length: Duration, aligned: bool, says: Says) -> Mock {
    let begun = Instant::now();
    let window = Mutex::new((begun, 0));
    let script = move |_: usize, _: &Parts| {
        let now = Instant::now();
        let mut window = window.lock().unwrap();
        if now >= window.0 + length || window.1 == 0 {
            let since = now - begun;
            let aligned_since = Duration::from_nanos(
                (since.as_nanos() / length.as_nanos() * length.as_nanos()) as u64,
            );
            *window = (begun + if aligned { aligned_since } else { since }, 0);
        }
        window.1 += 1;
        let ends = window.0 + length - begun;
        says(window.1, ends, now - begun)
    };
    Mock::new(script).taking(millis(50))
}

/// What it says to the nth call of a window that ends then, now.
type Says = fn(usize, Duration, Duration) -> Answer;

fn seconds_up(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

fn epoch(at: Duration) -> u64 {
    seconds_up(noon().duration_since(UNIX_EPOCH).unwrap() + at)
}

/// Laravel's own throttle: a served answer says what is left, and not for how long.
fn laravel(nth: usize, ends: Duration, now: Duration) -> Answer {
    let left = LIMIT.saturating_sub(nth).to_string();
    let limit = LIMIT.to_string();
    let mut headers = vec![
        ("x-ratelimit-limit", &*limit),
        ("x-ratelimit-remaining", &*left),
    ];
    let (wait, reset) = (seconds_up(ends - now).to_string(), epoch(ends).to_string());
    if nth > LIMIT {
        headers.extend([("retry-after", &*wait), ("x-ratelimit-reset", &*reset)]);
        return answer(429, &headers, r#"{"message":"Too Many Attempts."}"#);
    }
    answer(200, &headers, "")
}

/// rack-attack as its README sets it up: only a refusal speaks, of a window that the clock began.
fn rack_attack(nth: usize, ends: Duration, _: Duration) -> Answer {
    if nth <= LIMIT {
        return answer(200, &[], "");
    }
    let (limit, reset) = (LIMIT.to_string(), epoch(ends).to_string());
    let headers = [
        ("ratelimit-limit", &*limit),
        ("ratelimit-remaining", "0"),
        ("ratelimit-reset", &*reset),
    ];
    answer(429, &headers, "Throttled\n")
}

#[tokio::test(start_paused = true)]
async fn a_counter_without_a_reset_is_spent_window_by_window() {
    for (jobs, workers, windows) in [(200, 32, 3), (300, 64, 4), (120, 8, 1)] {
        let mock = window(secs(60), false, laravel);
        let drained = drain(&mock, jobs, workers).await;
        assert_good(&drained, jobs, secs(60) * windows);
    }
    let drained = drain(&window(secs(4), false, laravel), 290, 32).await;
    assert_good(&drained, 290, secs(16));
}

#[tokio::test(start_paused = true)]
async fn where_only_refusals_name_the_end_of_aligned_windows_they_are_spent_one_by_one() {
    for into_the_minute in [0, 20, 50] {
        let mock = window(secs(60), true, rack_attack);
        tokio::time::sleep(secs(into_the_minute)).await;
        let drained = drain(&mock, 300, 32).await;
        // The first window and the last may be short.
        assert_good(&drained, 300, secs(240));
    }
}

#[tokio::test(start_paused = true)]
async fn a_gate_is_reopened_whatever_has_closed_it() {
    let mock = Mock::new(|nth, _| {
        let headers = [
            ("x-ratelimit-limit", "60"),
            ("x-ratelimit-remaining", "0"),
            ("x-ratelimit-reset", "7200"),
        ];
        answer(200, if nth == 1 { &headers } else { &[] }, "")
    });
    let gates = Gates::new();
    let layer = RetryLayer::new(Provider::new("limiters")).gates(&gates);
    let service = around(&mock, layer);
    send(&service, get(URI)).await.unwrap();
    assert!(gates.snapshot()[0].closed_for.is_some());
    let waiting = start(&service, patient(get(URI)));
    tokio::time::sleep(secs(1)).await;
    let begun = Instant::now();
    gates.reopen(&Scope::origin(&URI.parse().unwrap()));
    waiting.await.unwrap().unwrap();
    assert_eq!(begun.elapsed(), Duration::ZERO);
    assert_eq!(gates.snapshot()[0].closed_for, None);
}

fn patient(mut request: http::Request<Body>) -> http::Request<Body> {
    let ever = tower_backoff::Patience::of(secs(400 * 24 * 60 * 60));
    request.extensions_mut().insert(ever);
    request
}

/// How long the second call waits if the first one's answer says that all is spent for so long.
async fn waits_after(status: u16, resets_in: u64, max_cooldown: Option<Duration>) -> Duration {
    let mock = Mock::new(move |nth, _| {
        let resets_in = resets_in.to_string();
        let headers = [
            ("x-ratelimit-limit", "60"),
            ("x-ratelimit-remaining", "0"),
            ("x-ratelimit-reset", &*resets_in),
        ];
        match nth {
            1 => answer(status, &headers, ""),
            _ => answer(200, &[], ""),
        }
    });
    let layer = RetryLayer::new(Provider::new("limiters"));
    let layer = match max_cooldown {
        Some(longest) => layer.max_cooldown(longest),
        None => layer,
    };
    let service = around(&mock, layer);
    let begun = Instant::now();
    for _ in 0..2 {
        send(&service, patient(get(URI))).await.unwrap();
    }
    begun.elapsed()
}

#[tokio::test(start_paused = true)]
async fn a_reset_on_a_served_answer_is_believed_for_25_hours() {
    const HOUR: u64 = 3_600;
    let days = |days: u64| secs(days * 24 * HOUR);
    for (status, named, max_cooldown, least) in [
        (200, 20 * HOUR, None, secs(20 * HOUR)),
        (200, 358 * 24 * HOUR, None, secs(25 * HOUR)),
        (404, 358 * 24 * HOUR, None, secs(25 * HOUR)),
        (200, 358 * 24 * HOUR, Some(days(30)), days(30)),
        (200, 358 * 24 * HOUR, Some(secs(600)), secs(600)),
        (429, 358 * 24 * HOUR, None, days(358)),
        (429, 358 * 24 * HOUR, Some(secs(600)), secs(600)),
    ] {
        let waited = waits_after(status, named, max_cooldown).await;
        assert_between(waited, least, secs(1));
    }
}

/// Serves every call but the nth, which it refuses.
fn refuses_only(nth: usize, status: u16, wait: &'static str) -> Mock {
    let script = move |call, _: &Parts| match call == nth {
        true => answer(status, &[("retry-after", wait)], ""),
        false => answer(200, &[], ""),
    };
    Mock::new(script).taking(millis(50))
}

#[tokio::test(start_paused = true)]
async fn one_refusal_in_a_quiet_minute_teaches_no_window_of_a_minute() {
    // A refusal that is no limit teaches nothing, though no call rested before it.
    for (status, before, every) in [
        (429, 5, 10_000),
        (503, 5, 10_000),
        (429, 25, 2_000),
        (503, 5, 900),
    ] {
        let mock = refuses_only(before + 1, status, "3");
        let service = around(&mock, RetryLayer::new(Provider::new("limiters")));
        for _ in 0..before {
            send(&service, get(URI)).await.unwrap();
            tokio::time::sleep(millis(every)).await;
        }
        let begun = Instant::now();
        let refused = start(&service, get(URI));
        // They come when the refusal is here: none of them shows that a window holds more.
        tokio::time::sleep(millis(100)).await;
        let calls: Vec<_> = (0..60).map(|_| start(&service, get(URI))).collect();
        for call in calls.into_iter().chain([refused]) {
            assert_eq!(status_of(&call.await.unwrap()), 200);
        }
        let took = begun.elapsed();
        assert!(took < secs(8), "{status} after {before}: {took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_keeps_calls_is_shown_by_the_gate_and_told_by_the_report() {
    let mock = refuses_only(1, 429, "3");
    let gates = Gates::new();
    let layer = RetryLayer::new(Provider::new("limiters")).gates(&gates);
    let service = around(&mock, layer);
    let first = start(&service, get(URI));
    tokio::time::sleep(secs(1)).await;
    let calls: Vec<_> = (0..5).map(|_| start(&service, get(URI))).collect();
    let shown = || gates.snapshot()[0].closed_by.clone();
    tokio::time::sleep(secs(1)).await;
    assert_eq!(shown().as_deref(), Some("retry-after"));
    tokio::time::sleep(millis(1_070)).await;
    assert_eq!(shown().as_deref(), Some("the slow start after a refusal"));
    for call in calls.into_iter().chain([first]) {
        let outcome = call.await.unwrap();
        let report = report(&outcome).expect("it waited");
        assert_eq!(report.decided_by(), Some("retry-after"), "{report}");
    }
    assert_eq!(shown(), None);
}

#[tokio::test(start_paused = true)]
async fn one_reset_that_lies_a_day_away_does_not_outlast_the_answers_that_name_a_minute() {
    let begun = Instant::now();
    let counts = Mutex::new((0, 0));
    let script = move |nth: usize, _: &Parts| {
        let since = begun.elapsed().as_secs();
        let mut counts = counts.lock().unwrap();
        if counts.0 != since / 60 {
            *counts = (since / 60, 0);
        }
        counts.1 += 1;
        let left = LIMIT.saturating_sub(counts.1).to_string();
        let resets_in = if nth == 1 { 86_400 } else { 60 - since % 60 }.to_string();
        let headers = [
            ("x-ratelimit-limit", "60"),
            ("x-ratelimit-remaining", &*left),
            ("x-ratelimit-reset", &*resets_in),
        ];
        answer(if counts.1 > LIMIT { 429 } else { 200 }, &headers, "")
    };
    let mock = Mock::new(script).taking(millis(50));
    let drained = drain(&mock, 200, 4).await;
    assert_good(&drained, 200, secs(240));
}
