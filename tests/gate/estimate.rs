//! What a gate foresees, beside what then happens.

use std::sync::Mutex;
use std::time::Duration;

use crate::support::mock::{Mock, answer, status};
use crate::support::paused::*;
use http::Request;
use tokio::time::Instant;
use tower_backoff::policy::Provider;
use tower_backoff::{Gates, Patience, Quota, RetryLayer, Scope};

const URI: &str = "https://api.test/jobs";

fn scope() -> Scope {
    Scope::origin(&URI.parse().unwrap())
}

fn patient() -> Request<Body> {
    let mut request = get(URI);
    request.extensions_mut().insert(Patience::of(secs(36_000)));
    request
}

fn serves_all() -> Mock {
    Mock::new(|_, _| status(200)).taking(millis(50))
}

/// Publishes what is left of 30 calls in each 5 s.
fn publishes() -> Mock {
    let window = Mutex::new((Instant::now(), 0u32));
    let script = move |_: usize, _: &http::request::Parts| {
        let mut window = window.lock().unwrap();
        let now = Instant::now();
        if window.1 == 0 || now >= window.0 + secs(5) {
            *window = (now, 0);
        }
        window.1 += 1;
        let reset = format!("{:.3}", (window.0 + secs(5) - now).as_secs_f64());
        let left = 30u32.saturating_sub(window.1).to_string();
        let headers = [
            ("x-ratelimit-limit", "30"),
            ("x-ratelimit-remaining", &*left),
            ("x-ratelimit-reset-after", &*reset),
        ];
        answer(if window.1 > 30 { 429 } else { 200 }, &headers, "")
    };
    Mock::new(script).taking(millis(50))
}

fn is_within_5_percent(foreseen: Duration, happened: Duration) -> bool {
    let tolerance = happened.mul_f64(0.05) + millis(60);
    foreseen + tolerance >= happened && happened + tolerance >= foreseen
}

#[tokio::test(start_paused = true)]
async fn a_backlog_takes_as_long_as_was_foreseen() {
    let provider = |quota: Quota| Provider::new("test").quota(quota);
    for (name, mock, provider) in [
        ("a window", serves_all(), provider(Quota::new(20, secs(2)))),
        (
            "a pace",
            serves_all(),
            provider(Quota::per_minute(600).paced()),
        ),
        (
            "a bucket",
            serves_all(),
            provider(Quota::per_second(10).burst(3)),
        ),
        (
            "calls at once",
            serves_all(),
            provider(Quota::concurrent(4)),
        ),
        ("counters", publishes(), Provider::new("test")),
        ("nothing", serves_all(), Provider::new("test")),
    ] {
        let gates = Gates::new();
        let layer = RetryLayer::new(provider).gates(&gates);
        let service = around(&mock, layer.max_waiting(usize::MAX));
        assert_eq!(gates.estimate(&scope(), 1), None, "{name}: no gate yet");
        for _ in 0..5 {
            send(&service, patient()).await.unwrap();
        }
        // Some calls wait already.
        let mut calls: Vec<_> = (0..50).map(|_| start(&service, patient())).collect();
        tokio::time::sleep(millis(10)).await;
        let estimate = gates.estimate(&scope(), 200).expect("it can be foreseen");
        let asked = Instant::now();
        calls.extend((0..200).map(|_| start(&service, patient())));
        for call in calls {
            assert_eq!(call.await.unwrap().unwrap().status(), 200, "{name}");
        }
        let sent = offsets(&mock, asked);
        let (first, last) = (sent[55], sent[sent.len() - 1]);
        assert!(
            is_within_5_percent(estimate.first, first),
            "{name}: {estimate:?}, {first:?}"
        );
        assert!(
            is_within_5_percent(estimate.last, last),
            "{name}: {estimate:?}, {last:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_closing_is_foreseen() {
    let mock = Mock::new(|nth, _| match nth {
        1 => answer(429, &[("retry-after", "30")], ""),
        _ => status(200),
    })
    .taking(millis(50));
    let gates = Gates::new();
    let service = around(&mock, RetryLayer::new(Provider::new("test")).gates(&gates));
    let refused = start(&service, patient());
    tokio::time::sleep(secs(10)).await;
    let estimate = gates.estimate(&scope(), 1).expect("it can be foreseen");
    assert_between(estimate.first, secs(20), millis(500));
    refused.await.unwrap().unwrap();
    let estimate = gates.estimate(&scope(), 1).expect("it can be foreseen");
    assert!(estimate.last < millis(200), "{estimate:?}");
}
