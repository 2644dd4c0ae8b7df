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

/// The end of the answer of a middleware below.
#[tokio::test]
async fn a_timeout_of_the_request_holds_for_each_attempt_and_the_version_and_url_survive() {
    use std::sync::Arc;
    use std::sync::atomic::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let seen = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&seen);
    tokio::spawn(async move {
        loop {
            let (mut s, _) = listener.accept().await.unwrap();
            let counted = Arc::clone(&counted);
            tokio::spawn(async move {
                let mut buf = [0u8; 4096];
                while let Ok(n) = s.read(&mut buf).await {
                    if n == 0 {
                        break;
                    }
                    let nth = counted.fetch_add(1, Ordering::SeqCst);
                    if nth == 0 {
                        continue;
                    } // hangs
                    let _ = s
                        .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
                        .await;
                }
            });
        }
    });
    let client = reqwest_middleware::ClientBuilder::new(reqwest::Client::new())
        .with(tower_backoff::client::reqwest_middleware::Backoff::new(
            RetryLayer::new(Provider::new("m")),
        ))
        .build();
    let begun = std::time::Instant::now();
    let response = client
        .get(format!("http://user:secret@{at}/x?y=%20z#frag"))
        .timeout(millis(300))
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
    println!("{} {:?}", response.url(), begun.elapsed());
    assert_eq!(seen.load(Ordering::SeqCst), 2);
    // A POST that timed out is not sent twice.
    seen.store(0, Ordering::SeqCst);
    let error = client
        .post(format!("http://user:secret@{at}/x?token=sesame"))
        .body("b")
        .timeout(millis(300))
        .send()
        .await
        .unwrap_err();
    assert_eq!(seen.load(Ordering::SeqCst), 1);
    println!("{error:?}");
    assert!(begun.elapsed() < secs(5));
}

/// Two quotas with the same words get the same labels.
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
    println!("{:?}", gates.all());
}
