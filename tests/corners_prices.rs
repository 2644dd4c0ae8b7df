//! What a published count of calls has to do with prices.
mod support;
use support::mock::{Mock, answer};
use support::paused::*;
use tokio::time::Instant;
use tower_backoff::policy::Provider;
use tower_backoff::{Gates, Price, Quota, RetryLayer};
const URI: &str = "https://api.test/";

/// As the docs of `providers::github` advise: writes cost 5 points of one limit, and 1 call of the published one.
#[tokio::test(start_paused = true)]
async fn a_published_count_of_calls_is_spent_by_calls() {
    let mock = Mock::new(|nth, _| {
        let left = 100usize.saturating_sub(nth).to_string();
        let headers = [
            ("x-ratelimit-limit", "100"),
            ("x-ratelimit-remaining", left.as_str()),
            ("x-ratelimit-reset", "3000"),
        ];
        answer(200, &headers, "")
    });
    let points =
        Provider::new("points").quotas([Quota::per_minute(900), Quota::per_minute(80).per_call()]);
    let service = around(&mock, RetryLayer::new(points).price_by(|_| 5));
    let begun = Instant::now();
    for _ in 0..70 {
        send(&service, post(URI)).await.unwrap();
    }
    assert!(begun.elapsed() < secs(1), "{:?}", offsets(&mock, begun));
}

#[tokio::test(start_paused = true)]
async fn a_price_of_the_largest_number_does_not_break_the_published_count() {
    let mock = Mock::new(|_, _| {
        answer(
            200,
            &[
                ("x-ratelimit-limit", "100"),
                ("x-ratelimit-remaining", "50"),
                ("x-ratelimit-reset", "30"),
            ],
            "",
        )
    })
    .taking(millis(50));
    let gates = Gates::new();
    let service = around(&mock, RetryLayer::new(Provider::new("p")).gates(&gates));
    let calls: Vec<_> = (0..5)
        .map(|_| {
            let s = service.clone();
            tokio::spawn(async move {
                let mut r = get(URI);
                r.extensions_mut().insert(Price(u32::MAX));
                send(&s, r).await
            })
        })
        .collect();
    for c in calls {
        c.await.unwrap().unwrap();
    }
    assert!(
        gates
            .all()
            .iter()
            .all(|gate| gate.in_flight == 0 && gate.waiting == 0)
    );
}
