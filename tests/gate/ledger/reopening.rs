//! A user opens a scope for all processes.

use super::*;
use tower_backoff::Scope;

const DAY: &str = "86400";

fn fleet(ledger: &Arc<TestLedger>) -> LedgerFleet<Connection> {
    LedgerFleet::new(Connection(Arc::clone(ledger)))
}

/// A connection that is cut until the test mends it.
struct Cable(Connection, Arc<AtomicBool>);

impl LedgerClient for Cable {
    async fn exchange(&self, scope: ScopeName, exchange: &Exchange) -> Result<Reply, Unreachable> {
        match self.1.load(Ordering::Relaxed) {
            true => Err(Unreachable::NoConnection("it is cut".to_owned())),
            false => self.0.exchange(scope, exchange).await,
        }
    }
}

/// A process whose gates the test can open.
fn process<L: LedgerClient>(mock: &Mock, fleet: LedgerFleet<L>) -> (Retry<Mock>, Gates) {
    let gates = Gates::new();
    let layer = RetryLayer::new(Provider::new("acme").quota(Quota::per_second(100)))
        .gates(&gates)
        .patience(secs(200_000))
        .fleet(fleet);
    (around(mock, layer), gates)
}

/// A server that refuses two calls for a day, before their processes hear of each other.
fn refuses_both() -> Mock {
    Mock::new(|nth, _| match nth {
        1 | 2 => answer(429, &[("retry-after", DAY)], ""),
        _ => status(200),
    })
    .taking(Duration::from_millis(50))
}

#[tokio::test(start_paused = true)]
async fn a_scope_that_is_opened_in_one_process_opens_in_all() {
    let ledger = TestLedger::new();
    let mock = refuses_both();
    let (first, gates) = process(&mock, fleet(&ledger));
    let (second, _others) = process(&mock, fleet(&ledger));
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

#[tokio::test(start_paused = true)]
async fn a_scope_that_is_opened_opens_at_once_in_the_other_layers_of_the_process() {
    let ledger = TestLedger::new();
    let mock = refuses_both();
    let same_member = fleet(&ledger);
    let (first, gates) = process(&mock, same_member.clone());
    let (second, _others) = process(&mock, same_member);
    let calls = [first, second].map(|service| start(&service, get(URI)));
    tokio::time::sleep(secs(60)).await;
    assert_eq!(mock.calls().len(), 2, "closed for a day");
    let opened = Instant::now();
    gates.reopen(&Scope::origin(&URI.parse().unwrap()));
    for call in calls {
        assert_eq!(call.await.unwrap().unwrap().status(), 200);
    }
    let took = opened.elapsed();
    assert!(took < secs(1), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_process_that_was_alone_does_not_close_a_scope_again_that_was_opened_meanwhile() {
    let ledger = TestLedger::new();
    let mock = refuses_both();
    let (first, gates) = process(&mock, fleet(&ledger));
    let is_cut = Arc::new(AtomicBool::new(true));
    let cable = Cable(Connection(Arc::clone(&ledger)), Arc::clone(&is_cut));
    let (second, _others) = process(&mock, LedgerFleet::new(cable));
    let calls = [first, second].map(|service| start(&service, get(URI)));
    tokio::time::sleep(secs(60)).await;
    assert_eq!(mock.calls().len(), 2, "closed for a day");
    gates.reopen(&Scope::origin(&URI.parse().unwrap()));
    tokio::time::sleep(secs(5)).await;
    is_cut.store(false, Ordering::Relaxed);
    let came_back = Instant::now();
    for call in calls {
        assert_eq!(call.await.unwrap().unwrap().status(), 200);
    }
    let took = came_back.elapsed();
    assert!(took < secs(3), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_process_that_was_alone_does_not_open_a_scope_that_was_closed_since_its_user_opened_it() {
    let ledger = TestLedger::new();
    let mock = Mock::new(|nth, _| match nth {
        1 | 3 => answer(429, &[("retry-after", DAY)], ""),
        _ => status(200),
    });
    let is_cut = Arc::new(AtomicBool::new(true));
    let cable = Cable(Connection(Arc::clone(&ledger)), Arc::clone(&is_cut));
    let (first, gates) = process(&mock, LedgerFleet::new(cable));
    let (second, _others) = process(&mock, fleet(&ledger));
    let opened = start(&first, get(URI));
    tokio::time::sleep(secs(10)).await;
    gates.reopen(&Scope::origin(&URI.parse().unwrap()));
    assert_eq!(opened.await.unwrap().unwrap().status(), 200);
    tokio::time::sleep(secs(10)).await;
    let _waiting = start(&second, get(URI));
    tokio::time::sleep(secs(10)).await;
    is_cut.store(false, Ordering::Relaxed);
    tokio::time::sleep(secs(1)).await;
    let _first_waits = start(&first, get(URI));
    tokio::time::sleep(secs(600)).await;
    // The second process was refused after the user had opened the scope in the first one.
    assert_eq!(mock.calls().len(), 3);
}
