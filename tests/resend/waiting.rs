//! When a call goes again: callers and a server in virtual time.

use std::time::Duration;

use crate::support::mock::{Mock, answer, status};
use crate::support::paused::*;
use tokio::time::Instant;
use tower_backoff::policy::Provider;
use tower_backoff::{Backoff, Gates, Jitter, NotBefore, Patience, RetryLayer, Scope, StopReason};

const API: &str = "https://api.test/v1/things?key=secret";

fn standard() -> RetryLayer {
    RetryLayer::new(Provider::new("test"))
}

/// A server that refuses `refusals` times with these headers and serves from then on.
fn refusing(refusals: usize, code: u16, headers: &'static [(&str, &str)]) -> Mock {
    Mock::new(move |nth, _| {
        if nth <= refusals {
            answer(code, headers, "{}")
        } else {
            status(200)
        }
    })
}

#[tokio::test(start_paused = true)]
async fn a_first_try_that_succeeds_is_sent_once_and_carries_no_report() {
    let mock = refusing(0, 429, &[]);
    let outcome = send(&around(&mock, standard()), get(API)).await;
    assert_eq!(status_of(&outcome), 200);
    assert!(report(&outcome).is_none());
    assert_eq!(mock.calls().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_retry_waits_as_long_as_the_server_asks() {
    let mock = refusing(1, 429, &[("retry-after", "7")]);
    let start = Instant::now();
    let outcome = send(&around(&mock, standard()), get(API)).await;
    assert_eq!(status_of(&outcome), 200);
    assert_between(offsets(&mock, start)[1], secs(7), millis(71));
    let report = report(&outcome).expect("something happened");
    assert_eq!(report.attempts(), 2);
    assert_eq!(report.decided_by(), Some("retry-after"));
    assert!(report.waited() >= secs(7));
}

#[tokio::test(start_paused = true)]
async fn a_post_that_was_refused_with_429_is_sent_again_with_its_body() {
    let mock = refusing(1, 429, &[("retry-after", "1")]);
    let outcome = send(&around(&mock, standard()), post(API)).await;
    assert_eq!(status_of(&outcome), 200);
    assert_eq!(mock.calls().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_bare_429_waits_at_least_60_seconds() {
    let mock = refusing(1, 429, &[]);
    let start = Instant::now();
    let outcome = send(&around(&mock, standard()), get(API)).await;
    assert_between(offsets(&mock, start)[1], secs(60), secs(1));
    assert_eq!(report(&outcome).unwrap().decided_by(), Some("a bare 429"));
}

#[tokio::test(start_paused = true)]
async fn sixty_four_bare_refusals_at_once_shut_for_60_to_61_seconds() {
    let mock = refusing(64, 429, &[]).taking(millis(20));
    let service = around(&mock, standard());
    let start = Instant::now();
    let calls = (0..64).map(|_| send(&service, get(API)));
    let outcomes = futures_util::future::join_all(calls).await;
    assert!(outcomes.iter().all(|outcome| status_of(outcome) == 200));
    let sent = offsets(&mock, start);
    assert_eq!(sent.len(), 128);
    assert_between(sent[64], secs(60), secs(1));
}

#[tokio::test(start_paused = true)]
async fn after_a_cooldown_one_probe_goes_first_and_rounds_double() {
    let mock = refusing(64, 429, &[("retry-after", "10")]).taking(millis(50));
    let service = around(&mock, standard());
    let calls = (0..64).map(|_| send(&service, get(API)));
    futures_util::future::join_all(calls).await;
    let again: Vec<_> = mock.calls()[64..].iter().map(|call| call.at).collect();
    let mut rounds: Vec<(Instant, usize)> = Vec::new();
    for at in again {
        match rounds.last_mut() {
            Some((last, count)) if *last == at => *count += 1,
            _ => rounds.push((at, 1)),
        }
    }
    let sizes: Vec<_> = rounds.iter().map(|(_, count)| *count).collect();
    assert_eq!(sizes, [1, 2, 4, 8, 16, 32, 1], "no stampede");
}

#[tokio::test(start_paused = true)]
async fn bare_waits_grow_per_closing_when_the_probe_is_refused_again() {
    let mock = refusing(3, 429, &[]);
    let start = Instant::now();
    let service = around(&mock, standard().patience(secs(3_600)));
    send(&service, get(API)).await.unwrap();
    let sent = offsets(&mock, start);
    let waits: Vec<_> = sent
        .windows(2)
        .map(|pair| (pair[1] - pair[0]).as_secs())
        .collect();
    assert_eq!(waits, [60, 120, 240]);
}

#[tokio::test(start_paused = true)]
async fn one_bare_429_stops_every_other_caller_of_its_scope_and_none_of_another() {
    let mock = refusing(1, 429, &[]);
    let service = around(&mock, standard());
    let begun = Instant::now();
    let refused = start(&service, get(API));
    tokio::time::sleep(secs(1)).await;
    let same = send(&service, get("https://API.test:443/v2/other")).await;
    assert_eq!(status_of(&same), 200);
    let after_same = begun.elapsed();
    let other = send(&service, get("https://other.test/")).await;
    assert_eq!(status_of(&other), 200);
    refused.await.unwrap().unwrap();
    assert!(after_same >= secs(60));

    let begun = Instant::now();
    let mock = Mock::new(|nth, _| if nth == 1 { status(429) } else { status(200) });
    let service = around(&mock, standard());
    let blocked = start(&service, get(API));
    tokio::time::sleep(secs(1)).await;
    send(&service, get("https://other.test/")).await.unwrap();
    assert_eq!(begun.elapsed(), secs(1), "another scope is not delayed");
    blocked.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn all_clones_of_the_layer_share_the_gate() {
    let mock = refusing(1, 429, &[("retry-after", "30")]);
    let layer = standard();
    let one = around(&mock, layer.clone());
    let two = around(&mock, layer);
    let start = Instant::now();
    let first = tokio::spawn(async move { send(&one, get(API)).await.map(|_| ()) });
    tokio::time::sleep(secs(1)).await;
    send(&two, get(API)).await.unwrap();
    assert!(start.elapsed() >= secs(30));
    first.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn retry_after_zero_for_ever_makes_no_loop() {
    let mock = refusing(usize::MAX, 429, &[("retry-after", "0")]);
    let start = Instant::now();
    let outcome = send(&around(&mock, standard()), get(API)).await;
    assert_eq!(status_of(&outcome), 429);
    assert!(start.elapsed() <= secs(300));
    let requests = mock.calls().len();
    assert!(
        (5..=30).contains(&requests),
        "{requests} requests in 5 minutes"
    );
}

#[tokio::test(start_paused = true)]
async fn a_malformed_retry_after_is_not_zero_but_a_bare_429() {
    for nonsense in ["", "-1", "soon", "inf", "1e3", "١٢", "+5"] {
        let mock = Mock::new(move |nth, _| match nth {
            1 => answer(429, &[("retry-after", nonsense)], ""),
            _ => status(200),
        });
        let start = Instant::now();
        send(&around(&mock, standard()), get(API)).await.unwrap();
        assert_between(offsets(&mock, start)[1], secs(60), secs(1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_retry_after_of_more_than_a_year_ends_the_call_and_shuts_for_the_bare_floor() {
    let mock = refusing(1, 429, &[("retry-after", "18446744073709551615")]);
    let service = around(&mock, standard());
    let start = Instant::now();
    let outcome = send(&service, get(API)).await;
    assert_eq!(
        (status_of(&outcome), start.elapsed()),
        (429, Duration::ZERO)
    );
    send(&service, get(API)).await.unwrap();
    assert_between(offsets(&mock, start)[1], secs(60), secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_reset_is_compared_with_the_servers_own_date() {
    // The server's clock is an hour ahead of ours; its reset is 30 s away.
    let mock = refusing(
        1,
        429,
        &[
            ("date", "Mon, 02 Mar 2026 13:00:00 GMT"),
            ("x-ratelimit-remaining", "0"),
            ("x-ratelimit-reset", "1772456430"),
        ],
    );
    let start = Instant::now();
    let outcome = send(&around(&mock, standard()), get(API)).await;
    assert_between(offsets(&mock, start)[1], secs(30), millis(300));
    assert_eq!(
        report(&outcome).unwrap().decided_by(),
        Some("x-ratelimit-reset")
    );
}

#[tokio::test(start_paused = true)]
async fn a_served_answer_that_spent_the_last_call_shuts_the_gate_for_the_next() {
    let mock = Mock::new(|_, _| {
        answer(
            200,
            &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "12")],
            "",
        )
    });
    let service = around(&mock, standard());
    let start = Instant::now();
    let first = send(&service, get(API)).await;
    assert!(report(&first).is_none() && start.elapsed().is_zero());
    let second = send(&service, get(API)).await;
    assert_between(offsets(&mock, start)[1], secs(12), millis(121));
    assert!(
        report(&second).unwrap().waited() >= secs(12),
        "waiting is told"
    );
}

#[tokio::test(start_paused = true)]
async fn failures_are_retried_with_growing_waits_and_then_handed_back() {
    let mock = refusing(usize::MAX, 500, &[]);
    let backoff = Backoff::default().jitter(Jitter::None);
    let start = Instant::now();
    let outcome = send(&around(&mock, standard().backoff(backoff)), get(API)).await;
    assert_eq!(status_of(&outcome), 500);
    assert_eq!(
        offsets(&mock, start),
        [0, 50, 150, 350, 750].map(millis),
        "four retries"
    );
    let report = report(&outcome).unwrap();
    assert_eq!(report.stop_reason(), Some(StopReason::RetriesExhausted));
    assert_eq!(text(outcome).await, "{}", "the body comes back whole");
}

#[tokio::test(start_paused = true)]
async fn waiting_at_the_gate_uses_up_no_retry() {
    // Ten refusals that name a wait, then a failure, with a single retry allowed.
    let mock = Mock::new(|nth, _| match nth {
        1..=10 => answer(429, &[("retry-after", "1")], ""),
        11 => status(500),
        _ => status(200),
    });
    let outcome = send(&around(&mock, standard().max_retries(1)), get(API)).await;
    assert_eq!(status_of(&outcome), 200);
    assert_eq!(report(&outcome).unwrap().attempts(), 12);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_waited_long_at_the_gate_still_has_its_patience_with_failures() {
    let mock = Mock::new(|nth, _| match nth {
        1 => status(429),
        2 => status(500),
        _ => status(200),
    });
    let outcome = send(&around(&mock, standard()), get(API)).await;
    assert_eq!(status_of(&outcome), 200);
}

#[tokio::test(start_paused = true)]
async fn failures_end_with_failure_patience_though_retries_are_left() {
    let mock = refusing(usize::MAX, 500, &[]).taking(secs(8));
    let start = Instant::now();
    let outcome = send(&around(&mock, standard().max_retries(100)), get(API)).await;
    assert_eq!(status_of(&outcome), 500);
    assert!(offsets(&mock, start).last().unwrap() <= &secs(30));
    let ended = report(&outcome).unwrap().stop_reason();
    assert_eq!(ended, Some(StopReason::PatienceExceeded));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_beyond_patience_ends_now_with_the_whole_response() {
    let mock = refusing(1, 429, &[("retry-after", "40")]);
    let service = around(&mock, standard().patience(secs(20)));
    let start = Instant::now();
    let outcome = send(&service, get(API)).await;
    assert!(start.elapsed().is_zero(), "not a second is wasted");
    assert_eq!(status_of(&outcome), 429);
    let report = report(&outcome).unwrap();
    assert_eq!(report.stop_reason(), Some(StopReason::PatienceExceeded));
    let not_before = report.not_before().unwrap().duration_since(noon()).unwrap();
    assert_between(not_before, secs(40), millis(251));
    assert_eq!(text(outcome).await, "{}");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_finds_the_gate_shut_beyond_its_patience_is_told_when_and_by_whom() {
    let mock = refusing(1, 429, &[("retry-after", "400")]);
    let service = around(&mock, standard());
    send(&service, get(API)).await.unwrap();
    let error = send(&service, get(API)).await.unwrap_err();
    let not_before = error.downcast_ref::<NotBefore>().expect("NotBefore");
    assert_between(not_before.wait(), secs(400), millis(251));
    assert_eq!(not_before.decided_by(), "retry-after");
    assert_eq!(not_before.scope().to_string(), "https://api.test");
    assert!(!error.to_string().contains("secret"));
    assert_eq!(mock.calls().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_waiting_call_is_told_at_once_when_the_gate_shuts_beyond_its_patience() {
    let mock = Mock::new(|nth, _| match nth {
        1 => answer(429, &[("retry-after", "10")], ""),
        _ => answer(429, &[("retry-after", "3600")], ""),
    });
    let service = around(&mock, standard());
    let start = Instant::now();
    let calls = (0..3).map(|_| send(&service, get(API)));
    let outcomes = futures_util::future::join_all(calls).await;
    assert_between(start.elapsed(), secs(10), secs(1));
    assert_eq!(
        status_of(&outcomes[0]),
        429,
        "the probe has its refusal in hand"
    );
    for waiting in &outcomes[1..] {
        let error = waiting.as_ref().unwrap_err();
        let not_before = error.downcast_ref::<NotBefore>().expect("NotBefore");
        assert!(not_before.wait() >= secs(3_600));
    }
}

#[tokio::test(start_paused = true)]
async fn patience_of_20_s_inside_a_timeout_of_30_s_yields_the_429_and_no_timeout() {
    let mock = refusing(usize::MAX, 429, &[]);
    let service = tower::ServiceBuilder::new()
        .timeout(secs(30))
        .layer(standard().patience(secs(20)))
        .service(mock);
    let response = send(&service, get(API)).await.expect("no Elapsed");
    assert_eq!(response.status(), 429);
}

#[tokio::test(start_paused = true)]
async fn a_request_may_bring_its_own_patience_and_deadline() {
    let mock = refusing(1, 429, &[("retry-after", "400")]);
    let service = around(&mock, standard());
    let mut patient = get(API);
    patient.extensions_mut().insert(Patience::of(secs(500)));
    assert_eq!(status_of(&send(&service, patient).await), 200);

    let mock = refusing(1, 429, &[("retry-after", "40")]);
    let mut hurried = get(API);
    let deadline = tower_backoff::Deadline::at(Instant::now() + secs(10));
    hurried.extensions_mut().insert(deadline);
    assert_eq!(
        status_of(&send(&around(&mock, standard()), hurried).await),
        429
    );
}

#[tokio::test(start_paused = true)]
async fn a_wrong_day_long_wait_can_be_lifted_by_hand() {
    let gates = Gates::new();
    let mock = refusing(1, 429, &[("retry-after", "86400")]);
    let service = around(&mock, standard().gates(&gates));
    send(&service, get(API)).await.unwrap();
    assert!(send(&service, get(API)).await.is_err());
    gates.reopen(&Scope::origin(&API.parse().unwrap()));
    assert_eq!(status_of(&send(&service, get(API)).await), 200);
}

#[tokio::test(start_paused = true)]
async fn max_cooldown_sends_a_probe_after_that_long() {
    let mock = refusing(1, 429, &[("retry-after", "86400")]);
    let start = Instant::now();
    let layer = standard().max_cooldown(secs(120));
    assert_eq!(status_of(&send(&around(&mock, layer), get(API)).await), 200);
    assert_between(offsets(&mock, start)[1], secs(120), secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_503_that_names_a_wait_cools_the_scope_but_does_not_make_a_post_safe() {
    let mock = refusing(1, 503, &[("retry-after", "30")]);
    let service = around(&mock, standard());
    let start = Instant::now();
    let outcome = send(&service, post(API)).await;
    assert_eq!((status_of(&outcome), mock.calls().len()), (503, 1));
    send(&service, post(API)).await.unwrap();
    assert_between(offsets(&mock, start)[1], secs(30), millis(251));
}

/// The forms in which a server may name a wait of `millis` milliseconds from noon on, and the least
/// that each of them promises.
fn named(form: u64, millis: u64) -> (&'static str, String, u64) {
    let (seconds, epoch) = (millis / 1_000, 1_772_452_800_000 + millis);
    match form % 6 {
        0 => ("retry-after", seconds.to_string(), seconds * 1_000),
        1 => (
            "retry-after",
            format!("{}.{:03}", seconds, millis % 1_000),
            millis,
        ),
        2 => ("retry-after-ms", millis.to_string(), millis),
        3 => ("x-ratelimit-reset-after", format!("{millis}ms"), millis),
        4 => ("x-ratelimit-reset", epoch.to_string(), millis),
        _ => (
            "x-rate-limit-reset",
            format!("{}m{}s", seconds / 60, seconds % 60),
            seconds * 1_000,
        ),
    }
}

#[tokio::test(start_paused = true)]
async fn a_named_wait_is_never_undercut_by_a_millisecond_over_100_000_random_hints() {
    use tower::Layer;
    let mut bits = 0x9E37_79B9_7F4A_7C15_u64;
    for _ in 0..100_000 {
        bits ^= bits << 13;
        bits ^= bits >> 7;
        bits ^= bits << 17;
        let (name, value, least) = named(bits, (bits >> 8) % 100_000_000);
        let refusal = http::Response::builder()
            .status(429)
            .header("date", "Mon, 02 Mar 2026 12:00:00 GMT")
            .header("x-ratelimit-remaining", "0")
            .header(name, &value)
            .body(Body::default())
            .unwrap();
        let mut answers = vec![http::Response::new(Body::default()), refusal];
        let sent = std::cell::RefCell::new(Vec::new());
        let answers = std::cell::RefCell::new(&mut answers);
        let server = tower::service_fn(|_: http::Request<Body>| {
            sent.borrow_mut().push(Instant::now());
            let answer = answers.borrow_mut().pop().expect("two answers");
            std::future::ready(Ok::<_, tower_backoff::BoxError>(answer))
        });
        let service = standard().patience(secs(200_000)).layer(server);
        send(&service, get(API)).await.unwrap();
        let sent = sent.borrow();
        assert_between(
            sent[1] - sent[0],
            Duration::from_millis(least),
            millis(100 + 251),
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_named_wait_is_not_cut_to_the_cap_of_the_backoff() {
    let mock = refusing(1, 429, &[("retry-after", "90")]);
    let layer = standard().backoff(Backoff::default().max_delay(secs(1)));
    let start = Instant::now();
    send(&around(&mock, layer), get(API)).await.unwrap();
    assert_between(offsets(&mock, start)[1], secs(90), millis(251));
}

#[tokio::test(start_paused = true)]
async fn a_wait_of_30_days_is_30_days() {
    const DAY: u64 = 86_400;
    let mock = refusing(1, 429, &[("retry-after", "2592000")]);
    let layer = standard().patience(secs(40 * DAY));
    let start = Instant::now();
    send(&around(&mock, layer), get(API)).await.unwrap();
    assert_between(offsets(&mock, start)[1], secs(30 * DAY), millis(251));
}

#[tokio::test(start_paused = true)]
async fn a_second_is_added_where_a_provider_is_known_to_cut_them_off() {
    let mock = refusing(1, 429, &[("retry-after", "7")]);
    let layer = RetryLayer::new(Provider::new("koa").retry_after_rounded_down());
    let start = Instant::now();
    send(&around(&mock, layer), get(API)).await.unwrap();
    assert_between(offsets(&mock, start)[1], secs(8), millis(251));
}

#[tokio::test(start_paused = true)]
async fn of_two_retry_after_lines_the_longer_counts() {
    let mock = refusing(1, 429, &[("retry-after", "3"), ("retry-after", "11")]);
    let start = Instant::now();
    send(&around(&mock, standard()), get(API)).await.unwrap();
    assert_between(offsets(&mock, start)[1], secs(11), millis(251));
}

#[tokio::test(start_paused = true)]
async fn a_date_of_1970_or_a_wrong_weekday_makes_no_loop_and_no_long_wait() {
    for (date, least) in [
        ("Thu, 01 Jan 1970 00:00:00 GMT", secs(60)),
        ("Fri, 02 Mar 2026 12:00:20 GMT", secs(20)),
    ] {
        let mock = Mock::new(move |nth, _| match nth {
            1 => answer(429, &[("retry-after", date)], ""),
            _ => status(200),
        });
        let start = Instant::now();
        send(&around(&mock, standard()), get(API)).await.unwrap();
        assert_between(offsets(&mock, start)[1], least, millis(251));
    }
}

#[tokio::test(start_paused = true)]
async fn a_wall_clock_that_stands_still_delays_nothing() {
    use tower::Layer;
    // Virtual time does not move `SystemTime`: a wait that is measured by it never ends.
    let mock = refusing(1, 429, &[("retry-after", "7")]);
    let start = Instant::now();
    send(&standard().layer(mock.clone()), get(API))
        .await
        .unwrap();
    assert_between(offsets(&mock, start)[1], secs(7), millis(71));
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_look_again_whether_the_gate_has_moved() {
    // The second refusal arrives late, and names a longer wait than the first.
    let mock = Mock::new(|nth, _| match nth {
        1 => answer(429, &[("retry-after", "5")], ""),
        2 => answer(429, &[("retry-after", "60")], ""),
        _ => status(200),
    });
    let service = around(&mock, standard());
    let start = Instant::now();
    let calls = (0..3).map(|_| send(&service, get(API)));
    let outcomes = futures_util::future::join_all(calls).await;
    assert!(outcomes.iter().all(|outcome| status_of(outcome) == 200));
    let sent = offsets(&mock, start);
    assert!(sent[1] >= secs(5) && sent[2] >= secs(65), "{sent:?}");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_refused_more_often_than_allowed_ends_with_the_refusal() {
    for allowed in [0, 1, 3] {
        let mock = Mock::new(|_, _| answer(429, &[("retry-after", "7")], "slow down"));
        let layer = RetryLayer::new(Provider::new("test")).max_refusals(allowed);
        let outcome = send(&around(&mock, layer), get("https://api.test/")).await;
        assert_eq!(status_of(&outcome), 429);
        let report = report(&outcome).unwrap().clone();
        assert_eq!(report.stop_reason(), Some(StopReason::RefusalsExhausted));
        assert_eq!(report.attempts(), allowed + 1);
        assert_eq!(report.decided_by(), Some("retry-after"));
        assert!(report.not_before().is_some());
        assert_eq!(text(outcome).await, "slow down");
    }
}
