//! The 24 recorded responses that no generic reader can understand, each with a `Provider` that says
//! how its provider means it.
//!
//! `cargo test --test presets provider_rules -- --nocapture` prints the table.

use std::time::Duration;

use http::header::RETRY_AFTER;
use http::{HeaderName, HeaderValue, Request, Response};
use serde_json::Value;
use tower_backoff::hint::{Field, Kind, Unit};
use tower_backoff::policy::{Attempt, Policy, Provider};

fn corpus() -> Vec<Value> {
    serde_json::from_str(include_str!("../corpus/responses.json")).expect("the corpus")
}

fn provider(field: Field) -> Provider {
    Provider::new("test").wait_from(field)
}

/// Judges the recorded response as the layer would, and asserts the wait that it should name.
#[track_caller]
fn agrees(id: &str, provider: Provider) {
    let corpus = corpus();
    let entry = corpus.iter().find(|entry| entry["id"] == id);
    let entry = entry.expect("a recorded response");
    let status = u16::try_from(entry["status"].as_u64().unwrap()).unwrap();
    let mut response = Response::builder().status(status).body(()).unwrap();
    for line in entry["headers"].as_array().unwrap() {
        let name: HeaderName = line[0].as_str().unwrap().parse().unwrap();
        let value = HeaderValue::from_str(line[1].as_str().unwrap()).unwrap();
        response.headers_mut().append(name, value);
    }
    let now: jiff::Timestamp = entry["now"].as_str().unwrap().parse().unwrap();
    let request = Request::get("https://api.test/").body(()).unwrap();
    let mut attempt = Attempt::new(&request, &response).received_at(now.try_into().unwrap());
    let body = entry["body"].as_str().unwrap_or_default();
    if provider.wants_body(&attempt) {
        attempt = attempt.with_body(body.as_bytes());
    }
    let verdict = provider.judge(&attempt);
    let hint = verdict.hint();
    println!("{id:28} {:?} {hint:?}", verdict.ruling());
    let kind = match entry["expect"].as_str().unwrap() {
        "retry-after" => Kind::RetryAfter,
        "reset" => Kind::Reset,
        _ => Kind::Body,
    };
    let wait = Duration::from_millis(entry["expect_wait_ms"].as_u64().unwrap());
    let found = hint.map(|hint| (hint.kind(), hint.wait()));
    assert_eq!(found, Some((kind, wait)), "{id}");
    assert_eq!(entry["rule"], true, "{id} needs no rule");
}

#[test]
fn each_recorded_rule_can_be_said() {
    use Unit::{EpochMillis, Millis, Minutes};
    let json = |path: &'static str| provider(Field::json(path));
    let millis = |path: &'static str| provider(Field::json(path).unit(Millis));
    let plain = || Provider::new("test");
    let reset = HeaderName::from_static("x-ratelimit-reset");
    let tickets = "zendesk-ratelimit-tickets-index";
    let usage = Field::header_json(
        "x-business-use-case-usage",
        "*.*.estimated_time_to_regain_access",
    );
    let cost = Field::json_deficit(
        "extensions.cost.requestedQueryCost",
        "extensions.cost.throttleStatus.currentlyAvailable",
        "extensions.cost.throttleStatus.restoreRate",
    );
    let dropbox =
        || provider(Field::json("error.retry_after").default_wait(Duration::from_secs(1)));
    let table = [
        // A unit that is not the usual one.
        (
            "altoviz-ms-retry-after",
            plain().header_unit(RETRY_AFTER, Millis),
        ),
        (
            "apifox-partner-ms-delta",
            plain().header_unit(reset, Millis),
        ),
        // A header of the provider's own.
        (
            "zendesk-list",
            provider(Field::header_params(tickets, "remaining", "resets")),
        ),
        (
            "sentry-vendor-only",
            provider(Field::header_list("x-sentry-rate-limits")),
        ),
        (
            "facebook-buc-minutes",
            provider(usage.unit(Minutes)).throttled_codes(["80000"]),
        ),
        // A field of the JSON body.
        ("ipoalerts-body-ms", millis("meta.expiresIn")),
        ("snipsa-body-only", json("retryAfter")),
        ("discord-body-only", json("retry_after")),
        ("discord-v6-ms", millis("retry_after")),
        ("matrix", millis("retry_after_ms")),
        (
            "binance-418-body",
            provider(Field::json("error.data.retryAfter").unit(EpochMillis)),
        ),
        ("metaapi-iso-body", json("metadata.recommendedRetryTime")),
        ("eludris", millis("retry_after")),
        ("matrix-dendrite-nano", json("error.details.*.retryDelay")),
        ("telegram", json("parameters.retry_after")),
        ("dropbox", dropbox()),
        ("dropbox-plain", dropbox()),
        (
            "openrouter-body-headers",
            json("error.metadata.headers.X-RateLimit-Reset"),
        ),
        (
            "shopify-graphql",
            provider(cost)
                .inspect_bodies_of([200])
                .throttled_codes(["THROTTLED"]),
        ),
        // A phrase.
        ("gmail-in-body", provider(Field::after("Retry after "))),
        (
            "azure-apim-quota-403-prose",
            provider(Field::after("replenished in ")),
        ),
        (
            "monday-old-prose",
            provider(Field::after("reset in "))
                .inspect_bodies_of([200])
                .throttled_codes(["ComplexityException"]),
        ),
        // A refusal under a status that is none.
        (
            "mediawiki-maxlag-200",
            plain().inspect_bodies_of([200]).throttled_codes(["maxlag"]),
        ),
        ("syn-301-retry-after", plain().retry_on([301])),
    ];
    let marked = corpus()
        .iter()
        .filter(|entry| entry["rule"] == true)
        .count();
    assert_eq!(table.len(), marked, "every marked entry has its rule");
    for (id, provider) in table {
        agrees(id, provider);
    }
}

#[test]
fn many_headers_do_not_make_a_spent_counter_the_matter_of_one_call() {
    let request = Request::get("https://api.test/").body(()).unwrap();
    let closes = |limits: usize| {
        let mut response = Response::builder()
            .status(408)
            .header("x-ratelimit-remaining", "0")
            .header("x-ratelimit-reset", "60");
        for _ in 0..limits {
            response = response.header("x-ratelimit-limit", "100");
        }
        let response = response.body(()).unwrap();
        let verdict = Provider::new("test").judge(&Attempt::new(&request, &response));
        verdict.closes_gate()
    };
    assert!(closes(0) && closes(15));
}

#[test]
fn a_field_of_the_body_may_state_its_unit_in_words() {
    let acme = Provider::new("acme").wait_from(Field::json("retry_in"));
    let request = Request::get("https://acme.test/").body(()).unwrap();
    let refusal = Response::builder().status(429).body(()).unwrap();
    for (stated, seconds) in [
        ("\"5 minutes\"", Some(300)),
        ("\"1 hour and 5 minutes\"", Some(3_900)),
        ("\"90\"", Some(90)),
        ("\"5 minutes from now on\"", None),
        ("\"5 moons\"", None),
    ] {
        let body = format!("{{\"retry_in\":{stated}}}");
        let attempt = Attempt::new(&request, &refusal).with_body(body.as_bytes());
        let verdict = acme.judge(&attempt);
        let wait = verdict.hint().map(|hint| hint.wait().as_secs());
        assert_eq!(wait, seconds, "{stated}");
    }
}
