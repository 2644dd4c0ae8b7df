//! Recorded responses that no generic reader can get right, each with its provider's rule.

use super::*;
use crate::hint::Kind;
use http::StatusCode;
use http::header::{HeaderValue, RETRY_AFTER};
use std::time::Duration;

/// Wait and kind of the reading of one recorded response.
type Read = Option<(u64, Kind)>;

/// What the provider's own page says.
#[derive(Default)]
struct Rule {
    rules: Rules,
    refused: Option<bool>,
}

fn field(field: Field) -> Rule {
    Rule {
        rules: Rules {
            fields: vec![field],
            ..Rules::default()
        },
        refused: None,
    }
}

fn unit(name: &'static str, unit: Unit) -> Rule {
    Rule {
        rules: Rules {
            units: vec![(HeaderName::from_static(name), unit)],
            ..Rules::default()
        },
        refused: None,
    }
}

/// A refusal that its status does not show.
fn hidden(rule: Rule) -> Rule {
    Rule {
        refused: Some(true),
        ..rule
    }
}

fn recorded() -> Vec<serde_json::Value> {
    serde_json::from_str(include_str!("../../../../tests/corpus/responses.json"))
        .expect("the corpus")
}

fn headers(entry: &serde_json::Value) -> HeaderMap {
    let lines = entry["headers"].as_array().expect("headers").iter();
    let text = |value: &serde_json::Value| value.as_str().expect("text").to_owned();
    lines
        .map(|line| {
            let name: HeaderName = text(&line[0]).parse().expect("a name");
            (
                name,
                HeaderValue::from_bytes(text(&line[1]).as_bytes()).expect("a value"),
            )
        })
        .collect::<Vec<_>>()
        .into_iter()
        .fold(HeaderMap::new(), |mut headers, (name, value)| {
            headers.append(name, value);
            headers
        })
}

fn read(entry: &serde_json::Value, rule: &Rule) -> Read {
    let now: jiff::Timestamp = entry["now"]
        .as_str()
        .expect("a moment")
        .parse()
        .expect("a moment");
    let headers = headers(entry);
    let status = entry["status"]
        .as_u64()
        .and_then(|status| u16::try_from(status).ok())
        .expect("a status");
    let head = Head {
        status: StatusCode::from_u16(status).expect("a status"),
        headers: &headers,
        received: now.try_into().expect("a moment"),
        refused: rule.refused,
    };
    match rule
        .rules
        .read(head, entry["body"].as_str().map(str::as_bytes))
    {
        Reading::Wait(hint) => Some((hint.wait().as_millis() as u64, hint.kind())),
        _ => None,
    }
}

fn expected(entry: &serde_json::Value) -> Read {
    let kind = match entry["expect"].as_str().expect("a kind") {
        "retry-after" => Kind::RetryAfter,
        "reset" => Kind::Reset,
        "body" => Kind::Body,
        _ => return None,
    };
    Some((entry["expect_wait_ms"].as_u64().expect("a wait"), kind))
}

#[track_caller]
fn agrees(id: &str, rule: Rule) {
    let recorded = recorded();
    let entry = recorded
        .iter()
        .find(|entry| entry["id"] == id)
        .expect("a recorded response");
    assert_eq!(entry["rule"], true, "{id} needs no rule");
    assert_eq!(read(entry, &rule), expected(entry), "{id}");
}

#[test]
fn a_recorded_response_agrees_once_its_rule_is_stated() {
    agrees(
        "ipoalerts-body-ms",
        field(Field::json("meta.expiresIn").unit(Unit::Millis)),
    );
    agrees("snipsa-body-only", field(Field::json("retryAfter")));
    agrees("altoviz-ms-retry-after", unit("retry-after", Unit::Millis));
    agrees("discord-body-only", field(Field::json("retry_after")));
    agrees(
        "discord-v6-ms",
        field(Field::json("retry_after").unit(Unit::Millis)),
    );
    agrees(
        "matrix",
        field(Field::json("retry_after_ms").unit(Unit::Millis)),
    );
    agrees(
        "binance-418-body",
        field(Field::json("error.data.retryAfter").unit(Unit::EpochMillis)),
    );
    agrees(
        "apifox-partner-ms-delta",
        unit("x-ratelimit-reset", Unit::Millis),
    );
    agrees(
        "zendesk-list",
        field(Field::header_params(
            "Zendesk-RateLimit-Tickets-Index",
            "remaining",
            "resets",
        )),
    );
    agrees(
        "sentry-vendor-only",
        field(Field::header_list("X-Sentry-Rate-Limits")),
    );
    agrees(
        "metaapi-iso-body",
        field(Field::json("metadata.recommendedRetryTime")),
    );
    agrees(
        "eludris",
        field(Field::json("retry_after").unit(Unit::Millis)),
    );
    agrees("gmail-in-body", field(Field::after("Retry after ")));
    agrees(
        "matrix-dendrite-nano",
        field(Field::json("error.details.*.retryDelay")),
    );
    agrees(
        "azure-apim-quota-403-prose",
        field(Field::after("replenished in ")),
    );
    agrees("telegram", field(Field::json("parameters.retry_after")));
    agrees(
        "dropbox",
        field(Field::json("error.retry_after").default_wait(Duration::from_secs(1))),
    );
    agrees(
        "dropbox-plain",
        field(Field::json("error.retry_after").default_wait(Duration::from_secs(1))),
    );
    agrees(
        "openrouter-body-headers",
        field(Field::json("error.metadata.headers.X-RateLimit-Reset")),
    );
}

#[test]
fn a_refusal_that_its_status_hides_agrees_once_it_is_known_as_one() {
    let access = Field::header_json(
        "X-Business-Use-Case-Usage",
        "*.*.estimated_time_to_regain_access",
    );
    agrees(
        "facebook-buc-minutes",
        hidden(field(access.unit(Unit::Minutes))),
    );
    agrees("monday-old-prose", hidden(field(Field::after("reset in "))));
    agrees("shopify-graphql", hidden(field(shopify())));
    agrees("mediawiki-maxlag-200", hidden(Rule::default()));
    agrees("syn-301-retry-after", hidden(Rule::default()));
}

fn shopify() -> Field {
    Field::json_deficit(
        "extensions.cost.requestedQueryCost",
        "extensions.cost.throttleStatus.currentlyAvailable",
        "extensions.cost.throttleStatus.restoreRate",
    )
}

/// Reads a 429 with one header and a body.
fn refusal(rules: &Rules, header: (HeaderName, &'static str), body: Option<&str>) -> Reading {
    let headers = HeaderMap::from_iter([(header.0, HeaderValue::from_static(header.1))]);
    let received = SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600);
    let head = Head {
        status: StatusCode::TOO_MANY_REQUESTS,
        headers: &headers,
        received,
        refused: None,
    };
    rules.read(head, body.map(str::as_bytes))
}

#[track_caller]
fn reads(reading: Reading, millis: u64, kind: Kind, source: &'static str) {
    assert_eq!(
        reading,
        Reading::Wait(Hint::new(Duration::from_millis(millis), kind, source))
    );
}

#[test]
fn the_providers_header_comes_first_and_its_body_last() {
    let rules = field(Field::json("retry_after")).rules;
    let body = Some(r#"{"retry_after":1}"#);
    reads(
        refusal(&rules, (RETRY_AFTER, "2"), body),
        2_000,
        Kind::RetryAfter,
        "retry-after",
    );
    reads(
        refusal(&rules, (RETRY_AFTER, "soon"), body),
        1_000,
        Kind::Body,
        "retry_after",
    );
    let rules = field(Field::header("x-come-back")).rules;
    let come_back = HeaderName::from_static("x-come-back");
    reads(
        refusal(&rules, (come_back, "6m0s, 2026-01-01T00:07Z"), None),
        420_000,
        Kind::Reset,
        "x-come-back",
    );
}

#[test]
fn of_several_places_the_longest_wait_counts() {
    for (short, long) in [("a", "b"), ("b", "a")] {
        let wait = |name, seconds: &str| format!(r#""{name}":{seconds}"#);
        let body = format!("{{{},{}}}", wait(short, "5"), wait(long, "7"));
        let rules = Rules {
            fields: vec![Field::json("a"), Field::json("b")],
            ..Rules::default()
        };
        let reading = refusal(&rules, (http::header::AGE, "0"), Some(&body));
        reads(reading, 7_000, Kind::Body, long);
    }
    let rules = Rules {
        fields: vec![Field::header("x-odd"), Field::header("x-even")],
        ..Rules::default()
    };
    let even = (HeaderName::from_static("x-even"), "5");
    reads(refusal(&rules, even, None), 5_000, Kind::Reset, "x-even");
}

#[test]
fn a_default_waits_until_the_body_was_seen_and_everything_else_is_silent() {
    let rules = field(Field::json("retry_after").default_wait(Duration::from_secs(9))).rules;
    let age = http::header::AGE;
    assert_eq!(refusal(&rules, (age.clone(), "0"), None), Reading::Nothing);
    reads(
        refusal(&rules, (age, "0"), Some("")),
        9_000,
        Kind::Body,
        "retry_after",
    );
    reads(
        refusal(&rules, (RETRY_AFTER, "2"), Some("")),
        2_000,
        Kind::RetryAfter,
        "retry-after",
    );
}

#[test]
fn a_truncating_server_is_given_a_second_more() {
    let rules = Rules {
        retry_after_rounded_down: true,
        ..Rules::default()
    };
    reads(
        refusal(&rules, (RETRY_AFTER, "7"), None),
        8_000,
        Kind::RetryAfter,
        "retry-after",
    );
    reads(
        refusal(&rules, (RETRY_AFTER, "0"), None),
        1_000,
        Kind::RetryAfter,
        "retry-after",
    );
    reads(
        refusal(&rules, (RETRY_AFTER, "7.5"), None),
        7_500,
        Kind::RetryAfter,
        "retry-after",
    );
}

#[test]
fn a_field_that_says_nothing_usable_is_silent() {
    let nothing = |field: Field, body: &str| {
        let rules = Rules {
            fields: vec![field],
            ..Rules::default()
        };
        let reading = refusal(
            &rules,
            (
                HeaderName::from_static("x-odd"),
                "total=1; remaining=1; resets=5",
            ),
            Some(body),
        );
        assert_eq!(reading, Reading::Nothing, "{body}");
    };
    nothing(Field::header("x-odd"), "");
    nothing(Field::header_list("x-odd"), "");
    nothing(Field::header_params("x-odd", "remaining", "resets"), "");
    nothing(Field::header_json("x-odd", "*"), "");
    nothing(Field::json("a"), r#"{"a":"soon"}"#);
    nothing(Field::json("a"), r#"{"a":-5}"#);
    nothing(Field::json("a"), r#"{"a":true}"#);
    nothing(Field::json("a").unit(Unit::Seconds), r#"{"a":1e300}"#);
    nothing(Field::json_deficit("n", "h", "r"), r#"{"n":5,"h":1,"r":0}"#);
    nothing(
        Field::json_deficit("n", "h", "r"),
        r#"{"n":5,"h":1,"r":-1}"#,
    );
    nothing(Field::json_deficit("n", "h", "r"), r#"{"n":5,"h":1}"#);
    nothing(
        Field::json_deficit("n", "h", "r"),
        r#"{"n":1e308,"h":-1e308,"r":1e-300}"#,
    );
}

#[test]
fn a_deficit_that_is_none_is_no_wait_and_a_debt_counts() {
    let rules = field(Field::json_deficit("n", "h", "r")).rules;
    let wait = |body: &'static str| refusal(&rules, (RETRY_AFTER, ""), Some(body));
    reads(wait(r#"{"n":1,"h":5,"r":2}"#), 0, Kind::Body, "n");
    reads(wait(r#"{"n":1,"h":-5,"r":4}"#), 1_500, Kind::Body, "n");
}

#[test]
fn a_spelling_of_retry_after_is_one_in_a_rule_too() {
    for (name, kind) in [
        ("retry-after", Kind::RetryAfter),
        ("x-retry-in", Kind::RetryAfter),
        ("x-odd", Kind::Reset),
    ] {
        let rules = field(Field::header(name)).rules;
        let header = (HeaderName::from_static(name), "5");
        reads(refusal(&rules, header, None), 5_000, kind, name);
    }
}
