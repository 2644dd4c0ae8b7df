//! The list of all contenders.

use tower::Layer;
use tower::retry::budget::TpsBudget;
use tower_backoff::policy::Provider;
use tower_backoff::{Quota, RetryLayer};

use crate::contender::{Contender, service};
use crate::copy::CopyRequest;
use crate::fleet::GrantsAll;
use crate::mock::Mock;
use crate::peers;

/// All contenders, the bare service first.
pub fn all() -> Vec<Contender> {
    let mut all = vec![
        service("bare", Mock::without_counters()),
        service("one request copy", CopyRequest(Mock::without_counters())),
    ];
    let [tower, resilience, backon, reqwest] =
        peers::all(&Mock::without_counters(), TpsBudget::default());
    all.extend([
        tower,
        resilience,
        backon,
        peers::no_retry(&Mock::without_counters()),
        reqwest,
    ]);
    all.extend([
        service("ours", ours(Mock::without_counters())),
        service("ours, counters published", ours(Mock::with_counters())),
        service(
            "ours, granted by a fleet",
            in_fleet(Mock::without_counters()),
        ),
    ]);
    all
}

/// The defaults of this crate, and a quota that is never reached.
fn ours(mock: Mock) -> tower_backoff::Retry<Mock> {
    let policy = Provider::new("bench").quota(Quota::per_second(1_000_000));
    RetryLayer::new(policy).layer(mock)
}

/// The same, with a member of a fleet that grants each call.
fn in_fleet(mock: Mock) -> tower_backoff::Retry<Mock> {
    let policy = Provider::new("bench").quota(Quota::per_second(1_000_000));
    RetryLayer::new(policy).fleet(GrantsAll).layer(mock)
}
