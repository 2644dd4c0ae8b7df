//! What one broken route, one endpoint that is always refused, and a server that is out do to the other calls.

use std::time::Duration;

use crate::support::mock::{Answer, Mock, answer, status};
use crate::support::paused::*;
use http::Request;
use http::request::Parts;
use tokio::time::Instant;
use tower_backoff::policy::{Provider, Verdict, policy_fn};
use tower_backoff::{CircuitBreaker, Gates, Patience, Retry, RetryLayer, StopReason};

const GOOD: &str = "https://api.test/good";
const BAD: &str = "https://api.test/bad/route";

fn on_bad(head: &Parts) -> bool {
    head.uri.path().starts_with("/bad")
}

/// One route answers like this, all others are served.
fn broken(bad: impl Fn() -> Answer + Send + Sync + 'static) -> Mock {
    let script = move |_: usize, head: &Parts| if on_bad(head) { bad() } else { status(200) };
    Mock::new(script).taking(millis(50))
}

fn standard() -> RetryLayer {
    RetryLayer::new(Provider::new("test"))
}

/// Starts callers that ask for the broken route, one call after the other.
fn loop_on(service: &Retry<Mock>, callers: usize, request: fn(&str) -> Request<Body>) {
    for _ in 0..callers {
        let service = service.clone();
        tokio::spawn(async move {
            loop {
                let _ = send(&service, request(BAD)).await;
                tokio::time::sleep(millis(500)).await;
            }
        });
    }
}

/// Sends calls to the good route at an interval: how many are answered, and the longest wait.
async fn healthy(service: &Retry<Mock>, calls: usize, every: Duration) -> (usize, Duration) {
    let (mut answered, mut longest) = (0, Duration::ZERO);
    for _ in 0..calls {
        tokio::time::sleep(every).await;
        let begun = Instant::now();
        let answer = send(service, get(GOOD)).await;
        answered += usize::from(answer.is_ok_and(|answer| answer.status() == 200));
        longest = longest.max(begun.elapsed());
    }
    (answered, longest)
}

async fn stops_no_other_route(
    name: &str,
    bad: impl Fn() -> Answer + Clone + Send + Sync + 'static,
    layer: impl Fn() -> RetryLayer,
    request: fn(&str) -> Request<Body>,
) {
    for (callers, calls, every) in [(3, 72, millis(500)), (8, 5, secs(30))] {
        let service = around(&broken(bad.clone()), layer());
        loop_on(&service, callers, request);
        let (answered, longest) = healthy(&service, calls, every).await;
        assert_eq!(answered, calls, "{name}, one in {every:?}");
        assert!(longest <= secs(1), "{name}, one in {every:?}: {longest:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_broken_route_stops_no_other_route_of_its_host() {
    for code in [500, 501, 502, 503, 504, 520] {
        let name = code.to_string();
        stops_no_other_route(&name, move || status(code), standard, get).await;
    }
    let lost = || Err("the connection was lost".into());
    stops_no_other_route("lost", lost, standard, get).await;
}

#[tokio::test(start_paused = true)]
async fn nor_does_one_whose_failures_are_not_retried() {
    for code in [500, 503] {
        let bad = move || status(code);
        stops_no_other_route("post", bad, standard, post).await;
        let provider = || Provider::new("test").final_on([500, 503]);
        stops_no_other_route("final", bad, || RetryLayer::new(provider()), get).await;
        stops_no_other_route("no retries", bad, || standard().max_retries(0), get).await;
        let accepts = || RetryLayer::new(policy_fn(|_| Verdict::accept()));
        stops_no_other_route("accepted", bad, accepts, get).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_get_that_is_always_answered_500_ends_after_its_retries() {
    let mut longest = Duration::ZERO;
    for _ in 0..5 {
        let service = around(&broken(|| status(500)), standard());
        let begun = Instant::now();
        let outcome = send(&service, get(BAD)).await;
        let reason = report(&outcome).and_then(|report| report.stop_reason());
        assert_eq!(reason, Some(StopReason::RetriesExhausted));
        longest = longest.max(begun.elapsed());
    }
    assert!(longest < secs(3), "{longest:?}");
}

/// Out until then, served after.
fn out_until(back: Duration) -> Mock {
    let begun = Instant::now();
    let script = move |_: usize, _: &Parts| match begun.elapsed() < back {
        true => status(503),
        false => status(200),
    };
    Mock::new(script).taking(millis(50))
}

async fn sixty_callers(service: &Retry<Mock>) -> usize {
    let calls: Vec<_> = (0..60)
        .map(|_| {
            let mut request = get(GOOD);
            request.extensions_mut().insert(Patience::of(secs(3_600)));
            start(service, request)
        })
        .collect();
    let mut served = 0;
    for call in calls {
        served += usize::from(status_of(&call.await.unwrap()) == 200);
    }
    served
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_out_is_asked_by_one_probe_at_a_time() {
    let mock = out_until(secs(300));
    let gates = Gates::new();
    let service = around(&mock, standard().gates(&gates));
    assert_eq!(sixty_callers(&service).await, 60);
    let sent = mock.calls().len();
    assert!(sent < 60 + 60 + 60, "{sent}");
}

#[tokio::test(start_paused = true)]
async fn without_a_breaker_each_call_is_on_its_own() {
    let mock = out_until(secs(300));
    let gates = Gates::new();
    let layer = standard()
        .gates(&gates)
        .circuit_breaker(CircuitBreaker::off());
    let service = around(&mock, layer.max_retries(2));
    assert_eq!(sixty_callers(&service).await, 0);
    assert_eq!(gates.snapshot()[0].closed_by, None);
}

#[tokio::test(start_paused = true)]
async fn a_hiccup_of_two_seconds_keeps_retries_for_little_longer() {
    let begun = Instant::now();
    let script = move |_: usize, _: &Parts| match begun.elapsed() {
        at if at > secs(60) && at < secs(62) => status(503),
        _ => status(200),
    };
    let mock = Mock::new(script).taking(millis(50));
    let service = around(&mock, standard());
    send(&service, get(GOOD)).await.unwrap();
    tokio::time::sleep(millis(59_000)).await;
    send(&service, get(GOOD)).await.unwrap();
    let mut calls = Vec::new();
    for _ in 0..60 {
        tokio::time::sleep(millis(50)).await;
        calls.push(start(&service, get(GOOD)));
    }
    for call in calls {
        assert_eq!(status_of(&call.await.unwrap()), 200);
    }
    let over = begun.elapsed();
    assert!(over < secs(65), "{over:?}");
}

/// One endpoint is refused whenever it is called, all others are served.
#[tokio::test(start_paused = true)]
async fn an_endpoint_that_is_always_refused_starves_no_other_call() {
    let looks_at_bodies = || RetryLayer::new(Provider::new("test").final_codes(["BROKE"]));
    for (wait, seconds) in [("1", 1), ("2", 2), ("5", 5)] {
        for (callers, every) in [(1, 50), (1, 2_000), (3, 50), (3, 500), (3, 2_000)] {
            for layer in [standard(), looks_at_bodies()] {
                let refused = move || answer(429, &[("retry-after", wait)], "");
                let service = around(&broken(refused), layer);
                loop_on(&service, callers, get);
                tokio::time::sleep(millis(10)).await;
                let calls: Vec<_> = (0..120)
                    .map(|nth| tokio::spawn(good_call(service.clone(), millis(nth * every))))
                    .collect();
                let mut longest = Duration::ZERO;
                for call in calls {
                    longest = longest.max(call.await.unwrap());
                }
                // It may come just after one closing, and one more call has to be refused to close the gate again.
                let most = secs(2 * seconds) + millis(500);
                assert!(
                    longest <= most,
                    "{callers}, {every} ms: {longest:?} of {most:?}"
                );
            }
        }
    }
}

/// How long a call to the good route takes that comes after a while.
async fn good_call(service: Retry<Mock>, comes: Duration) -> Duration {
    tokio::time::sleep(comes).await;
    let begun = Instant::now();
    assert_eq!(status_of(&send(&service, get(GOOD)).await), 200);
    begun.elapsed()
}

#[tokio::test(start_paused = true)]
async fn a_broken_route_stops_no_other_route_whose_answers_take_long() {
    let script = |_: usize, head: &Parts| status(if on_bad(head) { 503 } else { 200 });
    let latency = |_: usize, head: &Parts| if on_bad(head) { millis(50) } else { secs(15) };
    let service = around(&Mock::new(script).taking_each(latency), standard());
    let call = || {
        let service = service.clone();
        tokio::spawn(async move {
            let begun = Instant::now();
            send(&service, get(GOOD)).await.unwrap();
            begun.elapsed()
        })
    };
    let mut calls = Vec::new();
    for nth in 0..40 {
        calls.push(call());
        tokio::time::sleep(secs(2)).await;
        if nth == 10 {
            loop_on(&service, 3, get);
        }
    }
    for call in calls {
        let took = call.await.unwrap();
        assert!(took <= secs(16), "{took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_by_a_bucket_shows_that_the_server_is_back() {
    const SEARCH: &str = "https://api.test/search";
    let script = |_: usize, head: &Parts| match head.uri.path() {
        "/search" => {
            let spent = [("x-bucket", "search"), ("x-ratelimit-limit", "30")];
            let until = [("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "60")];
            answer(429, &[spent, until].concat(), "")
        }
        "/good" => status(200),
        _ => status(503),
    };
    let mock = Mock::new(script).taking(millis(50));
    let provider = Provider::new("test").buckets_in(http::HeaderName::from_static("x-bucket"));
    let service = around(&mock, RetryLayer::new(provider).max_retries(0));
    for _ in 0..20 {
        let _ = send(&service, get(BAD)).await;
        tokio::time::sleep(millis(500)).await;
    }
    let refused = start(&service, get(SEARCH));
    tokio::time::sleep(millis(100)).await;
    let begun = Instant::now();
    send(&service, get(GOOD)).await.unwrap();
    assert!(begun.elapsed() < secs(1), "{:?}", begun.elapsed());
    refused.abort();
}

#[tokio::test(start_paused = true)]
async fn after_an_outage_a_broken_route_slows_no_other_route_down() {
    for (callers, every) in [(3, millis(500)), (8, secs(3)), (3, secs(5))] {
        let begun = Instant::now();
        let script = move |_: usize, head: &Parts| match on_bad(head) || begun.elapsed() < secs(30)
        {
            true => status(503),
            false => status(200),
        };
        let service = around(&Mock::new(script).taking(millis(50)), standard());
        loop_on(&service, callers, get);
        let _ = send(&service, get(GOOD)).await;
        tokio::time::sleep(secs(60)).await;
        let _ = healthy(&service, 10, secs(1)).await;
        let (answered, longest) = healthy(&service, 60, every).await;
        assert_eq!(answered, 60, "one in {every:?}");
        assert!(longest <= millis(500), "one in {every:?}: {longest:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_500_shows_that_the_server_is_back() {
    let begun = Instant::now();
    let script = move |_: usize, _: &Parts| match begun.elapsed() < secs(60) {
        true => status(503),
        false => status(500),
    };
    let mock = Mock::new(script).taking(millis(50));
    let service = around(&mock, standard());
    loop_on(&service, 3, get);
    tokio::time::sleep(secs(70)).await;
    for _ in 0..10 {
        let asked = Instant::now();
        let answer = send(&service, get(GOOD)).await;
        assert_eq!(status_of(&answer), 500);
        assert!(asked.elapsed() < secs(3), "{:?}", asked.elapsed());
    }
}

/// One of the things that a route serves is refused whenever it is asked for: its path looks like that of the others.
#[tokio::test(start_paused = true)]
async fn a_refused_probe_goes_behind_the_callers_that_wait() {
    let script = |_: usize, head: &Parts| match head.uri.path() {
        "/items/7" => answer(429, &[("retry-after", "1")], ""),
        _ => status(200),
    };
    let mock = Mock::new(script).taking(millis(50));
    let service = around(&mock, standard());
    let refused = start(&service, get("https://api.test/items/7"));
    tokio::time::sleep(millis(100)).await;
    let begun = Instant::now();
    let calls: Vec<_> = (8..18)
        .map(|item| start(&service, get(&format!("https://api.test/items/{item}"))))
        .collect();
    for call in calls {
        assert_eq!(status_of(&call.await.unwrap()), 200);
    }
    assert!(begun.elapsed() < secs(4), "{:?}", begun.elapsed());
    refused.abort();
}
