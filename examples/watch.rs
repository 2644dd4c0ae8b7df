//! A live table of gates, as a dashboard could show it.
//!
//! ```text
//! cargo run --example watch
//! ```
//!
//! Four APIs live in this process: one takes 20 calls in two seconds, one limits calls at once, one breaks for a
//! while, and one takes 10 calls a second, which its gate has to learn. Forty tasks call each of them for six
//! seconds, and the table shows why they wait.

use std::convert::Infallible;
use std::io::{IsTerminal, Write, stdout};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use http::{Request, Response};
use http_body_util::Full;
use tower::{Layer, Service, ServiceExt};
use tower_backoff::policy::{Policy, Provider};
use tower_backoff::{BoxError, GateStatus, Gates, Quota, RetryLayer, Scope};

type Body = Full<bytes::Bytes>;

const LASTS: Duration = Duration::from_secs(6);

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let (gates, begun) = (Gates::new(), Instant::now());
    let counted = Provider::new("counted").quota(Quota::new(20, Duration::from_secs(2)));
    let few = Provider::new("few at once").quota(Quota::concurrent(3));
    work(&gates, counted, || 200);
    work(&gates, few, || 200);
    work(&gates, Provider::new("broken"), move || {
        let broken = (1..4).contains(&begun.elapsed().as_secs());
        if broken { 503 } else { 200 }
    });
    let (untold, window) = (Provider::new("untold"), Arc::new(Mutex::new((begun, 0))));
    work(
        &gates,
        untold.bare_429_wait(Duration::from_secs(1)),
        move || {
            let (start, calls) = &mut *window.lock().expect("a counter");
            if start.elapsed() >= Duration::from_secs(1) {
                (*start, *calls) = (Instant::now(), 0);
            }
            *calls += 1;
            if *calls > 10 { 429 } else { 200 }
        },
    );
    while begun.elapsed() < LASTS {
        tokio::time::sleep(Duration::from_millis(500)).await;
        draw(begun.elapsed(), gates.snapshot())?;
    }
    Ok(())
}

/// Starts tasks that call an API which responds with these statuses.
fn work(
    gates: &Gates,
    provider: Provider,
    status: impl Fn() -> u16 + Clone + Send + Sync + 'static,
) {
    let scope = Scope::named(provider.name().to_owned());
    let layer = RetryLayer::new(provider)
        .gates(gates)
        .scope_by(move |_| scope.clone());
    let api = tower::service_fn(move |_: Request<Body>| {
        let status = status();
        async move {
            tokio::time::sleep(Duration::from_millis(80)).await;
            let response = Response::builder().status(status).body(Body::from("done"));
            Ok::<_, Infallible>(response.expect("a status and a body"))
        }
    });
    let client = layer.layer(api);
    for _ in 0..40 {
        tokio::spawn(call_again_and_again(client.clone()));
    }
}

async fn call_again_and_again<S>(client: S)
where
    S: Service<Request<Body>> + Clone,
{
    loop {
        let request = Request::get("https://api.example.com/").body(Body::default());
        let response = client.clone().oneshot(request.expect("a valid request"));
        drop(response.await);
    }
}

/// Prints the table over the previous one.
fn draw(after: Duration, mut gates: Vec<GateStatus>) -> std::io::Result<()> {
    let mut out = stdout().lock();
    if out.is_terminal() {
        write!(out, "\x1b[2J\x1b[H")?;
    }
    gates.sort_by_key(|gate| gate.scope.to_string());
    writeln!(out, "after {:.1} s", after.as_secs_f64())?;
    writeln!(
        out,
        "{:<12} {:>9} {:>7}  {:<12} {:<31} {:<12} learned",
        "scope", "in flight", "waiting", "closed for", "by", "used"
    )?;
    for gate in gates {
        let closed_for = gate.closed_for.map_or_else(
            || "-".to_owned(),
            |wait| format!("{:.1} s", wait.as_secs_f64()),
        );
        let used: Vec<_> = gate
            .quotas
            .iter()
            .map(|quota| format!("{} of {}", quota.used, quota.limit))
            .collect();
        let (by, used) = (gate.closed_by.unwrap_or_default(), used.join(", "));
        let scope = gate.scope.to_string();
        let (in_flight, waiting) = (gate.in_flight, gate.waiting);
        let learned = gate
            .learned
            .map_or_else(String::new, |limit| limit.to_string());
        writeln!(
            out,
            "{scope:<12} {in_flight:>9} {waiting:>7}  {closed_for:<12} {by:<31} {used:<12} {learned}"
        )?;
    }
    writeln!(out)
}
