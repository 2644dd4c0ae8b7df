//! `reqwest-retry` with its own middleware, classification and policy.
//!
//! A second middleware takes the place of the network and calls the server in this process. Two things
//! differ, so that runs can be repeated. The generator of the crate cannot be seeded, so this bench adds
//! the default full jitter to a policy without jitter. The crate waits by the system's clock, which is
//! not virtual, so the policy returns no wait and the second middleware sleeps instead.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::Extensions;
use reqwest_middleware::{ClientBuilder, Middleware, Next};
use reqwest_retry::policies::ExponentialBackoff;
use reqwest_retry::{Jitter, RetryDecision, RetryPolicy, RetryTransientMiddleware};
use tokio::time::sleep;
use tower::ServiceExt;

use super::{MAX_ATTEMPTS, MAX_DELAY};
use crate::contender::{Client, Contender, Setup};
use crate::rng;
use crate::server::{Empty, Server};

pub(super) fn all() -> [Contender; 2] {
    [
        Contender::peer("reqwest-retry", |setup| {
            let policy = ExponentialBackoff::builder().jitter(Jitter::None);
            client(setup, policy.build_with_max_retries(3))
        }),
        Contender::peer("reqwest-retry+patient", |setup| {
            let policy = ExponentialBackoff::builder()
                .jitter(Jitter::None)
                .retry_bounds(Duration::from_secs(1), MAX_DELAY);
            client(setup, policy.build_with_max_retries(MAX_ATTEMPTS - 1))
        }),
    ]
}

/// Builds the two middlewares, which share the wait, for each job around one client.
fn client(setup: &Setup, policy: ExponentialBackoff) -> Client {
    let (server, seed) = (setup.server.clone(), setup.seed);
    let client = reqwest::Client::new();
    Arc::new(move |job| {
        let wait = Arc::default();
        let policy = FullJitter {
            policy,
            seed,
            job,
            wait: Arc::clone(&wait),
        };
        let server = server.clone();
        let client = ClientBuilder::new(client.clone())
            .with(RetryTransientMiddleware::new_with_policy(policy))
            .with(InProcess { server, wait })
            .build();
        let call = client.get(format!("https://api.example.com/jobs/{job}"));
        Box::pin(async move { Ok(call.send().await?.status()) })
    })
}

/// The wait before the next attempt.
type Wait = Arc<Mutex<Duration>>;

struct InProcess {
    server: Server,
    wait: Wait,
}

#[async_trait::async_trait]
impl Middleware for InProcess {
    async fn handle(
        &self,
        request: reqwest::Request,
        _: &mut Extensions,
        _: Next<'_>,
    ) -> reqwest_middleware::Result<reqwest::Response> {
        let wait = std::mem::take(&mut *self.wait.lock().expect("no holder of the lock panics"));
        if !wait.is_zero() {
            sleep(wait).await;
        }
        let request = http::Request::get(request.url().as_str()).body(Empty::new());
        let request = request.map_err(reqwest_middleware::Error::middleware)?;
        let Ok(response) = self.server.clone().oneshot(request).await;
        Ok(response.map(reqwest::Body::wrap).into())
    }
}

/// Multiplies the wait of a policy by a number from 0 to 1.
struct FullJitter {
    policy: ExponentialBackoff,
    seed: u64,
    job: u32,
    wait: Wait,
}

impl RetryPolicy for FullJitter {
    fn should_retry(&self, started: SystemTime, past_retries: u32) -> RetryDecision {
        let before = SystemTime::now();
        match self.policy.should_retry(started, past_retries) {
            RetryDecision::Retry { execute_after } => {
                let wait = execute_after.duration_since(before).unwrap_or_default();
                let draw = u64::from(self.job) << 32 | u64::from(past_retries);
                let part = rng::uniform(2, self.seed, draw);
                *self.wait.lock().expect("no holder of the lock panics") =
                    whole(wait).mul_f64(part);
                RetryDecision::Retry {
                    execute_after: UNIX_EPOCH,
                }
            }
            done => done,
        }
    }
}

/// Removes the microseconds between two clock readings; the waits of the policy are whole seconds.
fn whole(wait: Duration) -> Duration {
    Duration::from_secs(wait.as_secs_f64().round() as u64)
}
