//! `backon`: by default three retries after 1, 2 and 4 s; here with its jitter, up to twice as long.

use std::sync::Arc;

use backon::{ExponentialBuilder, Retryable};
use http::StatusCode;
use tower::ServiceExt;

use super::{MAX_ATTEMPTS, MAX_DELAY, is_transient};
use crate::contender::{Client, Contender, Setup};
use crate::server::Server;

pub(super) fn all() -> [Contender; 2] {
    [
        Contender::peer("backon", |setup| {
            client(setup, ExponentialBuilder::default())
        }),
        Contender::peer("backon+patient", |setup| {
            let patient = ExponentialBuilder::default()
                .with_max_times(MAX_ATTEMPTS as usize - 1)
                .with_max_delay(MAX_DELAY);
            client(setup, patient)
        }),
    ]
}

fn client(setup: &Setup, backoff: ExponentialBuilder) -> Client {
    let (server, seed) = (setup.server.clone(), setup.seed);
    Arc::new(move |job| {
        let server = server.clone();
        let seed = seed << 32 | u64::from(job);
        let backoff = backoff.with_jitter().with_jitter_seed(seed);
        Box::pin(async move {
            let attempt = || attempt(server.clone(), job);
            let outcome = attempt.retry(backoff).when(|status| is_transient(*status));
            Ok(outcome.await.unwrap_or_else(|refused| refused))
        })
    })
}

/// Makes one attempt. `backon` retries errors only, so each status but a success becomes an error.
async fn attempt(server: Server, job: u32) -> Result<StatusCode, StatusCode> {
    let request = server.request(job);
    let Ok(response) = server.oneshot(request).await;
    let status = response.status();
    if status.is_success() {
        Ok(status)
    } else {
        Err(status)
    }
}
