//! Recorded responses of many APIs, read without knowing any of them.
//!
//! Those marked `"rule": true` cannot be got right without the provider's own page; the unit tests of
//! `src/hint/source/rules` read them with it.

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde_json::Value;
use std::time::SystemTime;
use tower_backoff::hint::{self, Kind, Reading};

const CORPUS: &str = include_str!("../corpus/responses.json");

/// The word for what decided, and the wait in milliseconds.
type Answer = (&'static str, Option<u64>);

#[test]
fn every_recorded_response_is_read_as_its_provider_means_it() {
    let corpus: Vec<Value> = serde_json::from_str(CORPUS).expect("valid JSON");
    let (ruled, generic): (Vec<_>, Vec<_>) = corpus.iter().partition(|entry| entry["rule"] == true);
    let strays: Vec<_> = generic
        .iter()
        .filter(|entry| read(entry) != expected(entry))
        .collect();
    for entry in &strays {
        println!(
            "{}: read {:?}, expected {:?}",
            entry["id"],
            read(entry),
            expected(entry)
        );
    }
    let agreed = generic.len() - strays.len();
    println!(
        "corpus: {agreed} of {} agree; {} of {} need a rule",
        generic.len(),
        ruled.len(),
        corpus.len()
    );
    assert!(strays.is_empty());
}

fn read(entry: &Value) -> Answer {
    let status = u16::try_from(entry["status"].as_u64().expect("a status")).expect("a status");
    let status = StatusCode::from_u16(status).expect("a status");
    match hint::read(status, &headers(entry), moment(entry)) {
        Reading::Wait(hint) => (word(hint.kind()), Some(hint.wait().as_millis() as u64)),
        _ => ("none", None),
    }
}

fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::RetryAfter => "retry-after",
        Kind::Reset => "reset",
        Kind::Body => "body",
        _ => "something else",
    }
}

fn expected(entry: &Value) -> Answer {
    let wait = entry["expect_wait_ms"].as_u64();
    match text(&entry["expect"]) {
        "retry-after" => ("retry-after", wait),
        "reset" => ("reset", wait),
        "body" => ("body", wait),
        _ => ("none", wait),
    }
}

fn headers(entry: &Value) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in entry["headers"].as_array().expect("headers") {
        let name: HeaderName = text(&line[0]).parse().expect("a name");
        headers.append(
            name,
            HeaderValue::from_bytes(text(&line[1]).as_bytes()).expect("a value"),
        );
    }
    headers
}

fn moment(entry: &Value) -> SystemTime {
    let moment: jiff::Timestamp = text(&entry["now"]).parse().expect("a moment");
    moment.try_into().expect("a moment of this system")
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a string")
}
