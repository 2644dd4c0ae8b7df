//! `backon`: by default three retries after 1, 2 and 4 s; here with its jitter, up to twice as long.

use std::sync::Arc;

use backon::{ExponentialBuilder, Retryable};
use http::StatusCode;
use tower::ServiceExt;

use super::{ATTEMPTS, LONGEST, is_transient};
use crate::contender::{Client, Contender, Stage};
use crate::server::Server;

pub(super) fn all() -> [Contender; 2] {
    [
        Contender::peer("backon", |stage| {
            client(stage, ExponentialBuilder::default())
        }),
        Contender::peer("backon+patient", |stage| {
            let patient = ExponentialBuilder::default()
                .with_max_times(ATTEMPTS as usize - 1)
                .with_max_delay(LONGEST);
            client(stage, patient)
        }),
    ]
}

fn client(stage: &Stage, backoff: ExponentialBuilder) -> Client {
    let (server, seed) = (stage.server.clone(), stage.seed);
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

/// `backon` looks at errors only, so that whatever is no success has to be one.
async fn attempt(server: Server, job: u32) -> Result<StatusCode, StatusCode> {
    let request = server.request(job);
    let Ok(answer) = server.oneshot(request).await;
    let status = answer.status();
    if status.is_success() {
        Ok(status)
    } else {
        Err(status)
    }
}
