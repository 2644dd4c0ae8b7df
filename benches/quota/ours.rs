//! This crate: with nothing declared, and with the preset.

use std::sync::Arc;
use std::time::Duration;

use tower::{Layer, ServiceExt};
use tower_backoff::policy::Provider;
use tower_backoff::{Clock, Quota, RetryLayer};

use crate::contender::{Client, Contender, Stage};
use crate::minimum;
use crate::scenario::Counting;
use crate::wording::noon;

pub fn all() -> [Contender; 4] {
    [
        Contender {
            name: "ours",
            takes_part: |_| true,
            client: |stage| client(stage, Provider::new("plain")),
        },
        Contender {
            name: "ours+preset",
            takes_part: |scenario| scenario.preset.is_some(),
            client: |stage| {
                let preset = stage.scenario.preset.expect("takes part only with one");
                client(stage, preset())
            },
        },
        Contender {
            name: "ours+paced",
            takes_part: |scenario| matches!(scenario.counting, Counting::Counter(..)),
            client: |stage| {
                let (limit, length) = stage.scenario.counting.rate().expect("a counter");
                let quota = Quota::new(limit, length).paced();
                client(stage, Provider::new("paced").quota(quota))
            },
        },
        Contender {
            name: "ours+cold",
            takes_part: |scenario| scenario.name == "penalty",
            client: |stage| client(stage, Provider::new("plain").cold_start(1)),
        },
    ]
}

/// Defaults, but patience enough to finish.
fn client(stage: &Stage, policy: Provider) -> Client {
    let patience = 40 * minimum::of(&stage.scenario, stage.seed);
    let layer = RetryLayer::new(policy)
        .patience(patience)
        .clock(Clock::starting_at(noon()))
        .seed(stage.seed);
    let layer = if stage.scenario.outage.is_zero() {
        layer
    } else {
        layer.failure_patience(Duration::from_secs(60 * 60))
    };
    let service = layer.layer(stage.server.clone());
    let server = stage.server.clone();
    Arc::new(move |job| {
        let call = service.clone().oneshot(server.request(job));
        Box::pin(async move { Ok(call.await?.status()) })
    })
}
