//! Of several keys of one API, each call takes the one that is free first.
//!
//! ```text
//! cargo run --example several_keys
//! ```
//!
//! Two keys of a small plan and one of a bigger plan: 5, 5 and 20 calls a second. Sixty calls are sent as soon as any key
//! allows, which takes one second and not four.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tower::{Layer, ServiceExt};
use tower_backoff::policy::Provider;
use tower_backoff::{BoxError, Gates, Quota, RetryLayer, Scope};

const KEYS: [(&str, u32); 3] = [("small 1", 5), ("small 2", 5), ("big", 20)];

/// The key whose next call would be sent first.
fn free_key(gates: &Gates) -> usize {
    let wait = |key: &usize| {
        let estimate = gates.estimate(&Scope::named(KEYS[*key].0), 1);
        // No gate yet: the key was never used.
        estimate.map_or(Duration::ZERO, |estimate| estimate.first)
    };
    (0..KEYS.len()).min_by_key(wait).expect("there are keys")
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    let gates = Gates::new();
    let sent = Arc::new(Mutex::new(BTreeMap::<&str, u32>::new()));
    // One layer for each key: the keys have plans of their own, and share the gates.
    let clients = KEYS.map(|(key, per_second)| {
        let provider = Provider::new(key).quota(Quota::per_second(per_second));
        let layer = RetryLayer::new(provider).gates(&gates);
        let sent = Arc::clone(&sent);
        layer
            .scope_by(move |_| Scope::named(key))
            .layer(tower::service_fn(move |_: Request<Full<Bytes>>| {
                *sent.lock().expect("a count").entry(key).or_default() += 1;
                async { Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())) }
            }))
    });
    let begun = Instant::now();
    let mut calls = Vec::new();
    for _ in 0..60 {
        let client = clients[free_key(&gates)].clone();
        let request = Request::get("https://api.example.com/").body(Full::default())?;
        calls.push(tokio::spawn(client.oneshot(request)));
        // The call is at its gate before the next key is chosen.
        tokio::task::yield_now().await;
    }
    for call in calls {
        call.await??;
    }
    println!(
        "{:.1} s, {:?}",
        begun.elapsed().as_secs_f64(),
        sent.lock().expect("a count")
    );
    Ok(())
}
