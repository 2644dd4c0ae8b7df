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
        .should_retry_header(http::HeaderName::from_static("should-retry"));
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
