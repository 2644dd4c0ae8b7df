//! Slots among concurrent calls at the target of a redirect.

use std::time::Duration;

use http::Response;
use http_body_util::Full;
use tokio::time::Instant;
use tower_backoff::failure::Redirected;
use tower_backoff::policy::Provider;
use tower_backoff::{Gates, Quota, RetryLayer};

use crate::support::mock::{Answer, Mock, status};
use crate::support::paused::*;

/// A refusal by another address than the one that was asked.
fn refused_behind_a_redirect() -> Answer {
    let response = Response::builder().status(429).header("retry-after", "1");
    let mut response = response.body(Full::default())?;
    let there = "https://b.test/".parse()?;
    response.extensions_mut().insert(Redirected::new(there));
    Ok(response)
}

fn server() -> Mock {
    Mock::new(|nth, _| match nth {
        1 => refused_behind_a_redirect(),
        _ => status(200),
    })
}

#[tokio::test(start_paused = true)]
async fn a_retry_gives_the_slot_at_the_target_of_a_redirect_back() {
    let gates = Gates::new();
    let policy = Provider::new("slots").quota(Quota::concurrent(5));
    let service = around(&server(), RetryLayer::new(policy).gates(&gates));
    let outcome = send(&service, get("https://a.test/")).await;
    assert_eq!(status_of(&outcome), 200);
    drop(outcome);
    for gate in gates.snapshot() {
        assert!(gate.quotas.iter().all(|quota| quota.used == 0), "{gate:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_retry_does_not_wait_for_its_own_slot_at_the_target_of_a_redirect() {
    let policy = Provider::new("own-slot").quota(Quota::concurrent(1));
    let service = around(&server(), RetryLayer::new(policy));
    let begun = Instant::now();
    let outcome = send(&service, get("https://a.test/")).await;
    assert_eq!(status_of(&outcome), 200);
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
}
