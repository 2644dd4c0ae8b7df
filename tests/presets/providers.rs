//! What each preset does about every status and every error code of its provider's page.
//!
//! `cargo test --test presets providers:: -- --nocapture` prints the tables.

use std::time::Duration;

use crate::table::Done::{Accepted, AcceptedThenHeld, Final, HeldAsSaid, HeldAtLeast, Retried};
use crate::table::Table;
use http::Request;
use tower_backoff::policy::{Policy, Provider};
use tower_backoff::providers::{self, daily_event_insurance::Tier};
use tower_backoff::{Quota, RetryLayer};

#[test]
fn lemlist() {
    const RESET: &str = "Tue Feb 16 2021 09:02:42 GMT+0100 (Central European Standard Time)";
    let all_four = |remaining| {
        [
            ("Retry-After", "2"),
            ("X-RateLimit-Limit", "20"),
            ("X-RateLimit-Remaining", remaining),
            ("X-RateLimit-Reset", RESET),
        ]
    };
    let table = Table::of(providers::lemlist());
    table.row(200, &all_four("7"), "", Accepted);
    table.row(200, &all_four("0"), "", AcceptedThenHeld(2));
    table.row(400, &all_four("7"), "Bad params", Final);
    table.row(400, &all_four("7"), "Bad team", Final);
    table.row(401, &all_four("7"), "", Final);
    table.row(403, &all_four("7"), "", Final);
    table.row(404, &all_four("7"), "Bad request", Final);
    table.row(405, &all_four("7"), "", Final);
    table.row(429, &all_four("0"), "", HeldAsSaid(2));
    table.row(429, &all_four("0")[1..], "", HeldAsSaid(2)); // its JavaScript date alone
    table.row(429, &[("Retry-After", "1.437")], "", HeldAsSaid(1));
    table.row(429, &[], "", HeldAtLeast(60));
    table.row(500, &[], "", Retried);
    let posts = Table::for_posts(providers::lemlist());
    posts.row(429, &all_four("0"), "", HeldAsSaid(2));
    posts.row(500, &[], "", Final);
}

#[test]
fn wolfeo() {
    let envelope = |code: &str| {
        format!(r#"{{"success":false,"error":{{"code":"{code}","message":"Human-readable"}}}}"#)
    };
    let table = Table::of(providers::wolfeo());
    table.row(200, &[], "", Accepted);
    table.row(201, &[], "", Accepted);
    for (status, code) in [
        (400, "VALIDATION_ERROR"),
        (401, "UNAUTHORIZED"),
        (403, "FORBIDDEN"),
        (404, "NOT_FOUND"),
        (409, "CONTACT_EXISTS"),
        (422, "VALIDATION_ERROR"),
    ] {
        table.row(status, &[], &envelope(code), Final);
    }
    table.row(
        429,
        &[],
        r#"{"message":"Too Many Attempts."}"#,
        HeldAtLeast(60),
    );
    table.row(429, &[("Retry-After", "37")], "", HeldAsSaid(37));
    table.row(500, &[], &envelope("SERVER_ERROR"), Retried);
    let posts = Table::for_posts(providers::wolfeo());
    posts.row(
        429,
        &[],
        r#"{"message":"Too Many Attempts."}"#,
        HeldAtLeast(60),
    );
    posts.row(500, &[], &envelope("SERVER_ERROR"), Final);
}

#[test]
fn daily_event_insurance() {
    let error = |code: &str| {
        format!(r#"{{"error":{{"code":"{code}","message":"m","request_id":"req_abc123"}}}}"#)
    };
    let published = |remaining, reset| {
        [
            ("X-RateLimit-Limit", "50"),
            ("X-RateLimit-Remaining", remaining),
            ("X-RateLimit-Reset", reset),
        ]
    };
    let table = Table::of(providers::daily_event_insurance());
    table.row(200, &published("49", "60"), "", Accepted);
    table.row(200, &published("0", "42"), "", AcceptedThenHeld(42));
    for (status, code) in [
        (400, "invalid_request"),
        (401, "AUTHENTICATION_FAILED"),
        (403, "permission_denied"),
        (404, "not_found"),
        (422, "validation_error"),
    ] {
        table.row(status, &published("49", "60"), &error(code), Final);
    }
    table.row(429, &[], &error("rate_limit_exceeded"), HeldAtLeast(60));
    table.row(429, &[], &error("RATE_LIMIT_EXCEEDED"), HeldAtLeast(60));
    table.row(429, &published("0", "42"), "", HeldAsSaid(42));
    table.row(429, &published("0", "1613462600"), "", HeldAsSaid(40));
    table.row(429, &published("12", "1613462600"), "", HeldAtLeast(60)); // the concurrency limit
    table.row(500, &[], &error("server_error"), Retried);
    table.row(503, &[], "", Retried);
    table.row(503, &[("Retry-After", "120")], "", HeldAsSaid(120));
    let posts = Table::for_posts(providers::daily_event_insurance());
    posts.row(500, &[], "", Final);
}

#[test]
fn snippets_ai() {
    const BLOCKED: &str = r#"{"success":false,"message":"Too many invalid API key attempts. This API key has been temporarily blocked for 5 minutes."}"#;
    let table = Table::of(providers::snippets_ai());
    table.row(200, &[], "", Accepted);
    table.row(
        400,
        &[],
        r#"{"success":false,"message":"Validation failed"}"#,
        Final,
    );
    table.row(
        401,
        &[],
        r#"{"success":false,"message":"Invalid API key"}"#,
        Final,
    );
    table.row(
        403,
        &[],
        r#"{"message":"API key lacks team permissions"}"#,
        Final,
    );
    table.row(
        403,
        &[],
        r#"{"message":"Insufficient API request quota"}"#,
        Final,
    );
    table.row(403, &[("Retry-After", "300")], BLOCKED, HeldAsSaid(300));
    table.row(403, &[], BLOCKED, HeldAtLeast(300));
    table.row(404, &[], "", Final);
    table.row(429, &[("Retry-After", "13")], "", HeldAsSaid(13));
    table.row(429, &[], "", HeldAtLeast(60));
    table.row(500, &[], "", Retried);
}

#[test]
fn enrich_engine() {
    let error = |code: &str| format!(r#"{{"error":"text","code":"{code}","details":{{}}}}"#);
    let published = |remaining| {
        [
            ("X-RateLimit-Limit", "100"),
            ("X-RateLimit-Remaining", remaining),
            ("X-RateLimit-Reset", "1613462605"),
        ]
    };
    let table = Table::of(providers::enrich_engine());
    table.row(200, &published("95"), "", Accepted);
    table.row(200, &published("0"), "", AcceptedThenHeld(45));
    for (status, code) in [
        (401, "INVALID_API_KEY"),
        (403, "INSUFFICIENT_SCOPE"),
        (403, "NO_ACTIVE_ORGANIZATION"),
        (402, "INSUFFICIENT_CREDITS"),
        (429, "INSUFFICIENT_CREDITS"),
        (400, "INVALID_CSV_FORMAT"),
        (404, "RESOURCE_NOT_FOUND"),
        (404, "JOB_NOT_FOUND"),
        (400, "INVALID_JOB_STAGE"),
        (400, "NO_EMAILS_TO_VERIFY"),
    ] {
        table.row(status, &published("95"), &error(code), Final);
    }
    table.row(
        429,
        &published("0"),
        &error("RATE_LIMIT_EXCEEDED"),
        HeldAsSaid(45),
    );
    table.row(429, &[], &error("RATE_LIMIT_EXCEEDED"), HeldAtLeast(60));
    table.row(500, &[], "", Retried);
}

#[test]
fn quotas_are_what_the_pages_say() {
    #[track_caller]
    fn quotas(provider: &Provider, expected: &[Quota]) {
        let request = Request::get("https://api.test/").body(()).unwrap();
        let head = tower_backoff::policy::RequestHead::new(&request);
        assert_eq!(provider.plans(&head), expected);
    }
    let two_seconds = Duration::from_secs(2);
    quotas(&providers::lemlist(), &[Quota::new(20, two_seconds)]);
    quotas(&providers::wolfeo(), &[Quota::per_minute(600)]);
    quotas(&providers::snippets_ai(), &[Quota::per_minute(20)]);
    quotas(&providers::enrich_engine(), &[]);
    quotas(&providers::daily_event_insurance(), &[]);
    let sandbox = providers::daily_event_insurance().plans(Tier::Sandbox);
    quotas(&sandbox, &[Quota::per_hour(100), Quota::per_minute(10)]);
    let bigger_plan = providers::wolfeo().plan(Quota::per_minute(1_200));
    quotas(&bigger_plan, &[Quota::per_minute(1_200)]);
}

#[test]
fn lemlist_counts_per_key_and_never_shows_it() {
    let scope = |key: &'static str| {
        let request = Request::get("https://api.lemlist.com/api/team")
            .header("authorization", key)
            .body(())
            .unwrap();
        let head = tower_backoff::policy::RequestHead::new(&request);
        providers::lemlist()
            .scope(&head)
            .expect("a scope of its own")
    };
    assert_eq!(scope("Basic one"), scope("Basic one"));
    assert_ne!(scope("Basic one"), scope("Basic two"));
    let printed = format!("{} {:?}", scope("Basic one"), scope("Basic one"));
    assert!(
        printed.contains("https://api.lemlist.com (key "),
        "{printed}"
    );
    assert!(!printed.contains("one"), "{printed}");
}

#[test]
fn every_preset_builds_a_layer_and_is_found_by_its_name() {
    for preset in providers::all() {
        let found = providers::by_name(preset.name()).expect("by its own name");
        assert_eq!(found.name(), preset.name());
        let _ = RetryLayer::new(preset);
    }
}
