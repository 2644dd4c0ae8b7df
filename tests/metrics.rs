//! What is counted through the `metrics` crate.
#![cfg(feature = "metrics")]

mod support;

use std::collections::BTreeMap;

use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use support::mock::{Mock, answer, status};
use support::paused::*;
use tower_backoff::policy::Provider;
use tower_backoff::{Gates, Quota, RetryLayer};

#[test]
fn attempts_refusals_waits_and_gates_are_counted() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    metrics::with_local_recorder(&recorder, || {
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(calls());
    });
    let seen: BTreeMap<String, String> = snapshotter
        .snapshot()
        .into_vec()
        .into_iter()
        .map(|(key, _, _, value)| {
            let labels = key.key().labels().map(|label| label.value());
            let name = key.key().name().trim_start_matches("tower_backoff_");
            let labels: Vec<&str> = labels.collect();
            (format!("{name} {}", labels.join(" ")), figure(&value))
        })
        .collect();
    let expected = [
        ("attempts_total https://api.test 200", "1"),
        ("attempts_total https://api.test 429", "2"),
        ("attempts_total https://api.test 500", "1"),
        ("budget_paid_total https://api.test", "1"),
        ("closings_total https://api.test a bare 429", "1"),
        ("closings_total https://api.test retry-after", "1"),
        (
            "ended_total https://api.test the next moment lies beyond its patience",
            "1",
        ),
        ("gate_in_flight https://api.test", "0"),
        ("gate_shut_seconds https://api.test", "60"),
        ("gate_waiting https://api.test", "0"),
        ("quota_spent https://api.test 600 per 60s", "4"),
        ("refusals_total https://api.test 429", "2"),
        ("waits_seconds https://api.test backoff", "1 of 0"),
        ("waits_seconds https://api.test retry-after", "1 of 3"),
    ];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(seen, BTreeMap::from(expected));
}

async fn calls() {
    let mock = Mock::new(|nth, _| match nth {
        1 => answer(429, &[("retry-after", "3")], ""),
        2 => status(500),
        3 => status(200),
        _ => status(429),
    });
    let gates = Gates::new();
    let provider = Provider::new("acme").quota(Quota::per_minute(600));
    let service = around(
        &mock,
        RetryLayer::new(provider).gates(&gates).patience(secs(30)),
    );
    for _ in 0..2 {
        send(&service, get("https://api.test/?key=secret"))
            .await
            .unwrap();
    }
    tower_backoff::metrics::record(&gates);
}

/// Rounded down, since waits are jittered.
fn figure(value: &DebugValue) -> String {
    match value {
        DebugValue::Counter(count) => count.to_string(),
        DebugValue::Gauge(gauge) => gauge.floor().to_string(),
        DebugValue::Histogram(waits) => {
            format!("{} of {}", waits.len(), waits[0].floor())
        }
    }
}
