//! One process of a fleet, for a harness that starts many of them and breaks things.
//!
//! ```text
//! cargo run -p tower-backoff-redis --example member -- --id 1 --server http://127.0.0.1:8080/ \
//!     --redis redis://127.0.0.1:6379 --workers 25 --seconds 10 --members 16 --quota 200/1000
//! ```
//!
//! It prints `ready` and waits for a line on stdin. Then each worker calls `GET /` with the header `x-member`, one call
//! after the other, and in the end the program prints one line of JSON. `--quota` is a limit and a window in milliseconds,
//! and may repeat. `--shares` says what the processes have in common: the `ledger`, equal `shares` of the quota, or only
//! the `cooldown` after a refusal.

use std::io::BufRead;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tower::{Layer, ServiceExt};
use tower_backoff::fleet::{CallOutcome, CloseReason, Fleet, Grant, GrantId, Joining, Member};
use tower_backoff::policy::Provider;
use tower_backoff::{BoxError, Quota, RetryLayer};
use tower_backoff_redis::Ledger;

/// The command line.
struct Options {
    id: String,
    server: String,
    redis: String,
    workers: usize,
    time: Duration,
    members: u32,
    quotas: Vec<Quota>,
    shares: String,
}

impl Options {
    fn from_args() -> Result<Self, BoxError> {
        let words: Vec<String> = std::env::args().skip(1).collect();
        let mut options = Self {
            id: "1".to_owned(),
            server: String::new(),
            redis: "redis://127.0.0.1:6379".to_owned(),
            workers: 1,
            time: Duration::from_secs(10),
            members: 10,
            quotas: Vec::new(),
            shares: "ledger".to_owned(),
        };
        for pair in words.chunks(2) {
            let [name, value] = pair else {
                return Err(format!("{} needs a value", pair[0]).into());
            };
            match name.as_str() {
                "--id" => options.id.clone_from(value),
                "--server" => options.server.clone_from(value),
                "--redis" => options.redis.clone_from(value),
                "--workers" => options.workers = value.parse()?,
                "--seconds" => options.time = Duration::try_from_secs_f64(value.parse()?)?,
                "--members" => options.members = value.parse()?,
                "--quota" => options.quotas.push(quota(value)?),
                "--shares" => options.shares.clone_from(value),
                other => return Err(format!("no such option: {other}").into()),
            }
        }
        Ok(options)
    }

    /// The declared quotas, or this process's part of them.
    fn provider(&self) -> Provider {
        let part = |quota: &Quota| match quota.window() {
            Some(window) if self.shares == "shares" => {
                Quota::new((quota.limit() / self.members).max(1), window)
            }
            _ => *quota,
        };
        Provider::new("member").quotas(self.quotas.iter().map(part))
    }

    fn layer(&self, times: &Times) -> Result<RetryLayer, BoxError> {
        let layer = RetryLayer::new(self.provider()).patience(Duration::from_secs(24 * 60 * 60));
        let ledger = || -> Result<_, BoxError> {
            let ledger = Ledger::new(&self.redis)?.secret("one deployment");
            Ok(ledger.processes(self.members))
        };
        Ok(match self.shares.as_str() {
            "ledger" => layer.fleet(Timed {
                inner: ledger()?,
                times: times.clone(),
            }),
            "cooldown" => layer.fleet(CooldownOnly(ledger()?)),
            _ => layer,
        })
    }
}

/// Such as `200/1000`: a limit, and a window in milliseconds.
fn quota(text: &str) -> Result<Quota, BoxError> {
    let (limit, window) = text.split_once('/').ok_or("a quota is LIMIT/MS")?;
    let (limit, window): (u32, u64) = (limit.parse()?, window.parse()?);
    if limit == 0 || window == 0 {
        return Err("a quota of zero".into());
    }
    Ok(Quota::new(limit, Duration::from_millis(window)))
}

/// How many nanoseconds each admission took.
type Times = Arc<Mutex<Vec<u64>>>;

/// A fleet whose admissions are timed.
struct Timed<F> {
    inner: F,
    times: Times,
}

impl<F: Fleet> Fleet for Timed<F> {
    fn join(&self, joining: Joining<'_>) -> Box<dyn Member> {
        Box::new(Timed {
            inner: self.inner.join(joining),
            times: Arc::clone(&self.times),
        })
    }
}

impl Member for Timed<Box<dyn Member>> {
    fn admit(&self, cost: u32) -> Grant {
        let begun = Instant::now();
        let grant = self.inner.admit(cost);
        let nanos = begun.elapsed().as_nanos() as u64;
        self.times.lock().expect("a list").push(nanos);
        grant
    }

    fn on_late_send(&self, grant: GrantId) {
        self.inner.on_late_send(grant);
    }

    fn on_return(&self, grant: GrantId) {
        self.inner.on_return(grant);
    }

    fn on_outcome(&self, grant: Option<GrantId>, outcome: &CallOutcome) {
        self.inner.on_outcome(grant, outcome);
    }

    fn on_body_end(&self, grant: GrantId) {
        self.inner.on_body_end(grant);
    }

    fn on_reopen(&self) {
        self.inner.on_reopen();
    }

    fn on_close(&self, closed_for: Duration, reason: CloseReason) {
        self.inner.on_close(closed_for, reason);
    }
}

/// A fleet that is told of closings alone: what is granted is not asked for.
struct CooldownOnly(Ledger);

impl Fleet for CooldownOnly {
    fn join(&self, mut joining: Joining<'_>) -> Box<dyn Member> {
        joining.windows = &[];
        Box::new(CooldownMember(self.0.join(joining)))
    }
}

struct CooldownMember(Box<dyn Member>);

impl Member for CooldownMember {
    fn admit(&self, cost: u32) -> Grant {
        match self.0.admit(cost) {
            // Until the scope opens: no window is declared.
            Grant::At(wait) => Grant::At(wait),
            Grant::Now(grant) => {
                self.0.on_return(grant);
                Grant::Now(grant)
            }
            _ => Grant::Now(GrantId::new(std::num::NonZeroU64::MAX)),
        }
    }

    fn on_return(&self, _: GrantId) {}

    fn on_outcome(&self, _: Option<GrantId>, _: &CallOutcome) {}

    fn on_close(&self, closed_for: Duration, reason: CloseReason) {
        self.0.on_close(closed_for, reason);
    }
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let options = Options::from_args()?;
    let times = Times::default();
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<bytes::Bytes>>();
    let client = options.layer(&times)?.layer(client);
    println!("ready");
    tokio::task::spawn_blocking(|| std::io::stdin().lock().lines().next()).await?;
    let ends = Instant::now() + options.time;
    let workers: Vec<_> = (0..options.workers)
        .map(|_| {
            let client = client.clone();
            let (server, id) = (options.server.clone(), options.id.clone());
            tokio::spawn(async move {
                let mut latencies = Vec::new();
                while Instant::now() < ends {
                    let request = Request::get(&server).header("x-member", &id);
                    let Ok(request) = request.body(Empty::new()) else {
                        break;
                    };
                    let begun = Instant::now();
                    if let Ok(response) = client.clone().oneshot(request).await {
                        let _ = response.into_body().collect().await;
                        latencies.push(begun.elapsed().as_micros() as u64);
                    }
                }
                latencies
            })
        })
        .collect();
    // A call that waits for the next window does not keep the program.
    tokio::time::sleep_until(ends.into()).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    let mut latencies = Vec::new();
    for worker in workers {
        if worker.is_finished() {
            latencies.extend(worker.await?);
        } else {
            worker.abort();
        }
    }
    let admissions = std::mem::take(&mut *times.lock().expect("a list"));
    print_report(latencies, admissions);
    Ok(())
}

fn print_report(mut latencies: Vec<u64>, mut admissions: Vec<u64>) {
    latencies.sort_unstable();
    admissions.sort_unstable();
    let at = |sorted: &[u64], percent: usize| {
        let index = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
        sorted.get(index).copied().unwrap_or_default()
    };
    let sum: u64 = admissions.iter().sum();
    println!(
        r#"{{"calls":{},"latency_us":[{},{}],"admit_ns":[{},{},{}]}}"#,
        latencies.len(),
        at(&latencies, 50),
        at(&latencies, 99),
        at(&admissions, 50),
        at(&admissions, 99),
        sum / admissions.len().max(1) as u64,
    );
}
