//! This crate: with nothing declared, with the preset, paced, and with a cold start.

use std::sync::Arc;
use std::time::Duration;

use tower::{Layer, ServiceExt};
use tower_backoff::policy::Provider;
use tower_backoff::{Clock, Quota, RetryLayer};

use crate::contender::{Client, Contender, Setup};
use crate::minimum;
use crate::scenario::Algorithm;

pub fn all() -> [Contender; 5] {
    [
        Contender {
            name: "ours",
            is_declared: false,
            takes_part: |scenario| {
                let specimen = scenario.specimen.as_ref();
                specimen.is_none_or(|specimen| !specimen.needs_words())
            },
            client: |setup| client(setup, Provider::new("plain")),
        },
        Contender {
            name: "ours+quota",
            is_declared: true,
            takes_part: |scenario| scenario.specimen.is_some(),
            client: |setup| {
                let specimen = setup.scenario.specimen.as_ref();
                let specimen = specimen.expect("takes part only in the zoo");
                client(setup, specimen.provider())
            },
        },
        Contender {
            name: "ours+preset",
            is_declared: true,
            takes_part: |scenario| scenario.preset.is_some(),
            client: |setup| {
                let preset = setup.scenario.preset.expect("takes part only with one");
                client(setup, preset())
            },
        },
        Contender {
            name: "ours+paced",
            is_declared: true,
            takes_part: |scenario| matches!(scenario.algorithm, Algorithm::SlidingCounter(..)),
            client: |setup| {
                let (limit, length) = setup.scenario.algorithm.rate().expect("a counter");
                let quota = Quota::new(limit, length).paced();
                client(setup, Provider::new("paced").quota(quota))
            },
        },
        Contender {
            name: "ours+cold",
            is_declared: false,
            takes_part: |scenario| scenario.name == "penalty",
            client: |setup| client(setup, Provider::new("plain").cold_start(1)),
        },
    ]
}

fn client(setup: &Setup, policy: Provider) -> Client {
    through(setup, layer(setup, policy))
}

/// The defaults, with enough patience to finish.
pub fn layer(setup: &Setup, policy: Provider) -> RetryLayer {
    let patience = 40 * minimum::of(&setup.scenario, setup.seed);
    let layer = RetryLayer::new(policy)
        .patience(patience)
        .clock(Clock::starting_at(setup.scenario.clock(setup.seed)))
        .seed(setup.seed);
    if setup.scenario.outage.is_zero() {
        layer
    } else {
        layer.failure_patience(Duration::from_secs(60 * 60))
    }
}

/// Sends the jobs through this layer.
pub fn through(setup: &Setup, layer: RetryLayer) -> Client {
    let service = layer.layer(setup.server.clone());
    let server = setup.server.clone();
    Arc::new(move |job| {
        let call = service.clone().oneshot(server.request(job));
        Box::pin(async move { Ok(call.await?.status()) })
    })
}
