//! Which gates are known, and when they are forgotten.

use std::time::Duration;

use super::*;
use crate::retry::Priority;

const MINUTE: Duration = Duration::from_secs(60);

fn scope(host: u32) -> Scope {
    Scope::origin(&format!("https://host-{host}.test/").parse().unwrap())
}

fn known(gates: &Gates) -> usize {
    gates.lock().all().len()
}

/// Each host is called once, and its address remembered.
fn call_all(gates: &Gates, hosts: u32, now: Moment) {
    let quotas = [Quota::per_minute(100)];
    for host in 0..hosts {
        let config = GateConfig {
            quotas: &quotas,
            ..GateConfig::default()
        };
        let gate = gates.of(scope(host), config, now);
        let uri = format!("https://host-{host}.test/").parse().unwrap();
        gates.cache(&uri, &gate);
        let mut permit = Permit::new(gate, 1);
        assert!(
            permit
                .try_acquire_now(Priority::Normal, false, now.instant())
                .1,
            "the gate is open"
        );
        permit.complete(Completion::plain(Outcome::Ok), now);
    }
}

#[test]
fn gates_that_are_not_used_are_forgotten_with_time() {
    let (gates, start) = (Gates::new(), Moment::now());
    call_all(&gates, 5_000, start);
    assert_eq!(known(&gates), 5_000);
    gates.tidy(start + MINUTE);
    assert_eq!(known(&gates), 5_000, "they may be of use");
    gates.tidy(start + MINUTE * 17);
    assert_eq!(known(&gates), 1, "the first is never forgotten");
}

#[tokio::test(start_paused = true)]
async fn a_call_to_one_host_forgets_those_that_were_called_a_day_ago() {
    use tower::{Layer, ServiceExt};
    let gates = Gates::new();
    let served = |_| async { Ok::<_, crate::BoxError>(http::Response::new(String::new())) };
    let policy = crate::policy::Provider::new("test").quota(Quota::per_minute(100));
    let layer = crate::RetryLayer::new(policy).gates(&gates);
    let service = layer.layer(tower::service_fn(served));
    let call = |host: u32| {
        let request = http::Request::get(format!("https://host-{host}.test/"));
        service
            .clone()
            .oneshot(request.body(String::new()).unwrap())
    };
    for host in 0..200 {
        call(host).await.unwrap();
    }
    assert_eq!(known(&gates), 200);
    tokio::time::advance(MINUTE * 24 * 60).await;
    call(1).await.unwrap();
    assert!(known(&gates) <= 2, "{} are known", known(&gates));
}

#[test]
fn gates_are_searched_once_a_minute_and_a_handful_never() {
    let (gates, start) = (Gates::new(), Moment::now());
    call_all(&gates, 64, start);
    assert!(!gates.shared.sweep_due.is_over(start + MINUTE * 1_000));
    call_all(&gates, 100, start);
    let later = start + MINUTE * 2;
    assert!(gates.shared.sweep_due.is_over(later));
    gates.tidy(later);
    assert!(!gates.shared.sweep_due.is_over(later + MINUTE / 2));
    assert!(gates.shared.sweep_due.is_over(later + MINUTE));
}

#[test]
fn a_scope_has_at_most_1024_buckets_and_the_idle_ones_make_room() {
    let (gates, start) = (Gates::new(), Moment::now());
    let key = BucketKey {
        route: 1,
        resource: None,
    };
    let name = |nth: u32| Arc::from(format!("bucket-{nth}"));
    let bucket =
        |nth, now| gates.name_bucket(&scope(0), key, &name(nth), GateConfig::default(), now);
    let held: Vec<_> = (0..1_024).filter_map(|nth| bucket(nth, start)).collect();
    assert_eq!(held.len(), 1_024);
    assert!(bucket(5, start).is_some(), "it is known");
    assert!(bucket(2_000, start).is_none(), "calls are at all of them");
    assert!(
        gates
            .bucket(&scope(0), key, GateConfig::default(), start)
            .is_none()
    );
    assert!(
        gates
            .name_bucket(&scope(1), key, &name(1), GateConfig::default(), start)
            .is_some()
    );
    drop(held);
    assert!(bucket(2_000, start).is_none(), "not searched at every call");
    assert!(bucket(2_000, start + MINUTE).is_some());
    assert_eq!(known(&gates), 2);
}

#[test]
fn a_bucket_that_a_failure_does_not_concern_frees_its_slot_once() {
    let quotas = [Quota::concurrent(3)];
    let config = GateConfig {
        quotas: &quotas,
        ..GateConfig::default()
    };
    let (gates, now) = (Gates::new(), Moment::now());
    let gate = gates.of(Scope::single(), config, now);
    let enter = || {
        let mut permit = Permit::new(Arc::clone(&gate), 1);
        assert!(
            permit
                .try_acquire_now(Priority::Normal, false, now.instant())
                .1
        );
        permit
    };
    let used = || gates.snapshot()[0].quotas[0].used;
    let other = enter();
    let mut failed = enter();
    failed.complete(Completion::plain(Outcome::Unconcerned), now);
    drop(failed);
    assert_eq!(used(), 1, "the other call is in flight");
    drop(other);
    assert_eq!(used(), 0);
}
