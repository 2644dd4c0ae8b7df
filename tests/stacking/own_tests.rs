//! The server of the feature `testing` beneath the layer, in virtual time: what users' own tests are made of.

use std::time::{Duration, UNIX_EPOCH};

use futures_util::future::join_all;
use http::{Request, Response};
use http_body_util::BodyExt;
use tokio::time::{Instant, advance, sleep};
use tower::{Layer, ServiceExt};
use tower_backoff::hint::Unit;
use tower_backoff::policy::Provider;
use tower_backoff::testing::{Dialect, Limit, Server};
use tower_backoff::{Clock, Quota, RetryLayer};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

fn get(path: &str) -> Request<String> {
    let request = Request::get(format!("https://acme.test{path}"));
    request.body(String::new()).expect("a valid request")
}

/// The answer of the server without a layer.
async fn ask(server: &Server) -> Response<String> {
    let answer = server.clone().oneshot(get("/jobs")).await;
    answer.expect("a server in process never fails")
}

/// The status of the answer of the server without a layer.
async fn status(server: &Server) -> u16 {
    ask(server).await.status().as_u16()
}

/// Does all jobs at once through the layer, and returns how long that took.
async fn import(server: &Server, provider: Provider, jobs: usize) -> Duration {
    let layer = RetryLayer::new(provider).patience(600 * MINUTE).seed(1);
    let client = layer.layer(server.clone());
    let begun = Instant::now();
    let jobs = (0..jobs).map(|id| {
        let response = client.clone().oneshot(get(&format!("/jobs/{id}")));
        async move {
            let response = response.await.expect("every job has a response");
            assert_eq!(response.status(), 200);
            // A concurrent call ends with its body.
            let body = response.into_body().collect().await;
            assert_eq!(body.expect("a whole body").to_bytes(), "{}");
        }
    });
    join_all(jobs).await;
    begun.elapsed()
}

#[tokio::test(start_paused = true)]
async fn an_importer_finishes_500_jobs_against_60_a_minute_without_a_refusal() {
    let server = Server::new(Limit::fixed_window(60, MINUTE));
    let acme = Provider::new("acme").quota(Quota::per_minute(60));
    let took = import(&server, acme, 500).await;
    assert_eq!((server.calls(), server.refusals()), (500, 0));
    assert!(took >= 8 * MINUTE && took < 9 * MINUTE, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn each_way_to_count_is_met_by_the_quota_that_declares_it() {
    let sixty = Quota::per_minute(60);
    for (limit, quota) in [
        (Limit::fixed_window(60, MINUTE), sixty),
        (Limit::aligned_window(60, MINUTE), sixty),
        (Limit::sliding_log(60, MINUTE), sixty),
        (Limit::sliding_counter(60, MINUTE), sixty.paced()),
        (Limit::token_bucket(60, MINUTE, 10), sixty.burst(10)),
        (Limit::concurrent(8), Quota::concurrent(8)),
    ] {
        let server = Server::new(limit.clone()).response_time(Duration::from_millis(50));
        import(&server, Provider::new("acme").quota(quota), 300).await;
        assert_eq!((server.calls(), server.refusals()), (300, 0), "{limit:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_quota_that_is_too_high_is_found_out() {
    let server = Server::new(Limit::fixed_window(60, MINUTE));
    let too_much = Provider::new("acme").quota(Quota::per_minute(70));
    import(&server, too_much, 200).await;
    assert!(server.refusals() > 0);
}

#[tokio::test(start_paused = true)]
async fn each_dialect_is_understood_by_a_client_that_was_told_nothing() {
    for dialect in [
        Dialect::Bare,
        Dialect::RetryAfter,
        Dialect::RetryAfterRoundedDown,
        Dialect::RetryAfterDate,
        Dialect::RetryAfterFixed(5 * SECOND),
        Dialect::RetryAfterFraction,
        Dialect::RetryAfterMillis,
        Dialect::LegacyEpoch,
        Dialect::LegacyDelta,
        Dialect::LegacyFraction,
        Dialect::Counters,
        Dialect::Laravel,
        Dialect::RackAttack,
        Dialect::Draft6,
        Dialect::Draft7,
        Dialect::Draft8,
        Dialect::Named,
        Dialect::Governor,
        Dialect::DjangoRest,
        Dialect::Words,
    ] {
        let limit = Limit::fixed_window(20, Duration::from_millis(9_700));
        let response_time = Duration::from_millis(30);
        let server = Server::new(limit)
            .dialect(dialect)
            .response_time(response_time);
        let acme = match dialect {
            // The one that needs a word.
            Dialect::RetryAfterMillis => {
                Provider::new("acme").header_unit("retry-after", Unit::Millis)
            }
            _ => Provider::new("acme"),
        };
        let took = import(&server, acme, 100).await;
        assert!(server.refusals() > 0, "{dialect:?}");
        assert_eq!(server.early_calls(), 0, "{dialect:?}");
        // Four windows of 9.7 s, or of 60 s where no wait is named.
        let names_none = matches!(dialect, Dialect::Bare | Dialect::Words);
        let most = if names_none { 300 } else { 60 };
        assert!(took < most * SECOND, "{dialect:?}: {took:?}");
        if names_none {
            assert!(took >= MINUTE, "{dialect:?}: {took:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_before_the_wait_of_a_refusal_is_over_is_early() {
    let server = Server::new(Limit::fixed_window(1, 10 * SECOND));
    let server = server.response_time(SECOND);
    // The third and the fourth are sent before the refusal of the second has arrived.
    let four = join_all([0, 0, 0, 999].map(async |millis| {
        sleep(Duration::from_millis(millis)).await;
        status(&server).await
    }));
    assert_eq!(four.await, [200, 429, 429, 429]);
    assert_eq!(server.early_calls(), 0);
    sleep(Duration::from_millis(1)).await;
    assert_eq!(status(&server).await, 429);
    assert_eq!(server.early_calls(), 1);
    // The refusal of 999 ms has named ten whole seconds.
    sleep(8 * SECOND).await;
    assert_eq!(status(&server).await, 200);
    assert_eq!(server.early_calls(), 1);
    assert_eq!((server.calls(), server.refusals()), (6, 4));
}

#[tokio::test(start_paused = true)]
async fn a_bare_refusal_names_no_wait_that_a_call_could_be_too_early_for() {
    let server = Server::new(Limit::fixed_window(1, MINUTE)).dialect(Dialect::Bare);
    let server = server.refusal_status(503);
    for expected in [200, 503, 503] {
        assert_eq!(status(&server).await, expected);
        sleep(SECOND).await;
    }
    assert_eq!((server.refusals(), server.early_calls()), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn an_answer_takes_its_time_and_is_what_the_handler_says() {
    let limit = Limit::fixed_window(60, MINUTE);
    let server = Server::new(limit)
        .dialect(Dialect::LegacyDelta)
        .response_time(3 * SECOND)
        .handler(|head| {
            let created = Response::builder()
                .status(201)
                .header("x-ratelimit-limit", "7");
            let created = created.body(head.uri.path().to_owned());
            created.expect("a valid response")
        });
    let begun = Instant::now();
    let answer = ask(&server).await;
    assert_eq!(begun.elapsed(), 3 * SECOND);
    assert_eq!(answer.status(), 201);
    assert_eq!(answer.headers()["x-ratelimit-limit"], "7");
    assert_eq!(answer.headers()["x-ratelimit-remaining"], "59");
    assert_eq!(answer.body(), "/jobs");
}

#[tokio::test(start_paused = true)]
async fn the_calls_that_fail_are_counted_and_retried() {
    let limit = Limit::fixed_window(60, MINUTE);
    let server = Server::new(limit).fail_when(|nth| nth % 10 == 0);
    let took = import(&server, Provider::new("acme"), 30).await;
    assert_eq!((server.calls(), server.refusals()), (33, 0));
    assert!(took < 10 * SECOND, "{took:?}");

    let server = Server::new(Limit::fixed_window(1, SECOND)).fail_when(|nth| nth == 2);
    for expected in [200, 429, 429] {
        assert_eq!(status(&server).await, expected);
    }
    advance(SECOND).await;
    assert_eq!(status(&server).await, 500, "the second that is admitted");
}

#[tokio::test(start_paused = true)]
async fn a_call_is_admitted_by_all_limits_and_counts_in_each() {
    let server = Server::new(Limit::fixed_window(2, SECOND))
        .add_limit(Limit::fixed_window(3, 10 * SECOND))
        .dialect(Dialect::Named);
    for expected in [200, 200, 429] {
        assert_eq!(status(&server).await, expected);
    }
    advance(SECOND).await;
    assert_eq!(status(&server).await, 200);
    let refusal = ask(&server).await;
    assert_eq!(refusal.headers()["retry-after-long"], "9");
    assert_eq!(refusal.headers().get("retry-after-short"), None);
}

#[tokio::test(start_paused = true)]
async fn of_several_limits_the_tightest_is_told_of() {
    let server = Server::new(Limit::fixed_window(3, SECOND))
        .add_limit(Limit::fixed_window(4, 10 * SECOND))
        .add_limit(Limit::fixed_window(100, MINUTE))
        .dialect(Dialect::LegacyDelta);
    let told = |answer: &Response<String>| {
        let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
        let names = [
            "x-ratelimit-limit",
            "x-ratelimit-remaining",
            "x-ratelimit-reset",
        ];
        names.map(header).join(" ")
    };
    for expected in ["3 2 1", "3 1 1", "3 0 1", "3 0 1"] {
        assert_eq!(told(&ask(&server).await), expected);
    }
    advance(SECOND).await;
    for expected in ["4 0 9", "4 0 9"] {
        assert_eq!(told(&ask(&server).await), expected);
    }
    // Now the shorter one is full as well.
    let server =
        Server::new(Limit::fixed_window(1, SECOND)).add_limit(Limit::fixed_window(1, MINUTE));
    assert_eq!(status(&server).await, 200);
    assert_eq!(ask(&server).await.headers()["retry-after"], "60");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_frees_its_place_among_concurrent_ones() {
    let server = Server::new(Limit::concurrent(1)).response_time(SECOND);
    let first = tokio::spawn(server.clone().oneshot(get("/jobs")));
    tokio::task::yield_now().await;
    assert_eq!(status(&server).await, 429);
    // The first has ended meanwhile.
    first.await.expect("a task").expect("an answer");
    let second = server.clone().oneshot(get("/jobs"));
    assert!(tokio::time::timeout(SECOND / 2, second).await.is_err());
    assert_eq!(status(&server).await, 200);
}

#[tokio::test(start_paused = true)]
async fn the_wall_clock_of_the_server_moves_with_virtual_time() {
    let server = Server::new(Limit::aligned_window(1, MINUTE));
    assert_eq!(
        ask(&server).await.headers()["date"],
        "Mon, 02 Mar 2026 12:00:00 GMT"
    );
    advance(59 * SECOND).await;
    let refusal = ask(&server).await;
    assert_eq!(refusal.headers()["date"], "Mon, 02 Mar 2026 12:00:59 GMT");
    assert_eq!(refusal.headers()["retry-after"], "1");
    advance(SECOND).await;
    assert_eq!(status(&server).await, 200, "a new minute");

    let clock = Clock::starting_at(UNIX_EPOCH + 50 * SECOND);
    let server = Server::new(Limit::aligned_window(1, MINUTE)).clock(clock);
    assert_eq!(status(&server).await, 200);
    assert_eq!(ask(&server).await.headers()["retry-after"], "10");
}

#[tokio::test(start_paused = true)]
async fn clones_share_their_limit_and_what_they_have_seen() {
    let server = Server::new(Limit::fixed_window(1, MINUTE));
    let other = server.clone().dialect(Dialect::Bare);
    assert_eq!(status(&server).await, 200);
    let refusal = ask(&other).await;
    assert_eq!(
        (refusal.status().as_u16(), refusal.headers().len()),
        (429, 1)
    );
    assert_eq!((server.calls(), server.refusals()), (2, 1));
}

#[test]
fn what_admits_no_call_panics_with_a_word_of_what_to_write() {
    let panics = |wrong: fn()| std::panic::catch_unwind(wrong).is_err();
    assert!(panics(|| drop(Limit::fixed_window(0, MINUTE))));
    assert!(panics(|| drop(Limit::sliding_log(1, Duration::ZERO))));
    assert!(panics(|| drop(Limit::token_bucket(1, MINUTE, 0))));
    assert!(panics(|| drop(Limit::concurrent(0))));
    assert!(panics(|| {
        drop(Server::new(Limit::concurrent(1)).refusal_status(99));
    }));
}
