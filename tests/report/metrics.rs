//! What is counted through the `metrics` crate.

use std::collections::BTreeMap;

use crate::support::mock::{Mock, answer, status};
use crate::support::paused::*;
use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use tower_backoff::failure::Redirected;
use tower_backoff::policy::{PartialQuota, Provider};
use tower_backoff::{Gates, Quota, RetryLayer};

#[test]
fn attempts_closings_waits_and_gates_are_counted() {
    let seen = counted(calls());
    let expected = [
        ("attempts_total https://api.test failed", "1"),
        ("attempts_total https://api.test refused", "2"),
        ("attempts_total https://api.test served", "1"),
        ("closings_total https://api.test default", "1"),
        ("closings_total https://api.test server", "1"),
        ("gate_closed_seconds https://api.test", "60"),
        ("gate_in_flight https://api.test", "0"),
        ("gate_waiting https://api.test", "0"),
        ("quota_used_ratio https://api.test", "0.5"),
        ("stopped_total https://api.test gave_up", "1"),
        ("waits_seconds https://api.test", "2 of 3"),
    ];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(seen, BTreeMap::from(expected));
}

#[test]
fn the_first_wait_at_the_gate_is_counted_and_no_call_that_is_sent_at_once() {
    let seen = counted(async {
        let mock = Mock::new(|_, _| status(200)).taking(secs(1));
        let provider = Provider::new("acme").quota(Quota::new(2, secs(10)));
        let service = around(&mock, RetryLayer::new(provider));
        let calls = [(); 5].map(|()| start(&service, get("https://api.test/")));
        for call in calls {
            call.await.unwrap().unwrap();
        }
    });
    // Two calls wait for some 10 s, and one for 20 s.
    assert_eq!(seen["waits_seconds https://api.test"], "3 of 40");
}

#[test]
fn a_call_that_several_open_gates_admit_has_not_waited() {
    let seen = counted(async {
        let writes = PartialQuota::of_writes(Quota::per_minute(60));
        let provider = Provider::new("acme").partial_quota(writes);
        let service = around(&Mock::new(|_, _| status(200)), RetryLayer::new(provider));
        send(&service, post("https://api.test/")).await.unwrap();
    });
    assert_eq!(seen.get("waits_seconds https://api.test"), None);
}

#[test]
fn what_a_retry_waits_at_its_gate_is_counted_whole() {
    let seen = counted(async {
        let mock = Mock::new(|nth, _| match nth {
            1 => status(503),
            _ => status(200),
        });
        let provider = Provider::new("acme").quota(Quota::new(1, secs(10)));
        let service = around(&mock, RetryLayer::new(provider));
        send(&service, get("https://api.test/")).await.unwrap();
    });
    assert_eq!(seen["waits_seconds https://api.test"], "1 of 10");
}

#[test]
fn a_hostile_server_makes_no_more_than_twelve_series() {
    let seen = counted(hostile());
    assert!(seen.len() <= 12, "{} series: {seen:#?}", seen.len());
    assert!(seen.len() >= 10, "all kinds are there: {seen:#?}");
}

#[test]
fn the_gauges_of_a_gate_that_was_forgotten_are_zero() {
    let seen = counted(async {
        let mock = Mock::new(|nth, _| match nth {
            2 => answer(429, &[("retry-after", "90")], ""),
            _ => status(200),
        });
        let gates = Gates::new();
        let layer = RetryLayer::new(Provider::new("acme")).gates(&gates);
        let service = around(&mock, layer.patience(secs(30)));
        // The first gate of all is never forgotten.
        send(&service, get("https://first.test/")).await.unwrap();
        send(&service, get("https://api.test/")).await.unwrap();
        tower_backoff::metrics::record(&gates);
        tokio::time::sleep(secs(24 * 3_600)).await;
        (0..100).for_each(|nth| _ = start(&service, get(&format!("https://host-{nth}.test/"))));
        tokio::time::sleep(secs(3_600)).await;
        assert!(
            gates
                .snapshot()
                .iter()
                .all(|gate| gate.scope.to_string() != "https://api.test")
        );
        tower_backoff::metrics::record(&gates);
    });
    let gauge = "gate_closed_seconds https://api.test";
    assert_eq!(seen.get(gauge).map(String::as_str), Some("0"));
}

/// What was counted meanwhile, by name and labels.
fn counted(what: impl Future<Output = ()>) -> BTreeMap<String, String> {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    metrics::with_local_recorder(&recorder, || {
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(what);
    });
    let seen = snapshotter.snapshot().into_vec().into_iter();
    seen.map(|(key, _, _, value)| {
        let labels = key.key().labels().map(|label| label.value());
        let name = key.key().name().trim_start_matches("tower_backoff_");
        let labels: Vec<&str> = labels.collect();
        (format!("{name} {}", labels.join(" ")), figure(&value))
    })
    .collect()
}

/// Statuses, waits, buckets and limits that are never the same twice.
async fn hostile() {
    let mock = Mock::new(|nth, _| {
        let any = |below: usize| nth.wrapping_mul(2_654_435_761) / 7 % below;
        if any(9) == 0 {
            return Err("the wire broke".into());
        }
        let wait = (any(50_000) + 1).to_string();
        let (limit, left) = ((nth + 10).to_string(), any(10).to_string());
        let bucket = format!("bucket-{nth}");
        let named = [
            "retry-after",
            "x-retry-in",
            "x-ratelimit-reset",
            "x-nothing",
        ][any(4)];
        let status = [200, 200, 429, 429, 503, 404, 418, 500][any(8)] + (any(3) as u16);
        let headers = [
            (named, &*wait),
            ("x-ratelimit-limit", &limit),
            ("x-ratelimit-remaining", &left),
            ("x-bucket", &bucket),
        ];
        answer(status, &headers, &format!(r#"{{"retry_after": {wait}}}"#))
    });
    let gates = Gates::new();
    let policy = Provider::new("acme")
        .quota(Quota::per_minute(600))
        .buckets_in(http::HeaderName::from_static("x-bucket"));
    let layer = RetryLayer::new(policy).gates(&gates);
    let service = around(&mock, layer.patience(secs(1)));
    for nth in 0..500 {
        let path = ["a", "b", "c", "d", "e"][nth % 5].repeat(nth % 15 + 1);
        let _ = send(&service, get(&format!("https://api.test/{path}"))).await;
        tower_backoff::metrics::record(&gates);
        gates
            .snapshot()
            .iter()
            .for_each(|gate| gates.reopen(&gate.scope));
    }
}

async fn calls() {
    let mock = Mock::new(|nth, _| match nth {
        1 => answer(429, &[("retry-after", "3")], ""),
        2 => status(500),
        3 => status(200),
        _ => status(429),
    });
    let gates = Gates::new();
    let provider = Provider::new("acme").quota(Quota::per_minute(8));
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
        DebugValue::Gauge(gauge) if **gauge < 1.0 => gauge.to_string(),
        DebugValue::Gauge(gauge) => gauge.floor().to_string(),
        DebugValue::Histogram(waits) => {
            format!(
                "{} of {}",
                waits.len(),
                waits.iter().map(|wait| wait.floor()).sum::<f64>()
            )
        }
    }
}

#[test]
fn a_server_that_redirects_every_call_to_another_address_makes_no_more_counters() {
    let seen = counted(async {
        let mock = Mock::new(|nth, _| {
            let mut answer = match nth % 3 {
                0 => answer(429, &[("retry-after", "3600")], ""),
                1 => status(503),
                _ => status(200),
            }?;
            let elsewhere = format!("https://host-{nth}.test/").parse()?;
            answer.extensions_mut().insert(Redirected::new(elsewhere));
            Ok(answer)
        });
        let service = around(
            &mock,
            RetryLayer::new(Provider::new("acme")).patience(secs(1)),
        );
        for _ in 0..100 {
            let _ = send(&service, get("https://api.test/")).await;
        }
    });
    assert!(seen.len() <= 8, "{} series: {seen:#?}", seen.len());
    assert!(seen.len() >= 5, "all kinds are there: {seen:#?}");
}
