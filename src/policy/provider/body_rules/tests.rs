use std::time::Duration;

use http::{Request, Response};

use super::*;
use crate::policy::{Attempt, Policy, Ruling};

#[track_caller]
fn rules(provider: &Provider, status: u16, body: &str, expected: (Ruling, bool)) {
    let request = Request::post("https://api.test/").body(()).unwrap();
    let response = Response::builder().status(status).body(()).unwrap();
    let attempt = Attempt::new(&request, &response);
    let bare = provider.wants_body(&attempt);
    let attempt = if bare {
        attempt.with_body(body.as_bytes())
    } else {
        attempt
    };
    let verdict = provider.judge(&attempt);
    assert_eq!(
        (verdict.ruling(), verdict.closes_gate()),
        expected,
        "{body}"
    );
}

#[test]
fn a_lock_is_the_affair_of_one_call() {
    let provider = Provider::new("test")
        .retried_codes(["LOCKED"])
        .final_on([409])
        .bare_429_wait(Duration::from_secs(9));
    for status in [400, 423, 429, 503] {
        let alone = (Ruling::Retry, false);
        rules(&provider, status, r#"{"code":"locked"}"#, alone);
    }
    let others = r#"{"code":"OTHER"}"#;
    rules(&provider, 429, others, (Ruling::Throttled, true));
    rules(&provider, 400, others, (Ruling::Refuse, false));
    let locked = r#"{"code":"LOCKED"}"#;
    rules(&provider, 409, locked, (Ruling::Refuse, false));
    rules(&provider, 200, locked, (Ruling::Accept, false));
}

#[test]
fn a_header_that_forbids_another_try_outranks_a_lock() {
    let provider = Provider::new("test")
        .retried_codes(["LOCKED"])
        .should_retry_header(HeaderName::from_static("should-retry"));
    let request = Request::post("https://api.test/").body(()).unwrap();
    for (said, ruling) in [("true", Ruling::Retry), ("false", Ruling::Refuse)] {
        for status in [409, 429] {
            let response = Response::builder().status(status);
            let response = response.header("should-retry", said).body(()).unwrap();
            let attempt = Attempt::new(&request, &response).with_body(br#"{"code":"LOCKED"}"#);
            assert_eq!(provider.judge(&attempt).ruling(), ruling, "{status} {said}");
        }
    }
}

#[test]
fn a_header_that_forbids_another_try_outranks_a_limit() {
    let provider = Provider::new("test")
        .throttled_codes(["SLOW"])
        .should_retry_header("should-retry");
    let request = Request::get("https://api.test/").body(()).unwrap();
    let response = Response::builder().status(429);
    let response = response.header("should-retry", "false").body(()).unwrap();
    let attempt = Attempt::new(&request, &response).with_body(br#"{"code":"SLOW"}"#);
    let verdict = provider.judge(&attempt);
    assert_eq!(verdict.ruling(), Ruling::Refuse);
    assert!(verdict.closes_gate(), "the limit holds for the other calls");
}

#[test]
fn a_header_that_asks_for_another_try_makes_a_post_safe_only_where_that_is_said() {
    let asked = Provider::new("test").should_retry_header("should-retry");
    let post = || Request::post("https://api.test/");
    let plain = post().body(()).unwrap();
    let with_key = post().header("idempotency-key", "1").body(()).unwrap();
    for status in [400, 409, 500, 503] {
        let response = Response::builder().status(status);
        let response = response.header("should-retry", "true").body(()).unwrap();
        let rules = |provider: &Provider, request| {
            let attempt = Attempt::new(request, &response);
            provider.judge(&attempt).ruling()
        };
        let any_method = asked.clone().should_retry_any_method();
        assert_eq!(rules(&asked, &plain), Ruling::Refuse, "{status}");
        assert_eq!(rules(&asked, &with_key), Ruling::Retry, "{status}");
        assert_eq!(rules(&any_method, &plain), Ruling::Retry, "{status}");
    }
    let silent = Response::builder().status(500).body(()).unwrap();
    let verdict = asked.should_retry_any_method();
    let verdict = verdict.judge(&Attempt::new(&plain, &silent));
    assert_eq!(verdict.ruling(), Ruling::Refuse, "nothing was said");
}

#[test]
fn a_code_counts_only_where_codes_stand() {
    let provider = Provider::new("test")
        .inspect_bodies_of([200])
        .throttled_codes(["SLOW"])
        .codes_at(["error.code", "errors.*.code"]);
    let throttled = (Ruling::Throttled, true);
    rules(&provider, 200, r#"{"error":{"code":"SLOW"}}"#, throttled);
    rules(&provider, 200, r#"{"errors":[{"code":"slow"}]}"#, throttled);
    let title = r#"{"data":{"title":"SLOW"}}"#;
    rules(&provider, 200, title, (Ruling::Accept, false));
}

/// botocore cuts the code behind `#`, and reads `Error.Code` of XML.
#[test]
fn a_code_of_aws_is_seen_behind_its_namespace_and_in_xml() {
    let provider = Provider::new("test")
        .throttled_codes(["ThrottlingException", "SlowDown"])
        .final_codes(["AccessDenied", "ValidationException"]);
    let throttled = (Ruling::Throttled, true);
    let is_final = (Ruling::Refuse, false);
    for (status, body, expected) in [
        (
            400,
            r#"{"__type":"com.amazonaws.dynamodb.v20120810#ThrottlingException","message":"Rate exceeded"}"#,
            throttled,
        ),
        (400, r#"{"__type":"ThrottlingException"}"#, throttled),
        (
            429,
            r#"{"__type":"com.amazon.coral.validate#ValidationException"}"#,
            is_final,
        ),
        (503, "<Error><Code>SlowDown</Code></Error>", throttled),
        (
            503,
            "<?xml version=\"1.0\"?><ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>",
            is_final,
        ),
        // No namespace, and no whole value.
        (400, r#"{"message":"see #ThrottlingException"}"#, is_final),
        (400, r##"{"message":"#ThrottlingException"}"##, is_final),
        (400, "<a>about SlowDown</a>", is_final),
    ] {
        rules(&provider, status, body, expected);
    }
    let there = provider.codes_at(["Error.Code", "__type"]);
    let elsewhere = "<Error><Message>SlowDown</Message></Error>";
    rules(&there, 400, elsewhere, is_final);
    rules(
        &there,
        400,
        "<Error><Code>SlowDown</Code></Error>",
        throttled,
    );
    let named = r#"{"__type":"a.b#ThrottlingException"}"#;
    rules(&there, 400, named, throttled);
}

#[test]
fn a_code_may_count_under_some_statuses_only() {
    let provider = Provider::new("test")
        .final_codes_on([403, 429], ["LIMIT"])
        .throttled_codes(["LIMIT"])
        .add_throttled_codes_on([400], ["BUSY"])
        .retried_codes_on([409], ["LOCKED"]);
    let (throttled, is_final) = ((Ruling::Throttled, true), (Ruling::Refuse, false));
    for (status, code, expected) in [
        (403, "LIMIT", is_final),
        (429, "limit", is_final),
        (400, "LIMIT", throttled),
        (503, "LIMIT", throttled),
        (400, "BUSY", throttled),
        (403, "BUSY", is_final),
        (409, "LOCKED", (Ruling::Retry, false)),
        (423, "LOCKED", is_final),
        (429, "LOCKED", throttled),
    ] {
        let body = format!(r#"{{"code":"{code}"}}"#);
        rules(&provider, status, &body, expected);
    }
    let plain = Provider::new("test").throttled_codes(["BUSY"]);
    assert_eq!(
        provider
            .clone()
            .throttled_codes(["BUSY"])
            .without_final_codes()
            .without_retried_codes(),
        plain
    );
}

#[test]
fn a_code_in_a_header_means_what_it_means_in_a_body() {
    let provider = Provider::new("test")
        .final_codes(["BROKE"])
        .throttled_codes(["SLOW"])
        .add_throttled_codes_on([403], ["BUSY"])
        .code_headers(["x-code"]);
    let request = Request::post("https://api.test/").body(()).unwrap();
    for (status, code, body, expected) in [
        (400, "SLOW", None, Ruling::Throttled),
        (400, "space#slow ; Sender", Some("{}"), Ruling::Throttled),
        (400, "OTHER, SLOW", None, Ruling::Throttled),
        (400, "OTHER: SLOW", None, Ruling::Refuse),
        (429, "BROKE:", None, Ruling::Refuse),
        (403, "BUSY", None, Ruling::Throttled),
        (400, "BUSY", None, Ruling::Refuse),
        (200, "SLOW", None, Ruling::Accept),
        (400, "OTHER", Some(r#"{"code":"SLOW"}"#), Ruling::Throttled),
        (429, "SLOW", Some(r#"{"code":"BROKE"}"#), Ruling::Refuse),
    ] {
        let response = Response::builder().status(status).header("x-code", code);
        let response = response.body(()).unwrap();
        let attempt = Attempt::new(&request, &response);
        let attempt = match body {
            Some(body) => attempt.with_body(body.as_bytes()),
            None => attempt,
        };
        let ruling = provider.judge(&attempt).ruling();
        assert_eq!(ruling, expected, "{status} {code} {body:?}");
    }
}
