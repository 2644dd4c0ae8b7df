//! What the generic reader makes of headers, one rule at a time.

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use std::time::{Duration, SystemTime};
use tower_backoff::hint::{self, Kind, Reading};

/// 2026-01-01T00:00:00Z.
const NOW: u64 = 1_767_225_600;

fn read(status: u16, headers: &[(&str, &str)]) -> Reading {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let value = HeaderValue::from_bytes(value.as_bytes()).expect("a value");
        map.append(name.parse::<HeaderName>().expect("a name"), value);
    }
    let received = SystemTime::UNIX_EPOCH + Duration::from_secs(NOW);
    hint::read(
        StatusCode::from_u16(status).expect("a status"),
        &map,
        received,
    )
}

#[track_caller]
fn waits(status: u16, headers: &[(&str, &str)], millis: u64, source: &str) {
    let Reading::Wait(hint) = read(status, headers) else {
        panic!("no wait in {headers:?}")
    };
    assert_eq!(
        (hint.wait().as_millis(), hint.source()),
        (millis.into(), source),
        "{headers:?}"
    );
    let kind = if source.contains("retry") || source.contains("wait") {
        Kind::RetryAfter
    } else {
        Kind::Reset
    };
    assert_eq!(hint.kind(), kind);
}

#[track_caller]
fn nothing(status: u16, headers: &[(&str, &str)]) {
    assert_eq!(read(status, headers), Reading::Nothing, "{headers:?}");
}

#[track_caller]
fn never(headers: &[(&str, &str)]) {
    assert_eq!(
        read(429, headers),
        Reading::Never("retry-after"),
        "{headers:?}"
    );
}

#[test]
fn the_more_precise_spelling_comes_first() {
    let all = [
        ("x-ratelimit-reset", "9"),
        ("x-retry-after", "8"),
        ("retry-after", "7"),
        ("retry-after-ms", "6500"),
    ];
    waits(429, &all, 6_500, "retry-after-ms");
    waits(429, &all[..3], 7_000, "retry-after");
    waits(429, &all[..2], 8_000, "x-retry-after");
    waits(429, &all[..1], 9_000, "x-ratelimit-reset");
    waits(
        503,
        &[("x-ms-retry-after-ms", "250"), ("retry-after", "1")],
        250,
        "x-ms-retry-after-ms",
    );
}

#[test]
fn a_malformed_value_passes_the_question_on() {
    for odd in [
        "", "soon", "-1", "+5", "1e3", "inf", "NaN", "1_000", "30 000", "\u{663}",
    ] {
        waits(
            429,
            &[("retry-after", odd), ("x-ratelimit-reset", "9")],
            9_000,
            "x-ratelimit-reset",
        );
        waits(
            429,
            &[("retry-after-ms", odd), ("retry-after", "4")],
            4_000,
            "retry-after",
        );
        nothing(429, &[("retry-after", odd), ("x-ratelimit-reset", odd)]);
    }
}

#[test]
fn a_retry_after_of_more_than_a_year_is_never_whatever_else_is_said() {
    never(&[("retry-after", "40000000")]);
    never(&[("retry-after", "500000000")]);
    never(&[("retry-after", "4294967297")]);
    never(&[
        ("retry-after", "18446744073709551615"),
        ("x-ratelimit-reset", "9"),
    ]);
    never(&[("retry-after", "99999999999999999999999999999999")]);
    never(&[
        ("retry-after", "Fri, 01 Jan 2038 00:00:00 GMT"),
        ("x-ratelimit-remaining", "0"),
    ]);
    never(&[("retry-after", "30"), ("retry-after", "4294967297")]);
    waits(
        429,
        &[("retry-after", "31536000")],
        31_536_000_000,
        "retry-after",
    );
}

#[test]
fn anything_else_of_more_than_a_year_is_unusable() {
    nothing(429, &[("x-ratelimit-reset", "40000000")]);
    nothing(429, &[("x-ratelimit-reset", "2897868769")]);
    nothing(429, &[("ratelimit", "\"a\";r=0;t=40000000")]);
    waits(
        429,
        &[("x-retry-after", "4294967297"), ("x-ratelimit-reset", "5")],
        5_000,
        "x-ratelimit-reset",
    );
}

#[test]
fn of_several_values_the_longest_counts() {
    waits(
        429,
        &[("retry-after", "30"), ("retry-after", "60")],
        60_000,
        "retry-after",
    );
    waits(429, &[("retry-after", "60, 30")], 60_000, "retry-after");
    waits(429, &[("retry-after", "30, soon")], 30_000, "retry-after");
    let dates = "Thu, 01 Jan 2026 00:00:30 GMT, Thu, 01 Jan 2026 00:00:40 GMT";
    waits(429, &[("retry-after", dates)], 40_000, "retry-after");
}

#[test]
fn moments_are_compared_with_the_servers_clock() {
    let date = ("date", "Thu, 01 Jan 2026 01:00:00 GMT");
    waits(
        429,
        &[date, ("retry-after", "2026-01-01T01:00:30Z")],
        30_000,
        "retry-after",
    );
    waits(
        429,
        &[date, ("x-ratelimit-reset", "1767229230")],
        30_000,
        "x-ratelimit-reset",
    );
    waits(429, &[date, ("retry-after", "30")], 30_000, "retry-after");
    waits(
        429,
        &[("date", "yesterday"), ("x-ratelimit-reset", "1767225630")],
        30_000,
        "x-ratelimit-reset",
    );
}

#[test]
fn a_moment_that_has_passed_is_a_wait_of_zero() {
    waits(
        429,
        &[("retry-after", "Thu, 01 Jan 1970 00:00:00 GMT")],
        0,
        "retry-after",
    );
    waits(
        429,
        &[("retry-after", "Wed, 31 Dec 1969 23:59:59 GMT")],
        0,
        "retry-after",
    );
    waits(
        429,
        &[("x-ratelimit-reset", "1767225599")],
        0,
        "x-ratelimit-reset",
    );
}

#[test]
fn a_refusal_by_another_limit_takes_no_reset() {
    nothing(
        429,
        &[
            ("x-ratelimit-remaining", "996"),
            ("x-ratelimit-reset", "3600"),
        ],
    );
    nothing(
        429,
        &[
            ("ratelimit", "\"a\";r=3;t=30"),
            ("x-ratelimit-reset", "3600"),
        ],
    );
    nothing(
        403,
        &[
            ("x-ratelimit-remaining-day", "5"),
            ("x-ratelimit-reset-minute", "30"),
        ],
    );
    waits(
        429,
        &[("x-ratelimit-remaining", "996"), ("retry-after", "5")],
        5_000,
        "retry-after",
    );
}

#[test]
fn each_reset_belongs_to_its_own_counter() {
    let minute = [
        ("x-ratelimit-remaining-minute", "0"),
        ("x-ratelimit-reset-minute", "30"),
    ];
    let day = [
        ("x-ratelimit-remaining-day", "8"),
        ("x-ratelimit-reset-day", "7200"),
    ];
    waits(
        429,
        &[minute, day].concat(),
        30_000,
        "x-ratelimit-reset-minute",
    );
    let day = [
        ("x-ratelimit-remaining-day", "0"),
        ("x-ratelimit-reset-day", "7200"),
    ];
    waits(
        429,
        &[minute, day].concat(),
        7_200_000,
        "x-ratelimit-reset-day",
    );
    let glued = [
        ("x-ratelimit-userremaining", "0"),
        ("x-ratelimit-userreset", "9"),
        ("x-ratelimit-remaining", "7"),
    ];
    waits(429, &glued, 9_000, "x-ratelimit-userreset");
}

#[test]
fn a_reset_without_a_counter_belongs_to_its_family() {
    let reset = ("x-acme-ratelimit-reset", "5");
    let [hour, second] = [
        "x-acme-ratelimit-hour-remaining",
        "x-acme-ratelimit-second-remaining",
    ];
    waits(
        429,
        &[(hour, "77"), (second, "0"), reset],
        5_000,
        "x-acme-ratelimit-reset",
    );
    nothing(429, &[(hour, "77"), (second, "4"), reset]);
    waits(
        429,
        &[("x-ratelimit-remaining", "0"), ("ratelimit-reset", "5")],
        5_000,
        "ratelimit-reset",
    );
    waits(
        429,
        &[("x-remaining-calls", "0"), ("x-rate-limit-reset", "5")],
        5_000,
        "x-rate-limit-reset",
    );
}

#[test]
fn paired_lists_are_read_pair_by_pair() {
    let reset = ("x-ratelimit-reset", "12, 5400");
    waits(
        429,
        &[("x-ratelimit-remaining", "0, 1500"), reset],
        12_000,
        "x-ratelimit-reset",
    );
    waits(
        429,
        &[("x-ratelimit-remaining", "7, 0"), reset],
        5_400_000,
        "x-ratelimit-reset",
    );
    waits(
        200,
        &[("x-ratelimit-remaining", "7, 0"), reset],
        5_400_000,
        "x-ratelimit-reset",
    );
    nothing(200, &[("x-ratelimit-remaining", "7, 10"), reset]);
    waits(
        429,
        &[("x-ratelimit-remaining", "0"), reset],
        5_400_000,
        "x-ratelimit-reset",
    );
    let lines = [
        ("x-ratelimit-remaining", "7"),
        ("x-ratelimit-remaining", "0"),
        reset,
    ];
    waits(429, &lines, 5_400_000, "x-ratelimit-reset");
}

#[test]
fn the_relative_reset_of_a_counter_beats_the_absolute() {
    let left = ("x-ratelimit-remaining", "0");
    let absolute = ("x-ratelimit-reset", "1767225700");
    waits(
        429,
        &[left, absolute, ("x-ratelimit-reset-after", "64.57")],
        64_570,
        "x-ratelimit-reset-after",
    );
    waits(
        429,
        &[left, absolute, ("x-ratelimit-reset-after", "soon")],
        100_000,
        "x-ratelimit-reset",
    );
}

#[test]
fn all_generations_of_the_draft_are_read() {
    waits(
        429,
        &[("ratelimit-remaining", "0"), ("ratelimit-reset", "30")],
        30_000,
        "ratelimit-reset",
    );
    waits(
        429,
        &[("ratelimit", "limit=100, remaining=0, reset=30")],
        30_000,
        "ratelimit",
    );
    waits(
        429,
        &[("ratelimit", "\"default\";r=0;t=30")],
        30_000,
        "ratelimit",
    );
    waits(
        200,
        &[
            ("ratelimit", "\"a\";r=2;t=3"),
            ("ratelimit", "\"b\"; r=0; t=90"),
        ],
        90_000,
        "ratelimit",
    );
    nothing(200, &[("ratelimit", "limit=100, remaining=40, reset=30")]);
    nothing(429, &[("ratelimit", "\"default\";r=40;t=30")]);
    nothing(200, &[("ratelimit", "\"default\";r=0")]);
}

#[test]
fn a_served_answer_names_a_wait_only_when_nothing_is_left() {
    let left = |left| {
        [
            ("retry-after", "2"),
            ("x-ratelimit-remaining", left),
            ("x-ratelimit-reset", "3"),
        ]
    };
    for status in [200, 204, 301, 304] {
        nothing(status, &left("7"));
        nothing(status, &[("retry-after", "2")]);
        waits(status, &left("0"), 2_000, "retry-after");
        waits(status, &left("0")[1..], 3_000, "x-ratelimit-reset");
    }
    waits(
        200,
        &[
            ("x-ratelimit-remaining", "0.0"),
            ("x-ratelimit-reset", "345"),
        ],
        345_000,
        "x-ratelimit-reset",
    );
    nothing(
        200,
        &[
            ("x-ratelimit-remaining", "-1"),
            ("x-ratelimit-reset", "345"),
        ],
    );
    nothing(200, &[("content-length", "0"), ("retry-after", "3")]);
}

#[test]
fn a_mistake_of_the_caller_is_not_a_limit() {
    let with = |left| {
        [
            ("x-ratelimit-remaining", left),
            ("x-ratelimit-reset", "3"),
            ("retry-after", "2"),
        ]
    };
    for status in [400, 401, 404, 405, 409, 410, 422] {
        waits(status, &[("retry-after", "2")], 2_000, "retry-after");
        nothing(status, &[("x-ratelimit-reset", "3")]);
        nothing(status, &with("7"));
        waits(status, &with("0"), 2_000, "retry-after");
        waits(status, &with("0")[..2], 3_000, "x-ratelimit-reset");
    }
}

#[test]
fn counters_of_a_cached_response_are_stale() {
    let spent = [
        ("x-ratelimit-remaining", "0"),
        ("x-ratelimit-reset", "30"),
        ("ratelimit", "\"a\";r=0;t=9"),
    ];
    let cached = |age| [&[("age", age)], &spent[..]].concat();
    nothing(200, &cached("5"));
    nothing(429, &cached("5"));
    waits(200, &cached("0"), 9_000, "ratelimit");
    waits(200, &cached("unknown"), 9_000, "ratelimit");
    waits(
        429,
        &[("age", "5"), ("retry-after", "2")],
        2_000,
        "retry-after",
    );
}

#[test]
fn headers_of_a_beta_are_only_announced() {
    nothing(
        200,
        &[
            ("beta-ratelimit-remaining", "0"),
            ("beta-ratelimit-reset", "30"),
        ],
    );
    nothing(
        429,
        &[
            ("x-beta-retry-after", "30"),
            ("beta-ratelimit", "\"a\";r=0;t=30"),
        ],
    );
}

#[test]
fn names_nobody_listed_are_understood() {
    let zero = |name| (name, "0");
    let odd = [
        ("x-user-quota-remaining", "0"),
        ("x-user-quota-resets-after", "00:00:05"),
    ];
    waits(429, &odd, 5_000, "x-user-quota-resets-after");
    waits(
        429,
        &[
            zero("x-acme-limit-status"),
            ("x-acme-limit-reset-timestamp", "1767225601500"),
        ],
        1_500,
        "x-acme-limit-reset-timestamp",
    );
    waits(
        429,
        &[
            zero("x-ratelimit-left"),
            ("x-ratelimit-resetat", "2026-01-01T00:01Z"),
        ],
        60_000,
        "x-ratelimit-resetat",
    );
    waits(
        429,
        &[
            zero("x-ratelimit-remaining"),
            ("x-ratelimit-reset-ms", "740"),
        ],
        740,
        "x-ratelimit-reset-ms",
    );
    waits(
        429,
        &[
            zero("x-ratelimit-remaining"),
            ("x-ratelimit-reset-ms", "1767225600740"),
        ],
        740,
        "x-ratelimit-reset-ms",
    );
    waits(
        429,
        &[("x-throttle-wait-seconds", "11")],
        11_000,
        "x-throttle-wait-seconds",
    );
    waits(
        429,
        &[("x-ratelimit-retryafter", "1767225611")],
        11_000,
        "x-ratelimit-retryafter",
    );
    waits(
        429,
        &[("retry-after", "2026-01-01T00:00:11Z")],
        11_000,
        "retry-after",
    );
    nothing(
        429,
        &[
            ("x-hubspot-ratelimit-interval-milliseconds", "10000"),
            ("x-hubspot-ratelimit-max", "100"),
        ],
    );
}
