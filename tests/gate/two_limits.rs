//! Two limits on one call, per key and per tenant: a layer for each, one inside the other.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::mock::{Mock, answer, status};
use crate::support::paused::*;
use tokio::time::Instant;
use tower::{Layer, ServiceBuilder};
use tower_backoff::policy::{Provider, RequestHead};
use tower_backoff::{Quota, RetryLayer, Scope};

const PER_KEY: usize = 10;
const PER_TENANT: usize = 4;

fn header<'a>(request: &RequestHead<'a>, name: &str) -> &'a str {
    let value = request.headers().get(name);
    value
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}

fn layer(name: &'static str, quota: Quota) -> RetryLayer {
    RetryLayer::new(Provider::new(name).quota(quota))
        .scope_by(move |request| Scope::named(header(request, name)))
        .seed(1)
}

/// Allows so many calls per key and per tenant in any second, and counts what it refuses.
fn server() -> (Mock, Arc<Mutex<usize>>) {
    type Log = HashMap<(&'static str, String), Vec<Instant>>;
    let (log, refused) = (Mutex::new(Log::new()), Arc::new(Mutex::new(0)));
    let refusals = Arc::clone(&refused);
    let mock = Mock::new(move |_, head| {
        let now = Instant::now();
        let mut log = log.lock().unwrap();
        let limits = [("x-key", PER_KEY), ("x-tenant", PER_TENANT)];
        let full = limits.into_iter().any(|(name, limit)| {
            let who = head.headers[name].to_str().unwrap().to_owned();
            let calls = log.entry((name, who)).or_default();
            calls.retain(|at| now - *at < secs(1));
            calls.push(now);
            calls.len() > limit
        });
        if full {
            *refusals.lock().unwrap() += 1;
            return answer(429, &[("retry-after", "1")], "");
        }
        status(200)
    });
    (mock.taking(millis(20)), refused)
}

/// Sends 20 calls of each of these tenants with each of these keys. Returns the refusals, and how long it took.
async fn drain(keys: &[&str], tenants: &[&str]) -> (usize, Duration) {
    let (mock, refused) = server();
    // A call that has passed the outer gate may wait at the inner one for this long, so that its slot at the outer one is
    // free when it was answered, and not before.
    let at_the_inner_gate = secs(30);
    let per_tenant = Quota::per_second(PER_TENANT as u32).slack(at_the_inner_gate);
    let per_key = layer("x-key", Quota::per_second(PER_KEY as u32)).patience(at_the_inner_gate);
    let service = ServiceBuilder::new()
        .layer(layer("x-tenant", per_tenant))
        .service(per_key.layer(mock));
    let begun = Instant::now();
    let mut calls = Vec::new();
    for _ in 0..20 {
        for (key, tenant) in keys
            .iter()
            .flat_map(|key| tenants.iter().map(move |tenant| (key, tenant)))
        {
            let mut request = get("https://api.test/");
            let headers = request.headers_mut();
            headers.insert("x-key", key.parse().unwrap());
            headers.insert("x-tenant", tenant.parse().unwrap());
            calls.push(start(&service, request));
        }
    }
    for call in calls {
        assert_eq!(call.await.unwrap().unwrap().status(), 200);
    }
    (*refused.lock().unwrap(), begun.elapsed())
}

#[tokio::test(start_paused = true)]
async fn a_limit_per_key_and_one_per_tenant_hold_at_once() {
    // 60 calls of one key, 10 a second; of each tenant 20, of which 4 a second would be allowed.
    let (refused, took) = drain(&["one"], &["a", "b", "c"]).await;
    assert_eq!(refused, 0);
    assert_between(took, secs(5), secs(3));
    // 40 calls of one tenant over two keys, 4 a second.
    let (refused, took) = drain(&["one", "two"], &["a"]).await;
    assert_eq!(refused, 0);
    assert_between(took, secs(9), secs(2));
}
