use std::time::Duration;

use http::{Request, Response};

use super::*;
use crate::policy::{Policy, Ruling};

#[test]
fn an_answer_about_one_request_stops_the_others_only_by_a_spent_counter() {
    let request = Request::get("https://api.test/").body(()).unwrap();
    for (left, closes_gate) in [("7", false), ("0", true), ("many", false)] {
        let response = Response::builder()
            .status(404)
            .header("retry-after", "5")
            .header("x-ratelimit-remaining", left);
        let response = response.body(()).unwrap();
        let verdict = Provider::new("test").judge(&Attempt::new(&request, &response));
        assert_eq!(
            (verdict.ruling(), verdict.closes_gate()),
            (Ruling::Refuse, closes_gate),
            "{left}"
        );
    }
}

#[test]
fn the_wait_of_one_call_goes_with_its_retry_and_shuts_no_gate() {
    for (status, method, header, expected) in [
        (408, "GET", "retry-after", (Ruling::Retry, false)),
        (408, "POST", "retry-after", (Ruling::Refuse, false)),
        (413, "POST", "retry-after", (Ruling::Retry, false)),
        (425, "POST", "retry-after", (Ruling::Retry, false)),
        (425, "POST", "x-ratelimit-reset", (Ruling::Retry, true)),
        (423, "GET", "retry-after", (Ruling::Retry, false)),
        (409, "GET", "retry-after", (Ruling::Retry, false)),
        (503, "GET", "retry-after", (Ruling::Retry, true)),
        (503, "POST", "retry-after", (Ruling::Refuse, true)),
        (429, "POST", "retry-after", (Ruling::Throttled, true)),
    ] {
        let listed = [408, 409, 413, 423, 425, 429, 503];
        let request = Request::builder().method(method).uri("https://api.test/");
        let request = request.body(()).unwrap();
        let response = Response::builder().status(status).header(header, "5");
        let response = response.body(()).unwrap();
        let verdict = Provider::new("test").retry_on(listed);
        let verdict = verdict.judge(&Attempt::new(&request, &response));
        let found = (verdict.ruling(), verdict.closes_gate());
        assert_eq!(found, expected, "{status} {method} {header}");
        let wait = verdict.hint().map(|hint| hint.wait());
        assert_eq!(wait, Some(Duration::from_secs(5)), "{status} {method}");
    }
    let request = Request::post("https://api.test/").body(()).unwrap();
    let response = Response::builder().status(413).body(()).unwrap();
    let listed = Provider::new("test").retry_on([413]);
    let verdict = listed.judge(&Attempt::new(&request, &response));
    assert_eq!(
        verdict,
        Verdict::not_safe(),
        "nothing says that it was not done"
    );
}

#[test]
fn a_403_that_is_retried_is_a_limit_if_it_names_a_wait() {
    let provider = Provider::new("test").retry_on([403]);
    for (method, wait, ruling) in [
        ("POST", "5", Ruling::Throttled),
        ("POST", "soon", Ruling::Refuse),
        ("GET", "soon", Ruling::Retry),
    ] {
        let request = Request::builder().method(method).uri("https://api.test/");
        let request = request.body(()).unwrap();
        let response = Response::builder().status(403).header("retry-after", wait);
        let response = response.body(()).unwrap();
        let verdict = provider.judge(&Attempt::new(&request, &response));
        assert_eq!(verdict.ruling(), ruling, "{method} {wait}");
    }
}

#[test]
fn a_status_that_tells_of_a_block_is_a_limit_for_so_long() {
    let secs = Duration::from_secs;
    let provider = Provider::new("test")
        .throttled_on([418, 403], secs(120))
        .throttled_for_when_body_contains("an hour", secs(3_600))
        .throttled_codes(["SLOW"])
        .retried_codes(["LOCKED"])
        .final_codes(["BROKE"]);
    let blocked = |lasting| Verdict::throttled().bare_wait(secs(lasting));
    let judged = |status: u16, wait: &str, body: &str| {
        let request = Request::post("https://api.test/").body(()).unwrap();
        let response = Response::builder().status(status);
        let response = response.header("retry-after", wait).body(()).unwrap();
        let attempt = Attempt::new(&request, &response);
        provider.judge(&attempt.with_body(body.as_bytes()))
    };
    for (status, body, expected) in [
        (418, "", blocked(120)),
        (403, "", blocked(120)),
        (420, "", Verdict::refuse()),
        (429, "", blocked(60)),
        (418, r#"{"code":"SLOW"}"#, blocked(120)),
        (418, "blocked for an hour", blocked(3_600)),
        (418, r#"{"code":"LOCKED"}"#, Verdict::retry()),
        (418, r#"{"code":"BROKE"}"#, Verdict::refuse()),
    ] {
        assert_eq!(judged(status, "soon", body), expected, "{status} {body}");
    }
    let named = judged(418, "5", "");
    let wait = named.hint().map(|hint| hint.wait());
    assert_eq!((named.ruling(), wait), (Ruling::Throttled, Some(secs(5))));
    let never = judged(418, "4294967297", "");
    assert_eq!(never, Verdict::refuse().close_gate().bare_wait(secs(120)));
}

#[test]
fn a_failure_that_is_not_retried_is_no_success() {
    let request = Request::get("https://api.test/").body(()).unwrap();
    let only_429 = Provider::new("test").retry_on([429]);
    for (provider, status) in [(Provider::new("test"), 501), (only_429, 500)] {
        let response = Response::builder().status(status).body(()).unwrap();
        let verdict = provider.judge(&Attempt::new(&request, &response));
        assert_eq!(verdict, Verdict::refuse(), "{status}");
    }
}

#[test]
fn a_body_that_can_only_forbid_is_not_asked_for_what_ends_anyway() {
    let provider = Provider::new("test").final_codes(["BROKE"]);
    let request = Request::post("https://api.test/").body(()).unwrap();
    for (status, wanted) in [(200, false), (400, false), (429, true), (500, false)] {
        let response = Response::builder().status(status).body(()).unwrap();
        let attempt = Attempt::new(&request, &response);
        assert_eq!(provider.wants_body(&attempt), wanted, "{status}");
    }
}

#[test]
fn more_than_a_year_ends_every_call_that_was_not_served() {
    let request = Request::get("https://api.test/").body(()).unwrap();
    for (status, ruling) in [
        (200, Ruling::Accept),
        (404, Ruling::Refuse),
        (429, Ruling::Refuse),
        (503, Ruling::Refuse),
    ] {
        let response = Response::builder()
            .status(status)
            .header("retry-after", "4294967297")
            .header("x-ratelimit-remaining", "0");
        let response = response.body(()).unwrap();
        let attempt = Attempt::new(&request, &response);
        let verdict = Provider::new("test").judge(&attempt);
        let expected = (ruling, ruling == Ruling::Refuse);
        assert_eq!(
            (verdict.ruling(), verdict.closes_gate()),
            expected,
            "{status}"
        );
    }
}

#[test]
fn what_would_go_again_if_it_were_safe_is_not_final() {
    let post = Request::post("https://api.test/").body(()).unwrap();
    let failed: &(dyn std::error::Error + 'static) = &std::fmt::Error;
    let verdict = Provider::new("test").judge(&Attempt::failed(&post, failed));
    assert!(verdict.is_not_safe());
    for (status, not_safe) in [(500, true), (503, true), (501, false), (400, false)] {
        let response = Response::builder().status(status).body(()).unwrap();
        let verdict = Provider::new("test").judge(&Attempt::new(&post, &response));
        let said = (verdict.ruling(), verdict.is_not_safe());
        assert_eq!(said, (Ruling::Refuse, not_safe), "{status}");
    }
}

#[test]
fn a_code_about_one_call_makes_that_call_alone_wait() {
    let request = Request::post("https://api.test/").body(()).unwrap();
    for status in [400, 429, 503] {
        let response = Response::builder().status(status);
        let response = response.header("retry-after", "5").body(()).unwrap();
        let attempt = Attempt::new(&request, &response).with_body(br#"{"code":"locked"}"#);
        let verdict = Provider::new("test").retried_codes(["locked"]);
        let verdict = verdict.judge(&attempt);
        let found = (verdict.ruling(), verdict.closes_gate());
        assert_eq!(found, (Ruling::Retry, false), "{status}");
        let wait = verdict.hint().map(|hint| hint.wait());
        assert_eq!(wait, Some(Duration::from_secs(5)), "{status}");
    }
}
