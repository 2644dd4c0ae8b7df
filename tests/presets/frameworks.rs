//! What the presets by framework do about the answers of the real limiters.
//!
//! The headers are those that the limiters send at their defaults, as runs against them showed.

use std::time::Duration;

use http::Request;
use tower_backoff::policy::{Policy, Provider, RequestHead};
use tower_backoff::{Quota, RetryLayer, providers::frameworks};

use crate::support::mock::{Mock, status};
use crate::support::paused::*;
use crate::table::Done::{Accepted, Final, HeldAsSaid, HeldAtLeast, Retried};
use crate::table::Table;

const SECOND: Duration = Duration::from_secs(1);

#[track_caller]
fn allows(provider: &Provider, expected: Quota) {
    let request = Request::get("https://api.test/").body(()).unwrap();
    let head = RequestHead::new(&request);
    assert_eq!(provider.quotas(&head), [expected]);
}

/// Limit and what is left of it.
fn counted(left: &str) -> [(&str, &str); 2] {
    [("X-RateLimit-Limit", "60"), ("X-RateLimit-Remaining", left)]
}

#[test]
fn nginx() {
    const UNAVAILABLE: &str =
        "<html><head><title>503 Service Temporarily Unavailable</title></head></html>";
    let fifteen = Quota::per_second(15);
    for provider in [
        frameworks::nginx(),
        frameworks::nginx_limit_req(fifteen, 20),
        frameworks::nginx_limit_conn(8),
    ] {
        let table = Table::for_posts(provider);
        table.recorded("nginx-503", HeldAtLeast(1));
        table.row(503, &[("Server", "nginx")], UNAVAILABLE, HeldAtLeast(1));
        table.row(502, &[], "", Final); // the work may be done
        table.row(504, &[], "", Final);
    }
    Table::of(frameworks::nginx()).recorded("nginx-429", HeldAtLeast(60));
    let limited = frameworks::nginx_limit_req(fifteen, 20);
    allows(&limited, fifteen.burst(21));
    Table::of(limited).recorded("nginx-429", HeldAtLeast(1));
    allows(&frameworks::nginx_limit_req(fifteen, 0), fifteen.paced());
    allows(&frameworks::nginx_limit_conn(8), Quota::concurrent(8));
    let slow = frameworks::nginx_limit_req(Quota::per_minute(30), 5);
    Table::of(slow).recorded("nginx-429", HeldAtLeast(60));
}

#[test]
fn haproxy() {
    let limit = Quota::new(100, 10 * SECOND);
    let provider = frameworks::haproxy(limit);
    allows(&provider, limit.paced());
    let table = Table::for_posts(provider);
    table.row(
        403,
        &[],
        "Request forbidden by administrative rules.",
        HeldAtLeast(10),
    );
    table.row(429, &[], "", HeldAtLeast(10));
    table.row(503, &[], "", Final); // no server was found, or it is down
}

#[test]
fn varnish() {
    let limit = Quota::new(15, 10 * SECOND);
    allows(&frameworks::varnish(limit), limit);
    let table = Table::of(frameworks::varnish(limit));
    table.row(429, &[("Retry-After", "5")], "", HeldAsSaid(5));
    table.row(429, &[], "", HeldAtLeast(10));
}

#[test]
fn mod_evasive() {
    let table = Table::of(frameworks::mod_evasive(10 * SECOND));
    table.row(403, &[("Server", "Apache")], "Forbidden", HeldAtLeast(10));
}

#[test]
fn laravel() {
    let refused = [
        ("X-RateLimit-Limit", "60"),
        ("X-RateLimit-Remaining", "0"),
        ("Retry-After", "37"),
        ("X-RateLimit-Reset", "1613462597"),
    ];
    let limit = Quota::per_minute(60);
    allows(&frameworks::laravel_throttle(limit), limit);
    for provider in [frameworks::laravel(), frameworks::laravel_throttle(limit)] {
        let table = Table::for_posts(provider);
        table.recorded("laravel-throttle", HeldAsSaid(37));
        table.recorded("laravel-200", Accepted);
        table.recorded("laravel-200-zero-left", Accepted); // it names no reset
        table.recorded("wolfeo-laravel-headers", HeldAsSaid(37));
        table.row(200, &counted("59"), "", Accepted);
        let body = r#"{"message":"Too Many Attempts."}"#;
        table.row(429, &refused, body, HeldAsSaid(37));
        table.row(429, &refused[3..], body, HeldAsSaid(37));
        table.row(429, &[], body, HeldAtLeast(60)); // a proxy dropped the headers
        table.row(500, &[], r#"{"message":"Server Error"}"#, Final);
    }
}

#[test]
fn symfony_rails_and_flask() {
    let quarter = Quota::new(100, 900 * SECOND);
    for provider in [
        frameworks::symfony(quarter),
        frameworks::rack_attack(quarter),
        frameworks::flask_limiter(quarter),
    ] {
        allows(&provider, quarter);
        let table = Table::for_posts(provider);
        table.row(429, &[], "", HeldAtLeast(900));
        table.row(403, &[], "", Final);
    }
    let reset = [
        ("RateLimit-Limit", "300"),
        ("RateLimit-Remaining", "0"),
        ("RateLimit-Reset", "1613462600"),
    ];
    let with_a_wait = Table::of(frameworks::symfony(quarter));
    with_a_wait.recorded("symfony-ratelimiter", HeldAsSaid(12));
    // As the README of rack-attack shows it.
    Table::of(frameworks::rack_attack(quarter)).row(429, &reset, "Throttled\n", HeldAsSaid(40));
}

#[test]
fn django() {
    const THROTTLED: &str =
        r#"{"detail":"Request was throttled. Expected available in 37 seconds."}"#;
    let limit = Quota::per_minute(60);
    allows(&frameworks::django_rest_throttle(limit), limit);
    let table = Table::for_posts(frameworks::django_rest());
    table.row(200, &[], "", Accepted);
    // `Retry-After` is cut: a second more, and the slot is free.
    table.recorded("drf", HeldAsSaid(54));
    table.recorded("drf-translated", HeldAtLeast(60));
    table.row(429, &[("Retry-After", "37")], THROTTLED, HeldAsSaid(38));
    table.row(403, &[], r#"{"detail":"Invalid token."}"#, Final);
    let provider = frameworks::django_ratelimit(limit);
    allows(&provider, limit);
    let table = Table::of(provider);
    table.row(403, &[], "<h1>403 Forbidden</h1>", HeldAtLeast(60));
    table.row(429, &[], "", HeldAtLeast(60));
}

#[test]
fn node() {
    let draft = [
        ("RateLimit-Policy", "60;w=60"),
        ("RateLimit", "limit=60, remaining=0, reset=37"),
        ("Retry-After", "37"),
    ];
    for provider in [
        frameworks::express_rate_limit(),
        frameworks::fastify(),
        frameworks::fastify_continue_exceeding(),
    ] {
        let table = Table::for_posts(provider);
        table.row(429, &draft, "Too many requests", HeldAsSaid(37));
        table.row(429, &[], "", HeldAtLeast(60));
    }
    let express = Table::of(frameworks::express_rate_limit());
    express.recorded("express-rl-legacy", HeldAsSaid(900));
    express.recorded("express-rl-draft8", HeldAsSaid(612));
    express.recorded("express-rl-draft8-two-limiters", HeldAsSaid(5_400));
    // `Retry-After` is cut: a second more, and the window is over.
    let table = Table::of(frameworks::koa_ratelimit());
    table.recorded("koa-ratelimit-floor", HeldAsSaid(8));
    table.recorded("koa-ratelimit-200", Accepted);
    table.row(429, &[("Retry-After", "3")], "", HeldAsSaid(4));
    let table = Table::of(frameworks::rate_limiter_flexible_millis());
    table.row(429, &[("Retry-After", "3978")], "", HeldAsSaid(3));
}

#[test]
fn rust() {
    let table = Table::for_posts(frameworks::governor());
    table.row(
        429,
        &[("Retry-After", "0")],
        "Too Many Requests! Wait for 0s",
        HeldAsSaid(1),
    );
    let bucket = frameworks::governor_limit(2 * SECOND, 5);
    allows(&bucket, Quota::new(1, 2 * SECOND).burst(5));
    let provider = frameworks::load_shed(8);
    allows(&provider, Quota::concurrent(8));
    // The calls at once are declared, and what is behind may have begun the work.
    Table::for_posts(provider.clone()).row(503, &[], "", Final);
    Table::of(provider).row(503, &[], "", Retried);
}

#[test]
fn those_that_punish_calls_while_they_refuse_begin_with_one() {
    let request = Request::get("https://api.test/").body(()).unwrap();
    let head = RequestHead::new(&request);
    let starts = |provider: Provider| Policy::cold_start(&provider, &head);
    assert_eq!(starts(frameworks::mod_evasive(SECOND)), Some(1));
    assert_eq!(starts(frameworks::fastify_continue_exceeding()), Some(1));
    assert_eq!(starts(frameworks::fastify()), None);
}

#[test]
#[should_panic(expected = "a rate has a window")]
fn calls_at_once_are_no_rate() {
    drop(frameworks::nginx_limit_req(Quota::concurrent(8), 1));
}

#[tokio::test(start_paused = true)]
async fn a_post_behind_nginx_goes_again_after_its_bare_503() {
    let mock = Mock::new(|nth, _| match nth {
        1 => status(503),
        _ => status(200),
    });
    let layer = RetryLayer::new(frameworks::nginx().named("acme"));
    let service = around(&mock, layer);
    let response = send(&service, post("https://api.test/orders")).await;
    assert_eq!(response.unwrap().status(), 200);
    assert_eq!(mock.calls().len(), 2);
}
