//! Which counters and resets count, and whose they are: one rule at a time.

use crate::rows::{nothing, waits};

#[test]
fn a_refusal_by_another_limit_takes_no_reset() {
    nothing(429, "x-ratelimit-remaining: 996 | x-ratelimit-reset: 3600");
    nothing(429, "ratelimit: \"a\";r=3;t=30 | x-ratelimit-reset: 3600");
    nothing(
        403,
        "x-ratelimit-remaining-day: 5 | x-ratelimit-reset-minute: 30",
    );
    waits(
        429,
        "x-ratelimit-remaining: 996 | retry-after: 5",
        5_000,
        "retry-after",
    );
}

#[test]
fn a_served_answer_names_a_wait_only_when_nothing_is_left() {
    for status in [200, 204, 301, 304] {
        nothing(
            status,
            "retry-after: 2 | x-ratelimit-remaining: 7 | x-ratelimit-reset: 3",
        );
        nothing(status, "retry-after: 2");
        waits(
            status,
            "retry-after: 2 | x-ratelimit-remaining: 0",
            2_000,
            "retry-after",
        );
        waits(
            status,
            "x-ratelimit-remaining: 0 | x-ratelimit-reset: 3",
            3_000,
            "x-ratelimit-reset",
        );
    }
    waits(
        200,
        "x-ratelimit-remaining: 0.0 | x-ratelimit-reset: 345",
        345_000,
        "x-ratelimit-reset",
    );
    nothing(200, "x-ratelimit-remaining: -1 | x-ratelimit-reset: 345");
    nothing(200, "content-length: 0 | retry-after: 3");
}

#[test]
fn the_end_of_a_number_in_groups_is_no_counter_at_zero() {
    nothing(200, "x-ratelimit-remaining: 4,000 | x-ratelimit-reset: 60");
    nothing(
        200,
        "x-ratelimit-remaining: 1,000,000 | x-ratelimit-reset: 60",
    );
    nothing(429, "x-ratelimit-remaining: 4,000 | x-ratelimit-reset: 60");
    let source = "x-ratelimit-reset";
    waits(
        200,
        "x-ratelimit-remaining: 000 | x-ratelimit-reset: 60",
        60_000,
        source,
    );
    waits(
        200,
        "x-ratelimit-remaining: 4,0 | x-ratelimit-reset: 1,60",
        60_000,
        source,
    );
}

#[test]
fn slashes_between_counters_hide_no_zero() {
    let counters = [
        "4 / 20, 0 / 100",
        "0/10/1000",
        "10/0/1000",
        "1000/1/0",
        "0/min",
    ];
    for counters in counters {
        waits(
            200,
            &format!("x-ratelimit-remaining: {counters} | x-ratelimit-reset: 3"),
            3_000,
            "x-ratelimit-reset",
        );
    }
}

#[test]
fn a_mistake_of_the_caller_is_not_a_limit() {
    for status in [400, 401, 404, 405, 409, 410, 422] {
        waits(status, "retry-after: 2", 2_000, "retry-after");
        nothing(status, "x-ratelimit-reset: 3");
        nothing(
            status,
            "x-ratelimit-remaining: 7 | x-ratelimit-reset: 3 | retry-after: 2",
        );
        waits(
            status,
            "x-ratelimit-remaining: 0 | retry-after: 2",
            2_000,
            "retry-after",
        );
        waits(
            status,
            "x-ratelimit-remaining: 0 | x-ratelimit-reset: 3",
            3_000,
            "x-ratelimit-reset",
        );
    }
}

#[test]
fn counters_of_a_cached_response_are_stale() {
    let spent = "x-ratelimit-remaining: 0 | x-ratelimit-reset: 30 | ratelimit: \"a\";r=0;t=9";
    nothing(200, &format!("age: 5 | {spent}"));
    nothing(429, &format!("age: 5 | {spent}"));
    waits(200, &format!("age: 0 | {spent}"), 9_000, "ratelimit");
    waits(200, &format!("age: unknown | {spent}"), 9_000, "ratelimit");
    waits(429, "age: 5 | retry-after: 2", 2_000, "retry-after");
}

#[test]
fn headers_of_a_beta_are_only_announced() {
    nothing(
        200,
        "beta-ratelimit-remaining: 0 | beta-ratelimit-reset: 30",
    );
    nothing(
        429,
        "x-beta-retry-after: 30 | beta-ratelimit: \"a\";r=0;t=30",
    );
}

#[test]
fn each_reset_belongs_to_its_own_counter() {
    let minute = "x-ratelimit-remaining-minute: 0 | x-ratelimit-reset-minute: 30";
    let day = |left| {
        format!("{minute} | x-ratelimit-remaining-day: {left} | x-ratelimit-reset-day: 7200")
    };
    waits(429, &day(8), 30_000, "x-ratelimit-reset-minute");
    waits(429, &day(0), 7_200_000, "x-ratelimit-reset-day");
    let glued =
        "x-ratelimit-userremaining: 0 | x-ratelimit-userreset: 9 | x-ratelimit-remaining: 7";
    waits(429, glued, 9_000, "x-ratelimit-userreset");
}

#[test]
fn a_reset_without_a_counter_belongs_to_its_family() {
    let left = |hour, second| {
        format!(
            "x-acme-ratelimit-hour-remaining: {hour} | x-acme-ratelimit-second-remaining: {second} \
             | x-acme-ratelimit-reset: 5"
        )
    };
    waits(429, &left(77, 0), 5_000, "x-acme-ratelimit-reset");
    nothing(429, &left(77, 4));
    waits(
        429,
        "x-ratelimit-remaining: 0 | ratelimit-reset: 5",
        5_000,
        "ratelimit-reset",
    );
    waits(
        429,
        "x-remaining-calls: 0 | x-rate-limit-reset: 5",
        5_000,
        "x-rate-limit-reset",
    );
}

#[test]
fn paired_lists_are_read_pair_by_pair() {
    let pair = |left| format!("x-ratelimit-remaining: {left} | x-ratelimit-reset: 12, 5400");
    waits(429, &pair("0, 1500"), 12_000, "x-ratelimit-reset");
    waits(429, &pair("7, 0"), 5_400_000, "x-ratelimit-reset");
    waits(200, &pair("7, 0"), 5_400_000, "x-ratelimit-reset");
    waits(200, &pair("7/0"), 5_400_000, "x-ratelimit-reset");
    nothing(200, &pair("7, 10"));
    waits(429, &pair("0"), 5_400_000, "x-ratelimit-reset");
    waits(
        429,
        &pair("7 | x-ratelimit-remaining: 0"),
        5_400_000,
        "x-ratelimit-reset",
    );
    waits(
        429,
        "x-ratelimit-remaining: 0;w=60 | x-ratelimit-reset: 9",
        9_000,
        "x-ratelimit-reset",
    );
    waits(
        429,
        "x-ratelimit-remaining: 7, 0 | x-ratelimit-reset: 12",
        12_000,
        "x-ratelimit-reset",
    );
}

#[test]
fn what_is_left_of_nobody_knows_what_says_nothing_of_the_limit() {
    let reset = "x-ratelimit-reset: 30";
    for said in ["x-fuel-remaining: 7", "x-ratelimit-remaining: many"] {
        let headers = format!("{said} | {reset}");
        waits(429, &headers, 30_000, "x-ratelimit-reset");
    }
    nothing(429, &format!("x-ratelimit-remaining: 7 | {reset}"));
}

#[test]
fn the_relative_reset_of_a_counter_beats_the_absolute() {
    let also = |after| {
        format!(
            "x-ratelimit-remaining: 0 | x-ratelimit-reset: 1767225700 | x-ratelimit-reset-after: {after}"
        )
    };
    waits(429, &also("64.57"), 64_570, "x-ratelimit-reset-after");
    waits(429, &also("soon"), 100_000, "x-ratelimit-reset");
}

#[test]
fn all_generations_of_the_draft_are_read() {
    waits(
        429,
        "ratelimit-remaining: 0 | ratelimit-reset: 30",
        30_000,
        "ratelimit-reset",
    );
    waits(
        429,
        "ratelimit: limit=100, remaining=0, reset=30",
        30_000,
        "ratelimit",
    );
    waits(429, "ratelimit: \"default\";r=0;t=30", 30_000, "ratelimit");
    waits(
        200,
        "ratelimit: \"a\";r=2;t=3 | ratelimit: \"b\"; r=0; t=90",
        90_000,
        "ratelimit",
    );
    nothing(200, "ratelimit: limit=100, remaining=40, reset=30");
    nothing(429, "ratelimit: \"default\";r=40;t=30");
    nothing(200, "ratelimit: \"default\";r=0");
}

#[test]
fn names_nobody_listed_are_understood() {
    waits(
        429,
        "x-user-quota-remaining: 0 | x-user-quota-resets-after: 00:00:05",
        5_000,
        "x-user-quota-resets-after",
    );
    waits(
        429,
        "x-a-limit-status: 0 | x-a-limit-reset-timestamp: 1767225601500",
        1_500,
        "x-a-limit-reset-timestamp",
    );
    waits(
        429,
        "x-ratelimit-left: 0 | x-ratelimit-resetat: 2026-01-01T00:01Z",
        60_000,
        "x-ratelimit-resetat",
    );
    waits(
        429,
        "x-ratelimit-remaining: 0 | x-ratelimit-reset-ms: 740",
        740,
        "x-ratelimit-reset-ms",
    );
    waits(
        429,
        "x-ratelimit-reset-ms: 1767225600740",
        740,
        "x-ratelimit-reset-ms",
    );
    waits(
        429,
        "x-rate-limit-requests-left: 0 | x-rate-limit-time-reset-ms: 15000",
        15_000,
        "x-rate-limit-time-reset-ms",
    );
    waits(
        429,
        "http_x_ratelimit_remaining: 0 | http_x_ratelimit_reset: 43",
        43_000,
        "http_x_ratelimit_reset",
    );
    waits(
        429,
        "x-throttle-wait-seconds: 11",
        11_000,
        "x-throttle-wait-seconds",
    );
    waits(
        429,
        "x-ratelimit-retryafter: 1767225611",
        11_000,
        "x-ratelimit-retryafter",
    );
    nothing(
        429,
        "x-hubspot-ratelimit-interval-milliseconds: 10000 | x-hubspot-ratelimit-max: 100",
    );
}

#[test]
fn a_name_that_speaks_of_no_limit_needs_a_counter_of_its_own() {
    waits(
        200,
        "x-acme-remaining: 0 | x-acme-reset: 1767225605",
        5_000,
        "x-acme-reset",
    );
    nothing(429, "x-acme-remaining: 3 | x-acme-reset: 1767225605");
    nothing(429, "x-password-reset: 60");
    nothing(429, "x-ratelimit-remaining: 0 | x-password-reset: 60");
}

#[test]
fn the_order_of_sources_holds_beside_the_21_lines_of_an_api() {
    let tier = |name: &str, left: u32| {
        let stem = format!("anthropic-{name}-tokens");
        format!(
            "{stem}-limit: 9000 | {stem}-remaining: {left} | {stem}-reset: 2026-01-01T00:00:50Z"
        )
    };
    let counters = [
        tier("priority-input", 4_000),
        tier("priority-output", 4_000),
        tier("fast-input", 4_000),
        tier("fast-output", 4_000),
        tier("ratelimit-input", 0),
        tier("ratelimit-output", 4_000),
        tier("ratelimit", 4_000),
        "anthropic-ratelimit-requests-limit: 50".to_owned(),
        "anthropic-ratelimit-requests-remaining: 49".to_owned(),
        "anthropic-ratelimit-requests-reset: 2026-01-01T00:00:02Z".to_owned(),
    ];
    let counters = counters.join(" | ");
    let before = format!("retry-after: 12 | {counters}");
    waits(429, &before, 12_000, "retry-after");
    waits(
        429,
        &format!("{counters} | retry-after: 12"),
        12_000,
        "retry-after",
    );
    let source = "anthropic-ratelimit-input-tokens-reset";
    let spent = counters.replace(
        "ratelimit-input-tokens-reset: 2026-01-01T00:00:50Z",
        "ratelimit-input-tokens-reset: 2026-01-01T00:00:09Z",
    );
    waits(429, &spent, 9_000, source);
}
