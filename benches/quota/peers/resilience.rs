//! `tower-resilience-retry`: three attempts and 100 ms doubling, unless told otherwise.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use tower::{Layer, ServiceExt};
use tower_resilience_retry::{ExponentialBackoff, RetryConfigBuilder, RetryLayer};

use super::{ATTEMPTS, LONGEST, is_transient};
use crate::contender::{Client, Contender, Stage};
use crate::server::Empty;
use crate::wording::Answer;

type Config = RetryConfigBuilder<Request<Empty>, Answer, Infallible>;

pub(super) fn all() -> [Contender; 2] {
    [
        Contender::peer("tower-resilience-retry", |stage| {
            client(stage, RetryLayer::builder())
        }),
        Contender::peer("tower-resilience-retry+patient", |stage| {
            let backoff = ExponentialBackoff::new(Duration::from_millis(100));
            let config = RetryLayer::builder()
                .max_attempts(ATTEMPTS as usize)
                .backoff(backoff.max_interval(LONGEST));
            client(stage, config)
        }),
    ]
}

fn client(stage: &Stage, config: Config) -> Client {
    let layer = config
        .retry_on_response(|answer: &Answer| is_transient(answer.status()))
        .build();
    let service = layer.layer(stage.server.clone());
    let server = stage.server.clone();
    Arc::new(move |job| {
        let call = service.clone().oneshot(server.request(job));
        Box::pin(async move { Ok(call.await?.status()) })
    })
}
