use std::time::Duration;

use http::{Request, Response};

use super::*;
use crate::policy::{Attempt, Policy, Ruling};

#[test]
fn a_served_answer_may_ask_for_a_pause() {
    let waits = |provider: &Provider, header: &str, body: &str| {
        let request = Request::get("https://api.test/").body(()).unwrap();
        let response = Response::builder().header("slow-down", header);
        let response = response.body(()).unwrap();
        let mut attempt = Attempt::new(&request, &response);
        if provider.wants_body(&attempt) {
            attempt = attempt.with_body(body.as_bytes());
        }
        let verdict = provider.judge(&attempt);
        assert_eq!(verdict.ruling(), Ruling::Accept);
        verdict.hint().map(|hint| hint.wait().as_secs())
    };
    let body = Provider::new("test")
        .inspect_bodies_of([200])
        .pause_from(Field::json("backoff"));
    assert_eq!(waits(&body, "7", r#"{"backoff":10}"#), Some(10));
    assert_eq!(waits(&body, "7", r#"{"items":[]}"#), None);
    let header = Provider::new("test").pause_from(Field::header("slow-down"));
    assert_eq!(waits(&header, "7", r#"{"backoff":10}"#), Some(7));
    assert_eq!(waits(&header, "soon", ""), None);
    let default = Field::header("other").default_wait(Duration::from_secs(1));
    assert_eq!(
        waits(&Provider::new("test").pause_from(default), "7", ""),
        None
    );
}

/// What is left, of how much, and for how many seconds.
type CountLeft = Option<(u32, Option<u32>, u64)>;

#[track_caller]
fn leaves(lines: &[(&str, &str)], expected: CountLeft) {
    let windows = [15 * 60, 24 * 60 * 60].map(Duration::from_secs);
    let provider = Provider::new("test")
        .usage_from("x-usage", "x-limit", windows)
        .add_usage_from("x-read-usage", "x-read-limit", windows);
    let request = Request::get("https://api.test/").body(()).unwrap();
    let mut response = Response::builder().header("date", "Thu, 01 Jan 2026 10:07:30 GMT");
    for (name, value) in lines {
        response = response.header(*name, *value);
    }
    let response = response.body(()).unwrap();
    let verdict = provider.judge(&Attempt::new(&request, &response));
    let left = verdict.counter();
    let seconds = |left: Remaining| left.resets_in.unwrap_or_default().as_secs();
    let left = left.map(|left| (left.remaining, left.limit, seconds(left)));
    assert_eq!(left, expected, "{lines:?}");
}

#[test]
fn what_is_not_used_is_left() {
    let limit = ("x-limit", "200,2000");
    leaves(&[limit, ("x-usage", "150,643")], Some((50, Some(200), 450)));
    leaves(
        &[limit, ("x-usage", "150,1990")],
        Some((10, Some(2_000), 49_950)),
    );
    leaves(
        &[limit, ("x-usage", "201,2001")],
        Some((0, Some(2_000), 49_950)),
    );
}

#[test]
fn of_several_counters_the_tightest_counts() {
    let all = [("x-limit", "200,2000"), ("x-usage", "150,643")];
    let reads = [("x-read-limit", "100,1000"), ("x-read-usage", "90,500")];
    let both = [all, reads].concat();
    leaves(&both, Some((10, Some(100), 450)));
    let usual = [("x-ratelimit-remaining", "3"), ("x-ratelimit-reset", "60")];
    leaves(&[&both[..], &usual].concat(), Some((3, None, 60)));
    let usual = [("x-ratelimit-remaining", "99"), ("x-ratelimit-reset", "60")];
    leaves(&[&both[..], &usual].concat(), Some((10, Some(100), 450)));
}

#[test]
fn what_is_no_pair_of_counts_or_was_true_once_is_not_counted() {
    let limit = ("x-limit", "200,2000");
    leaves(&[], None);
    leaves(&[limit], None);
    leaves(&[limit, ("x-usage", "many")], None);
    leaves(&[("x-limit", "99999999999"), ("x-usage", "1")], None);
    leaves(&[limit, ("x-usage", "150,643"), ("age", "5")], None);
}
