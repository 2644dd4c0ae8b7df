//! `tower-resilience-retry`: by default three attempts, 100 ms doubling; here with its jitter.
//!
//! Its `ExponentialRandomBackoff` takes random numbers from the thread's generator. So that runs can
//! be repeated, this bench adds the same jitter to its `ExponentialBackoff`.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use tower::{Layer, ServiceExt};
use tower_resilience_retry::{ExponentialBackoff, FnInterval, IntervalFunction, RetryLayer};

use super::{MAX_ATTEMPTS, MAX_DELAY, is_transient};
use crate::contender::{Client, Contender, Setup};
use crate::response_format::ServerResponse;
use crate::rng;
use crate::server::Empty;

/// The crate's default number of attempts.
const DEFAULT_ATTEMPTS: u32 = 3;
/// Draws waits from 50 % to 150 % of the exponential backoff.
const RANDOMIZATION: f64 = 0.5;

pub(super) fn all() -> [Contender; 2] {
    [
        Contender::peer("tower-resilience-retry", |setup| {
            client(setup, DEFAULT_ATTEMPTS, backoff())
        }),
        Contender::peer("tower-resilience-retry+patient", |setup| {
            client(setup, MAX_ATTEMPTS, backoff().max_interval(MAX_DELAY))
        }),
    ]
}

/// The crate's default backoff.
fn backoff() -> ExponentialBackoff {
    ExponentialBackoff::new(Duration::from_millis(100))
}

fn client(setup: &Setup, attempts: u32, backoff: ExponentialBackoff) -> Client {
    let (server, seed) = (setup.server.clone(), setup.seed);
    Arc::new(move |job| {
        let backoff = backoff.clone();
        let jittered = FnInterval::new(move |attempt| jitter(&backoff, seed, job, attempt));
        let layer = RetryLayer::<Request<Empty>, ServerResponse, Infallible>::builder()
            .max_attempts(attempts as usize)
            .backoff(jittered)
            .retry_on_response(|response: &ServerResponse| is_transient(response.status()))
            .build();
        let call = layer.layer(server.clone()).oneshot(server.request(job));
        Box::pin(async move { Ok(call.await?.status()) })
    })
}

/// The jitter of `ExponentialRandomBackoff`.
fn jitter(backoff: &ExponentialBackoff, seed: u64, job: u32, attempt: usize) -> Duration {
    let part = rng::uniform(4, seed, u64::from(job) << 32 | attempt as u64);
    let factor = 1.0 + RANDOMIZATION * (2.0 * part - 1.0);
    backoff.next_interval(attempt).mul_f64(factor)
}
