//! Calls under a few of the presets: what callers see, and when the next request is sent.

use http::request::Parts;
use tokio::time::Instant;
use tower_backoff::policy::Provider;
use tower_backoff::{Cost, Retry, RetryLayer, providers};

use crate::support::mock::{Answer, Mock, answer, status};
use crate::support::paused::*;

fn service(
    provider: Provider,
    script: impl Fn(usize, &Parts) -> Answer + Send + Sync + 'static,
) -> (Mock, Retry<Mock>) {
    let mock = Mock::new(script);
    let service = around(&mock, RetryLayer::new(provider));
    (mock, service)
}

#[tokio::test(start_paused = true)]
async fn stack_exchange_is_left_alone_as_long_as_its_answer_asks() {
    let (mock, service) = service(providers::stack_exchange(), |nth, _| {
        let body = if nth == 1 {
            r#"{"items":[],"backoff":10}"#
        } else {
            r#"{"items":[]}"#
        };
        answer(200, &[], body)
    });
    let begun = Instant::now();
    send(&service, get("https://api.test/2.3/tags"))
        .await
        .unwrap();
    assert_eq!(begun.elapsed(), secs(0), "the answer itself is not held");
    send(&service, get("https://api.test/2.3/tags"))
        .await
        .unwrap();
    assert_between(offsets(&mock, begun)[1], secs(10), millis(300));
}

#[tokio::test(start_paused = true)]
async fn a_lock_at_stripe_holds_up_nobody_else() {
    const LOCK: &str = r#"{"error":{"code":"lock_timeout"}}"#;
    let (mock, service) = service(providers::stripe(), |nth, _| match nth {
        1 => answer(429, &[], LOCK),
        _ => status(200),
    });
    let begun = Instant::now();
    let response = send(&service, post("https://api.test/v1/refunds")).await;
    assert_eq!(response.unwrap().status(), 200);
    assert_eq!(mock.calls().len(), 2);
    assert!(begun.elapsed() < secs(1), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_spent_base_of_airtable_stops_no_other() {
    let (mock, service) = service(providers::airtable(), |nth, _| match nth {
        1 => status(429),
        _ => status(200),
    });
    let begun = Instant::now();
    let first = send(&service, get("https://api.test/v0/app1/A"));
    let other = async {
        tokio::time::sleep(secs(1)).await;
        send(&service, get("https://api.test/v0/app2/A")).await
    };
    let (first, other) = tokio::join!(first, other);
    assert_eq!(first.unwrap().status(), 200);
    assert_eq!(other.unwrap().status(), 200);
    let sent = offsets(&mock, begun);
    assert_eq!(sent[1], secs(1));
    assert!(sent[2] >= secs(30), "{sent:?}");
}

#[tokio::test(start_paused = true)]
async fn what_strava_has_left_is_spent_before_sending() {
    let mock = Mock::new(|nth, _| {
        let usage = format!("{},643", 196 + nth);
        let headers = [
            ("date", "Thu, 01 Jan 2026 10:13:00 GMT"),
            ("x-ratelimit-limit", "200,2000"),
            ("x-ratelimit-usage", &usage[..]),
        ];
        answer(200, &headers, "")
    })
    .taking(secs(1));
    let service = around(&mock, RetryLayer::new(providers::strava()));
    let athlete = || get("https://api.test/athlete");
    let begun = Instant::now();
    send(&service, athlete()).await.unwrap();
    let calls: Vec<_> = (0..4).map(|_| start(&service, athlete())).collect();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    let sent = offsets(&mock, begun);
    assert_eq!(sent[1..4], [secs(1); 3], "three are left of the quarter");
    assert_between(sent[4], secs(121), millis(2_500));
}

#[tokio::test(start_paused = true)]
async fn a_spent_balance_at_openai_ends_the_call_at_once() {
    const SPENT: &str =
        r#"{"error":{"type":"insufficient_quota","code":"credit_balance_exhausted"}}"#;
    let (mock, service) = service(providers::openai(), |_, _| answer(429, &[], SPENT));
    let begun = Instant::now();
    let response = send(&service, post("https://api.test/v1/responses")).await;
    assert_eq!(response.unwrap().status(), 429);
    assert_eq!(mock.calls().len(), 1);
    assert_eq!(begun.elapsed(), secs(0), "it does not wait for next month");
}

#[tokio::test(start_paused = true)]
async fn a_question_whose_connection_broke_is_asked_again_and_an_order_is_not() {
    for (path, sent) in [("chat/completions", 2), ("responses", 1)] {
        let (mock, service) = service(providers::openai(), |nth, _| match nth {
            1 => Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset).into()),
            _ => status(200),
        });
        let uri = format!("https://api.test/v1/{path}");
        let _ = send(&service, post(&uri)).await;
        assert_eq!(mock.calls().len(), sent, "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_says_its_tokens_waits_for_the_published_ones() {
    for (provider, remaining, reset, name) in [
        (
            providers::openai(),
            "x-ratelimit-remaining-tokens",
            "x-ratelimit-reset-tokens",
            "tokens",
        ),
        (
            providers::groq(),
            "x-ratelimit-remaining-tokens",
            "x-ratelimit-reset-tokens",
            "tokens",
        ),
        (
            providers::anthropic(),
            "anthropic-ratelimit-output-tokens-remaining",
            "anthropic-ratelimit-output-tokens-reset",
            "output-tokens",
        ),
    ] {
        let (mock, service) = service(provider, move |nth, _| match nth {
            1 => answer(200, &[(remaining, "500"), (reset, "6s")], ""),
            _ => status(200),
        });
        let begun = Instant::now();
        for cost in [100, 400, 900] {
            let mut request = post("https://api.test/v1/messages");
            let cost = Cost::of(name, cost);
            request.extensions_mut().insert(cost);
            send(&service, request).await.unwrap();
        }
        let sent = offsets(&mock, begun);
        assert!(sent[1] < secs(1), "500 are enough for 400: {sent:?}");
        assert_between(sent[2], secs(6), secs(1));
    }
}
