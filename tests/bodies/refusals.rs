//! What becomes of the bodies of refusals, and of the connections that carry them.

use std::time::{Duration, Instant};

use crate::support::client::{get, http1_client};
use crate::support::mock::{Mock, answer, status};
use crate::support::paused::{self, around, send};
use crate::support::wire::{self, Step, Wire};
use http_body_util::BodyExt;
use tower::{Layer, ServiceExt};
use tower_backoff::policy::Provider;
use tower_backoff::{Backoff, BoxError, NotBefore, Report, RetryLayer, StopReason};

const NOW: &str = "retry-after: 0\r\n";

fn quick() -> RetryLayer {
    RetryLayer::new(Provider::new("test")).backoff(Backoff::exponential(Duration::from_millis(20)))
}

/// Refuses once with these steps, then serves; returns how many connections two requests took.
async fn connections_after(refusal: Vec<Step>) -> usize {
    let server = Wire::start(move |received| match received.nth {
        1 => refusal.clone(),
        _ => wire::answer(200, "", "ok"),
    })
    .await;
    let client = quick().layer(http1_client());
    let response = client.oneshot(get(server.uri("/"))).await.expect("served");
    assert_eq!(response.status(), 200);
    assert_eq!(server.requests(), 2);
    server.connections()
}

#[tokio::test]
async fn the_connection_is_reused_after_a_refusal_with_a_late_body() {
    let late = wire::late_answer(429, NOW, &["one", "two"], Duration::from_millis(150));
    assert_eq!(connections_after(late).await, 1);
}

#[tokio::test]
async fn the_connection_is_reused_after_a_refusal_with_a_chunked_body() {
    let chunked = wire::chunked_answer(429, NOW, &["one", "two", "three"]);
    assert_eq!(connections_after(chunked).await, 1);
}

#[tokio::test]
async fn the_connection_is_reused_after_a_refusal_with_a_body_of_100_kb() {
    let large = wire::large_answer(429, NOW, 100_000);
    assert_eq!(connections_after(large).await, 1);
}

#[tokio::test]
async fn the_connection_is_reused_after_a_500_that_is_retried() {
    let failure = wire::chunked_answer(500, "", &["trace", "back"]);
    assert_eq!(connections_after(failure).await, 1);
}

#[tokio::test]
async fn the_connection_is_reused_after_a_refusal_whose_body_is_no_text() {
    let zeros = wire::late_answer(
        429,
        NOW,
        &["\0\0\0\0\0\0", "\0"],
        Duration::from_millis(150),
    );
    assert_eq!(connections_after(zeros).await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_body_of_64_kib_is_inspected_and_one_byte_more_is_not() {
    for (length, sent) in [(64 * 1024, 1), (64 * 1024 + 1, 2)] {
        let code = r#"{"code":"BROKE"}"#;
        let body = " ".repeat(length - code.len()) + code;
        let mock = Mock::new(move |nth, _| match nth {
            1 => answer(429, &[("retry-after", "1")], &body),
            _ => status(200),
        });
        let provider = Provider::new("test").final_codes(["BROKE"]);
        let service = around(&mock, RetryLayer::new(provider));
        send(&service, paused::get("https://a.test/"))
            .await
            .unwrap();
        assert_eq!(mock.calls().len(), sent, "{length} bytes");
    }
}

/// What a call ends with that was refused with such a body, and then waits while another refusal makes the wait too
/// long for it.
async fn outcome_of_a_wait(body: String) -> paused::Outcome {
    let mock = Mock::new(move |nth, _| {
        let wait = if nth == 1 { "10" } else { "3600" };
        let headers = [
            ("retry-after", wait),
            ("set-cookie", "one"),
            ("set-cookie", "two"),
            ("x-empty", ""),
        ];
        let mut refusal = answer(429, &headers, &body)?;
        *refusal.version_mut() = http::Version::HTTP_2;
        refusal.extensions_mut().insert(nth);
        let cookies = refusal.headers_mut().get_mut("set-cookie");
        cookies.expect("two cookies").set_sensitive(true);
        Ok(refusal)
    })
    .taking_each(|nth, _| Duration::from_secs(nth as u64));
    let service = around(&mock, RetryLayer::new(Provider::new("test")));
    let first = paused::start(&service, paused::get("https://a.test/"));
    let second = paused::start(&service, paused::get("https://a.test/"));
    let outcome = first.await.unwrap();
    assert_eq!(mock.calls().len(), 2);
    drop(second);
    outcome
}

#[tokio::test(start_paused = true)]
async fn a_waiting_call_that_has_to_end_gives_its_small_refusal_back_whole() {
    let body = "x".repeat(4 * 1024);
    let response = outcome_of_a_wait(body.clone()).await.expect("a refusal");
    assert_eq!(
        (response.status().as_u16(), response.version()),
        (429, http::Version::HTTP_2)
    );
    let report: &Report = response.extensions().get().expect("a report");
    assert_eq!(report.stop_reason(), Some(StopReason::PatienceExceeded));
    assert_eq!(response.extensions().get::<usize>(), Some(&1));
    let headers = response.headers();
    let cookies = headers.get_all("set-cookie").iter();
    let cookies: Vec<_> = cookies
        .map(|cookie| (cookie.to_str().unwrap(), cookie.is_sensitive()))
        .collect();
    assert_eq!(cookies, [("one", true), ("two", false)]);
    assert_eq!(
        (&headers["retry-after"], &headers["x-empty"]),
        (&"10".parse().unwrap(), &"".parse().unwrap())
    );
    assert_eq!(headers.len(), 4);
    assert_eq!(paused::text(Ok(response)).await, body);
}

#[tokio::test(start_paused = true)]
async fn a_waiting_call_that_has_to_end_gives_no_part_of_a_large_refusal_back() {
    let error = outcome_of_a_wait("x".repeat(4 * 1024 + 1))
        .await
        .unwrap_err();
    let not_before: &NotBefore = error.downcast_ref().expect("it says when");
    paused::assert_between(
        not_before.wait(),
        Duration::from_secs(3_600),
        Duration::from_secs(1),
    );
}

#[tokio::test]
async fn a_body_that_announces_too_much_is_not_waited_for() {
    let start = Instant::now();
    let huge =
        Step::Send(format!("HTTP/1.1 429 No\r\n{NOW}content-length: 9999999999\r\n\r\n").into());
    assert_eq!(connections_after(vec![huge]).await, 2);
    assert!(
        start.elapsed() < Duration::from_millis(1_500),
        "not for the two seconds of a body that may end"
    );
}

#[tokio::test]
async fn a_body_that_never_ends_costs_a_bounded_time_and_a_connection() {
    assert_eq!(connections_after(wire::endless_answer(429, NOW)).await, 2);
    let head = Step::Send(format!("HTTP/1.1 429 No\r\n{NOW}content-length: 10\r\n\r\n").into());
    let silent = vec![head, Step::Wait(Duration::from_secs(3_600))];
    assert_eq!(connections_after(silent).await, 2);
}

#[tokio::test]
async fn a_refusal_that_is_handed_back_after_all_has_its_whole_body() {
    let pieces = ["{\"error\":", "\"slow\"}"];
    let refusal = wire::late_answer(503, "", &pieces, Duration::from_millis(20));
    let server = Wire::always(refusal).await;
    let client = quick().max_retries(2).layer(http1_client());
    let response = client.oneshot(get(server.uri("/"))).await.unwrap();
    let report: Report = response.extensions().get().cloned().expect("a report");
    assert_eq!(
        (report.attempts(), report.stop_reason()),
        (3, Some(StopReason::RetriesExhausted))
    );
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, "{\"error\":\"slow\"}");
}

#[tokio::test]
async fn a_peeked_body_is_put_back_in_front_of_the_rest() {
    // Larger than the peek: judged by its head, and handed back whole.
    let server = Wire::always(wire::large_answer(403, "", 200_000)).await;
    let policy = Provider::new("test").throttled_when_body_contains("slow down");
    let client = RetryLayer::new(policy).layer(http1_client());
    let response = client.oneshot(get(server.uri("/"))).await.unwrap();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body.len(), 200_000);
    assert_eq!(server.requests(), 1);
}

#[tokio::test]
async fn a_refusal_whose_body_breaks_off_is_still_a_refusal() {
    let server = Wire::start(|received| match received.nth {
        1 => wire::truncated_answer(429, NOW, "hal"),
        _ => wire::answer(200, "", "ok"),
    })
    .await;
    let client = quick().layer(http1_client());
    let response = client.oneshot(get(server.uri("/"))).await.unwrap();
    assert_eq!((response.status().as_u16(), server.requests()), (200, 2));
}

#[tokio::test]
async fn a_refusal_whose_body_breaks_off_is_judged_by_its_head() {
    let cut = format!("HTTP/1.1 429 No\r\n{NOW}content-length: 99\r\n\r\n{{\"code\":\"BROKE\"}}");
    let server = Wire::start(move |received| match received.nth {
        1 => vec![Step::Send(cut.clone().into()), Step::Close],
        _ => wire::answer(200, "", "ok"),
    })
    .await;
    let provider = Provider::new("test").final_codes(["BROKE"]);
    let layer = RetryLayer::new(provider).backoff(Backoff::exponential(Duration::from_millis(20)));
    let response = layer.layer(http1_client()).oneshot(get(server.uri("/")));
    assert_eq!(response.await.expect("served").status(), 200);
}

#[tokio::test]
async fn a_code_in_the_body_decides_over_a_real_connection() -> Result<(), BoxError> {
    let server = Wire::start(|received| match received.nth {
        1 => wire::answer(403, "", r#"{"error":{"code":"SLOW_DOWN"}}"#),
        2 => wire::answer(429, NOW, r#"{"error":{"code":"OUT_OF_CREDITS"}}"#),
        _ => wire::answer(200, "", "ok"),
    })
    .await;
    let policy = Provider::new("test")
        .bare_429_wait(Duration::from_millis(50))
        .throttled_codes(["slow_down"])
        .final_codes(["out_of_credits"]);
    let client = RetryLayer::new(policy).layer(http1_client());
    let response = client.oneshot(get(server.uri("/"))).await?;
    assert_eq!((response.status().as_u16(), server.requests()), (429, 2));
    let body = response.into_body().collect().await?.to_bytes();
    assert_eq!(body, r#"{"error":{"code":"OUT_OF_CREDITS"}}"#);
    Ok(())
}

#[tokio::test]
async fn waiting_calls_pin_no_connection() {
    let server = Wire::start(|received| match received.nth {
        1..=20 => wire::answer(429, "retry-after: 1\r\n", "not now"),
        _ => wire::answer(200, "", "ok"),
    })
    .await;
    let client = quick().layer(http1_client());
    let calls = (0..20).map(|_| client.clone().oneshot(get(server.uri("/"))));
    let responses = futures_util::future::join_all(calls).await;
    assert!(
        responses
            .iter()
            .all(|response| response.as_ref().unwrap().status() == 200)
    );
    // Twenty went out at once, each on its own connection; none of the retries needed a new one.
    assert!(server.connections() <= 20, "{}", server.connections());
}

#[tokio::test]
async fn a_peeked_body_that_breaks_off_does_not_look_whole() {
    let server = Wire::always(wire::truncated_answer(403, "", "{\"error\":")).await;
    let policy = Provider::new("test").throttled_codes(["SLOW_DOWN"]);
    let client = RetryLayer::new(policy).layer(http1_client());
    let response = client.oneshot(get(server.uri("/"))).await.unwrap();
    assert!(response.into_body().collect().await.is_err());
}
