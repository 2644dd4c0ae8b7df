//! A user opens a scope for all processes.

use super::*;
use tower_backoff::Scope;

const DAY: &str = "86400";

/// A process whose gates the test can open.
fn process(mock: &Mock, ledger: &Arc<TestLedger>) -> (Retry<Mock>, Gates) {
    let gates = Gates::new();
    let fleet = LedgerFleet::new(Connection(Arc::clone(ledger)));
    let layer = RetryLayer::new(Provider::new("acme").quota(Quota::per_second(100)))
        .gates(&gates)
        .patience(secs(200_000))
        .fleet(fleet);
    (around(mock, layer), gates)
}

#[tokio::test(start_paused = true)]
async fn a_scope_that_is_opened_in_one_process_opens_in_all() {
    let ledger = TestLedger::new();
    let mock = Mock::new(|nth, _| match nth {
        // Both are refused before they hear of each other.
        0 | 1 => answer(429, &[("retry-after", DAY)], ""),
        _ => status(200),
    });
    let (first, gates) = process(&mock, &ledger);
    let (second, _others) = process(&mock, &ledger);
    let began = Instant::now();
    let calls = [first, second].map(|service| start(&service, get(URI)));
    tokio::time::sleep(secs(60)).await;
    assert_eq!(mock.calls().len(), 2, "closed for a day");
    gates.reopen(&Scope::origin(&URI.parse().unwrap()));
    for call in calls {
        assert_eq!(call.await.unwrap().unwrap().status(), 200);
    }
    let took = began.elapsed();
    assert!(took < secs(63), "{took:?}");
}
