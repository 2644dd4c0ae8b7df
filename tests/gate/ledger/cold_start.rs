//! The first moments of a fleet whose API declares and publishes nothing.

use super::*;

/// How many calls are served in each second to sixteen processes with 10 workers each, of an API without limits.
async fn served(with_ledger: bool) -> Vec<usize> {
    let ledger = TestLedger::new();
    let server = Server::serving(usize::MAX, Duration::ZERO, millis(20));
    let stops = Arc::new(AtomicBool::new(false));
    for _ in 0..16 {
        let mut layer = RetryLayer::new(Provider::new("acme")).gates(&Gates::new());
        if with_ledger {
            layer = layer.fleet(LedgerFleet::new(Connection(Arc::clone(&ledger))));
        }
        work(&around(&server.mock, layer), 10, &stops);
    }
    let began = Instant::now();
    tokio::time::sleep(secs(3)).await;
    stops.store(true, Ordering::Relaxed);
    server.each_second(began, 3)
}

#[tokio::test(start_paused = true)]
async fn an_api_without_limits_is_slowed_in_the_first_second_alone() {
    let (alone, together) = (served(false).await, served(true).await);
    println!("each by itself {alone:?}, with a ledger {together:?}");
    assert!(together[0] * 2 >= alone[0], "{together:?} of {alone:?}");
    for second in 1..3 {
        assert!(
            together[second] * 100 >= alone[second] * 95,
            "{together:?} of {alone:?}"
        );
    }
}
