//! `reqwest-retry`: its middleware and its classification are the real ones. In place of a network
//! there is one more middleware behind it, which asks the server in this process.
//!
//! Its dice cannot be seeded. So its policy is asked without jitter, and the default, full jitter, is
//! thrown here.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, SystemTime};

use http::Extensions;
use reqwest_middleware::{ClientBuilder, Middleware, Next};
use reqwest_retry::policies::ExponentialBackoff;
use reqwest_retry::{Jitter, RetryDecision, RetryPolicy, RetryTransientMiddleware};
use tower::ServiceExt;

use super::{ATTEMPTS, LONGEST};
use crate::chance;
use crate::contender::{Client, Contender, Stage};
use crate::server::{Empty, Server};

pub(super) fn all() -> [Contender; 2] {
    [
        Contender::peer("reqwest-retry", |stage| {
            let policy = ExponentialBackoff::builder().jitter(Jitter::None);
            client(stage, policy.build_with_max_retries(3))
        }),
        Contender::peer("reqwest-retry+patient", |stage| {
            let policy = ExponentialBackoff::builder()
                .jitter(Jitter::None)
                .retry_bounds(Duration::from_secs(1), LONGEST);
            client(stage, policy.build_with_max_retries(ATTEMPTS - 1))
        }),
    ]
}

fn client(stage: &Stage, policy: ExponentialBackoff) -> Client {
    let policy = FullJitter {
        policy,
        seed: stage.seed,
        throws: AtomicU64::new(0),
    };
    let client = ClientBuilder::new(reqwest::Client::new())
        .with(RetryTransientMiddleware::new_with_policy(policy))
        .with(InProcess(stage.server.clone()))
        .build();
    Arc::new(move |job| {
        let call = client.get(format!("https://api.example.com/jobs/{job}"));
        Box::pin(async move { Ok(call.send().await?.status()) })
    })
}

struct InProcess(Server);

#[async_trait::async_trait]
impl Middleware for InProcess {
    async fn handle(
        &self,
        request: reqwest::Request,
        _: &mut Extensions,
        _: Next<'_>,
    ) -> reqwest_middleware::Result<reqwest::Response> {
        let request = http::Request::get(request.url().as_str()).body(Empty::new());
        let request = request.map_err(reqwest_middleware::Error::middleware)?;
        let Ok(answer) = self.0.clone().oneshot(request).await;
        Ok(answer.map(reqwest::Body::wrap).into())
    }
}

/// The wait of the policy, times a number from 0 to 1.
struct FullJitter {
    policy: ExponentialBackoff,
    seed: u64,
    throws: AtomicU64,
}

impl RetryPolicy for FullJitter {
    fn should_retry(&self, started: SystemTime, past_retries: u32) -> RetryDecision {
        let before = SystemTime::now();
        match self.policy.should_retry(started, past_retries) {
            RetryDecision::Retry { execute_after } => {
                let wait = execute_after.duration_since(before).unwrap_or_default();
                let throw = self.throws.fetch_add(1, Relaxed);
                let part = chance::part(2, self.seed, throw);
                let execute_after = before + whole_millis(wait).mul_f64(part);
                RetryDecision::Retry { execute_after }
            }
            done => done,
        }
    }
}

/// Without the microseconds that passed between two looks at the clock.
fn whole_millis(wait: Duration) -> Duration {
    Duration::from_secs(wait.as_secs_f64().round() as u64)
}
