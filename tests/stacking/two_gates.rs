//! One call that is counted twice, per key and per tenant: two layers, one inside the other.

use std::time::Duration;

use crate::support::mock::{Mock, answer, status};
use crate::support::paused::*;
use http::Request;
use tokio::time::Instant;
use tower::ServiceBuilder;
use tower_backoff::policy::{Provider, RequestHead};
use tower_backoff::{
    Clock, Gates, NotBefore, Quota, Report, ReportSlot, Retry, RetryLayer, Scope, StopReason,
};

const INSIDE: Duration = Duration::from_secs(30);

fn by(request: &RequestHead<'_>, name: &'static str) -> Scope {
    let value = request.headers().get(name).unwrap();
    Scope::named(name).keyed(value.as_bytes())
}

/// The layer per tenant outside, and that per key inside.
struct Stack {
    service: Retry<Retry<Mock>>,
    tenants: Gates,
    keys: Gates,
}

fn stack(mock: &Mock) -> Stack {
    let (tenants, keys) = (Gates::new(), Gates::new());
    let per_tenant = Provider::new("per tenant").quota(Quota::per_second(4).slack(INSIDE));
    let per_key = Provider::new("per key").quota(Quota::per_second(10));
    let service = ServiceBuilder::new()
        .layer(
            RetryLayer::new(per_tenant)
                .clock(Clock::starting_at(noon()))
                .gates(&tenants)
                .scope_by(|request| by(request, "x-tenant")),
        )
        .layer(
            RetryLayer::new(per_key)
                .clock(Clock::starting_at(noon()))
                .gates(&keys)
                .scope_by(|request| by(request, "authorization"))
                .patience(INSIDE),
        )
        .service(mock.clone());
    Stack {
        service,
        tenants,
        keys,
    }
}

fn call(tenant: &str, key: &str) -> Request<Body> {
    let mut request = get("https://api.test/");
    let headers = request.headers_mut();
    headers.insert("x-tenant", tenant.parse().unwrap());
    headers.insert("authorization", key.parse().unwrap());
    request
}

/// For how many seconds the gates are closed that are.
fn closed(gates: &Gates) -> Vec<u64> {
    let gates = gates.snapshot().into_iter();
    let closed = gates.filter_map(|gate| gate.closed_for);
    closed.map(|closed| closed.as_secs()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_tenant_that_has_spent_its_quota_holds_no_other_of_the_same_key() {
    let stack = stack(&Mock::new(|_, _| status(200)));
    let begun = Instant::now();
    let busy: Vec<_> = (0..8)
        .map(|_| start(&stack.service, call("busy", "k")))
        .collect();
    let quiet: Vec<_> = (0..4)
        .map(|_| start(&stack.service, call("quiet", "k")))
        .collect();
    for call in quiet {
        call.await.unwrap().unwrap();
    }
    assert!(begun.elapsed() < millis(100), "{:?}", begun.elapsed());
    for call in busy {
        call.await.unwrap().unwrap();
    }
    assert_between(begun.elapsed(), secs(1), millis(500));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_closes_the_gate_of_the_key_and_not_that_of_the_tenant() {
    let mock = Mock::new(|nth, _| match nth {
        1 => answer(429, &[("retry-after", "20")], ""),
        _ => status(200),
    });
    let stack = stack(&mock);
    let begun = Instant::now();
    let refused = start(&stack.service, call("a", "k"));
    tokio::time::sleep(secs(1)).await;
    assert_eq!(closed(&stack.keys), [19]);
    assert!(closed(&stack.tenants).is_empty());
    // Another key is free, also for this tenant; another tenant of this key is not.
    send(&stack.service, call("a", "other")).await.unwrap();
    assert_between(begun.elapsed(), secs(1), millis(100));
    send(&stack.service, call("b", "k")).await.unwrap();
    assert_between(begun.elapsed(), secs(20), secs(1));
    assert_eq!(refused.await.unwrap().unwrap().status(), 200);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_for_longer_closes_both_gates_and_the_report_says_until_when() {
    let stack = stack(&Mock::new(|_, _| answer(429, &[("retry-after", "90")], "")));
    let refused = send(&stack.service, call("a", "k")).await.unwrap();
    assert_eq!(closed(&stack.keys), [90]);
    assert_eq!(closed(&stack.tenants), [90]);
    says_until_when(refused.extensions().get().unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_call_that_waits_no_longer_at_the_gate_of_its_key_says_until_when() {
    let refusing = || Mock::new(|_, _| answer(429, &[("retry-after", "90")], ""));
    let stack = stack(&refusing());
    let _ = send(&stack.service, call("a", "k")).await;
    let slot = ReportSlot::new();
    let mut request = call("b", "k");
    request.extensions_mut().insert(slot.clone());
    let error = send(&stack.service, request).await.unwrap_err();
    assert_between(NotBefore::find(&*error).unwrap().wait(), secs(90), secs(1));
    says_until_when(&slot.report().unwrap());
}

/// In 90 s, by the header.
#[track_caller]
fn says_until_when(report: &Report) {
    assert_eq!(report.stop_reason(), Some(StopReason::PatienceExceeded));
    let wait = report
        .not_before()
        .map(|moment| moment.duration_since(noon()));
    assert_between(wait.unwrap().unwrap(), secs(90), secs(1));
    assert_eq!(report.decided_by(), Some("retry-after"));
}
