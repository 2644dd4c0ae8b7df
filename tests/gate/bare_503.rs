//! Limiters that refuse with a bare 503, as nginx does unless it is told otherwise, and servers that are broken.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::mock::{Mock, answer, status};
use crate::support::paused::*;
use http::request::Parts;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tower_backoff::policy::Provider;
use tower_backoff::{Budget, Gates, Patience, Report, Retry, RetryLayer, StopReason};

const URI: &str = "https://api.test/jobs";
const OTHER: &str = "https://api.test/other";

fn standard() -> RetryLayer {
    RetryLayer::new(Provider::new("test"))
}

/// nginx `limit_req` at its defaults: 15 calls a second, 20 more at once, and a bare 503 to all others.
fn nginx() -> Mock {
    const PER_SECOND: f64 = 15.0;
    const BURST: f64 = 20.0;
    let state = Mutex::new(None::<(Instant, f64)>);
    let script = move |_: usize, _: &Parts| {
        let mut state = state.lock().unwrap();
        let now = Instant::now();
        let excess = state.map_or(0.0, |(last, excess)| {
            let leaked = (now - last).as_secs_f64() * PER_SECOND;
            (excess - leaked + 1.0).max(0.0)
        });
        if excess > BURST {
            return status(503);
        }
        *state = Some((now, excess));
        status(200)
    };
    Mock::new(script).taking(millis(50))
}

/// Serves this many calls in a window that begins with its first call, and answers a bare 503 to all others.
fn window(limit: usize, length: Duration) -> Mock {
    let window = Mutex::new((Instant::now(), 0));
    let script = move |_: usize, _: &Parts| {
        let mut window = window.lock().unwrap();
        let now = Instant::now();
        if window.1 == 0 || now >= window.0 + length {
            *window = (now, 0);
        }
        window.1 += 1;
        status(if window.1 > limit { 503 } else { 200 })
    };
    Mock::new(script).taking(millis(50))
}

/// Drains a queue of jobs. Returns the statuses and reports of those that had one.
async fn drain(service: &Retry<Mock>, jobs: usize, workers: usize) -> Vec<(u16, Option<Report>)> {
    let left = Arc::new(Mutex::new(jobs));
    let workers: Vec<JoinHandle<Vec<_>>> = (0..workers)
        .map(|_| {
            let (service, left) = (service.clone(), Arc::clone(&left));
            tokio::spawn(async move {
                let mut ended = Vec::new();
                loop {
                    {
                        let mut left = left.lock().unwrap();
                        if *left == 0 {
                            return ended;
                        }
                        *left -= 1;
                    }
                    let outcome = send(&service, get(URI)).await;
                    ended.push((status_of(&outcome), report(&outcome).cloned()));
                }
            })
        })
        .collect();
    let mut ended = Vec::new();
    for worker in workers {
        ended.extend(worker.await.unwrap());
    }
    ended
}

fn served(ended: &[(u16, Option<Report>)]) -> usize {
    ended.iter().filter(|(status, _)| *status == 200).count()
}

#[tokio::test(start_paused = true)]
async fn no_job_is_lost_to_a_limiter_that_answers_a_bare_503() {
    for (jobs, workers) in [(290, 32), (400, 64), (100, 4)] {
        let ended = drain(&around(&nginx(), standard()), jobs, workers).await;
        let lost = ended.iter().find(|(status, _)| *status != 200);
        assert!(lost.is_none(), "{lost:?}");
        let by = |(_, report): &&(u16, Option<Report>)| {
            let by = report.as_ref().and_then(|report| report.decided_by());
            by == Some("a bare 503")
        };
        assert!(ended.iter().any(|ended| by(&ended)), "{workers} workers");
    }
}

#[tokio::test(start_paused = true)]
async fn no_job_is_lost_to_windows_that_end_in_bare_503s() {
    for (length, jobs) in [(4, 290), (10, 290), (20, 150), (60, 150)] {
        let mock = window(60, secs(length));
        let ended = drain(&around(&mock, standard()), jobs, 32).await;
        assert_eq!(served(&ended), jobs, "windows of {length} s");
    }
}

/// Answers as `nth` says to the calls of one path; the other path is served.
fn scripted(nth: impl Fn(usize) -> u16 + Send + Sync + 'static) -> Mock {
    let calls = Mutex::new(0);
    let script = move |_: usize, head: &Parts| {
        if head.uri.path() == "/other" {
            return status(200);
        }
        let mut calls = calls.lock().unwrap();
        *calls += 1;
        status(nth(*calls))
    };
    Mock::new(script).taking(millis(50))
}

/// A bare 503, two calls that are served: the next bare 503 is a refusal by a limit.
async fn teach(service: &Retry<Mock>) {
    for _ in 0..2 {
        assert_eq!(status_of(&send(service, get(URI)).await), 200);
    }
}

#[tokio::test(start_paused = true)]
async fn a_path_that_only_fails_closes_no_gate_and_ends_after_its_retries() {
    let mock = scripted(|_| 503);
    let gates = Gates::new();
    let service = around(&mock, standard().gates(&gates));
    for _ in 0..5 {
        for _ in 0..3 {
            send(&service, get(OTHER)).await.unwrap();
        }
        let outcome = send(&service, get(URI)).await;
        assert_eq!(status_of(&outcome), 503);
        let report = report(&outcome).expect("it was retried");
        assert_eq!(report.stop_reason(), Some(StopReason::RetriesExhausted));
        assert_eq!(gates.snapshot()[0].closed_by, None);
        tokio::time::sleep(secs(3)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn refusals_by_a_limit_use_up_neither_retries_nor_budget() {
    // The sixth refusal in a row would be one too many for the usual four retries.
    let mock = scripted(|nth| {
        if nth == 1 || (4..10).contains(&nth) {
            503
        } else {
            200
        }
    });
    let layer = standard()
        .max_retries(1)
        .budget(Budget::percent(0).min_retries(1));
    let service = around(&mock, layer);
    teach(&service).await;
    let begun = Instant::now();
    let outcome = send(&service, get(URI)).await;
    assert_eq!(status_of(&outcome), 200);
    let report = report(&outcome).expect("it waited");
    assert_eq!(report.decided_by(), Some("a bare 503"));
    assert_eq!(report.attempts(), 7);
    // 1, 2, 4, 8, 16 and 30 s.
    assert_between(begun.elapsed(), secs(61), millis(1_500));
}

#[tokio::test(start_paused = true)]
async fn the_wait_does_not_grow_while_calls_are_accepted_in_between() {
    let mock = scripted(|nth| if nth == 1 || nth % 3 == 0 { 503 } else { 200 });
    let service = around(&mock, standard());
    send(&service, get(URI)).await.unwrap();
    for _ in 0..20 {
        let begun = Instant::now();
        assert_eq!(status_of(&send(&service, get(URI)).await), 200);
        // Twenty closings that grow would take 30 s each in the end.
        assert!(begun.elapsed() < secs(8), "{:?}", begun.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn a_post_is_not_sent_again_but_the_others_wait() {
    let mock = scripted(|nth| if nth == 1 || nth == 4 { 503 } else { 200 });
    let gates = Gates::new();
    let service = around(&mock, standard().gates(&gates));
    let mut sent = 0;
    for _ in 0..4 {
        let outcome = send(&service, post(URI)).await;
        sent += 1;
        assert_eq!(mock.calls().len(), sent);
        let reason = report(&outcome).and_then(|report| report.stop_reason());
        let refused = status_of(&outcome) == 503;
        assert_eq!(reason, refused.then_some(StopReason::NotSafe));
    }
    assert_eq!(gates.snapshot()[0].closed_by.as_deref(), Some("a bare 503"));
    let begun = Instant::now();
    send(&service, get(OTHER)).await.unwrap();
    assert_between(begun.elapsed(), secs(1), millis(100));
}

#[tokio::test(start_paused = true)]
async fn ten_seconds_later_a_bare_503_is_a_failure_again() {
    let mock = scripted(|nth| if nth == 1 || nth > 3 { 503 } else { 200 });
    let gates = Gates::new();
    let service = around(&mock, standard().gates(&gates));
    teach(&service).await;
    tokio::time::sleep(secs(10)).await;
    let outcome = send(&service, get(URI)).await;
    let report = report(&outcome).expect("it was retried");
    assert_eq!(report.stop_reason(), Some(StopReason::RetriesExhausted));
}

#[tokio::test(start_paused = true)]
async fn an_outage_that_begins_while_calls_are_served_is_no_limit() {
    let begun = Instant::now();
    let mock = scripted(move |nth| match begun.elapsed() {
        at if at > secs(5) || nth == 100 => 503,
        _ => 200,
    });
    let gates = Gates::new();
    let service = around(&mock, standard().gates(&gates));
    let jobs = tokio::spawn(async move { drain(&service, 10_000, 16).await });
    for _ in 0..40 {
        tokio::time::sleep(millis(500)).await;
        let by = gates.snapshot()[0].closed_by.clone();
        assert_ne!(by.as_deref(), Some("a bare 503"));
    }
    assert_eq!(gates.snapshot()[0].closed_by.as_deref(), Some("an outage"));
    jobs.abort();
}

/// Once the path is not served for two minutes, the server is out, and the circuit breaker takes over.
#[tokio::test(start_paused = true)]
async fn a_limiter_behind_which_the_server_goes_out_is_an_outage_in_the_end() {
    let mock = scripted(|nth| if nth == 1 || nth > 3 { 503 } else { 200 });
    let gates = Gates::new();
    let service = around(&mock, standard().gates(&gates));
    teach(&service).await;
    let calls: Vec<_> = (0..20)
        .map(|_| {
            let mut request = get(URI);
            request.extensions_mut().insert(Patience::of(secs(600)));
            start(&service, request)
        })
        .collect();
    tokio::time::sleep(secs(200)).await;
    assert_eq!(gates.snapshot()[0].closed_by.as_deref(), Some("an outage"));
    calls.iter().for_each(JoinHandle::abort);
}

#[tokio::test(start_paused = true)]
async fn the_head_of_a_bare_503_closes_the_gate_before_its_body_is_judged() {
    let mock = scripted(|nth| if nth == 1 || nth == 4 { 503 } else { 200 });
    let layer = RetryLayer::new(Provider::new("test").final_codes(["BROKE"]));
    let service = around(&mock, layer);
    teach(&service).await;
    let begun = Instant::now();
    let outcome = send(&service, get(URI)).await;
    let report = report(&outcome).expect("it waited");
    assert_eq!(report.decided_by(), Some("a bare 503"));
    assert_between(begun.elapsed(), secs(1), millis(200));
}

#[tokio::test(start_paused = true)]
async fn a_503_that_is_declared_a_limit_is_retried_by_patience_alone() {
    let refuses = |_: usize, _: &Parts| answer(503, &[], "");
    let provider = Provider::new("test").throttled_on([503], secs(2));
    let mock = Mock::new(refuses).taking(millis(50));
    let layer = RetryLayer::new(provider).max_retries(1).patience(secs(40));
    let begun = Instant::now();
    let outcome = send(&around(&mock, layer), get(URI)).await;
    let report = report(&outcome).expect("it waited");
    assert_eq!(report.stop_reason(), Some(StopReason::PatienceExceeded));
    // At 0, 2, 6 and 14 s; the next would be sent at 30 s, and the one after that at 62 s.
    let sent = offsets(&mock, begun);
    assert_eq!(sent.len(), 5, "{sent:?}");
    assert_between(sent[1], secs(2), millis(200));
    assert_between(sent[4], secs(30), secs(1));
}
