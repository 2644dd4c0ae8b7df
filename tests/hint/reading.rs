//! Which header decides, and how its value is read: one rule at a time.

use crate::rows::{nothing, read, waits};
use tower_backoff::hint::Reading;

#[track_caller]
fn never(headers: &str) {
    assert_eq!(
        read(429, headers),
        Reading::Never("retry-after"),
        "{headers}"
    );
}

#[test]
fn the_more_precise_spelling_comes_first() {
    waits(
        429,
        "x-ratelimit-reset: 9 | x-retry-after: 8",
        8_000,
        "x-retry-after",
    );
    waits(
        429,
        "x-retry-after: 8 | retry-after: 7",
        7_000,
        "retry-after",
    );
    waits(
        429,
        "retry-after: 7 | retry-after-ms: 6500",
        6_500,
        "retry-after-ms",
    );
    waits(
        503,
        "x-ms-retry-after-ms: 250 | retry-after: 1",
        250,
        "x-ms-retry-after-ms",
    );
    waits(
        429,
        "x-ratelimit-reset: 9 | ratelimit: a;r=0;t=8",
        8_000,
        "ratelimit",
    );
}

#[test]
fn a_precise_spelling_yields_to_a_retry_after_that_is_longer_by_a_second() {
    for precise in ["retry-after-ms", "x-ms-retry-after-ms"] {
        let both =
            |millis: u32, seconds: u32| format!("{precise}: {millis} | retry-after: {seconds}");
        waits(429, &both(5_001, 6), 5_001, precise);
        waits(429, &both(5_000, 6), 6_000, "retry-after");
        waits(429, &both(500, 30), 30_000, "retry-after");
        waits(429, &both(30_000, 5), 30_000, precise);
        never(&both(500, 40_000_000));
    }
    waits(
        429,
        "retry-after-ms: 500 | x-retry-after: 30",
        500,
        "retry-after-ms",
    );
}

#[test]
fn a_malformed_value_passes_the_question_on() {
    for odd in [
        "", "soon", "-1", "+5", "1e3", "inf", "NaN", "1_000", "30 000", "\u{663}",
    ] {
        waits(
            429,
            &format!("retry-after: {odd} | x-ratelimit-reset: 9"),
            9_000,
            "x-ratelimit-reset",
        );
        waits(
            429,
            &format!("retry-after-ms: {odd} | retry-after: 4"),
            4_000,
            "retry-after",
        );
        nothing(
            429,
            &format!("retry-after: {odd} | x-ratelimit-reset: {odd}"),
        );
    }
}

#[test]
fn a_retry_after_of_more_than_a_year_is_never_whatever_else_is_said() {
    never("retry-after: 40000000");
    never("retry-after: 500000000");
    never("retry-after: 4294967297");
    never("retry-after: 18446744073709551615 | x-ratelimit-reset: 9");
    never("retry-after: 99999999999999999999999999999999");
    never("retry-after: Fri, 01 Jan 2038 00:00:00 GMT | x-ratelimit-remaining: 0");
    never("retry-after: 30 | retry-after: 4294967297");
    never("retry-after: Fri, 31 Dec 9999 23:59:59 GMT");
    never("retry-after: 9999-12-31T23:59:59Z | x-ratelimit-reset: 9");
    waits(429, "retry-after: 31622400", 31_622_400_000, "retry-after");
    never("retry-after: 31622401");
}

#[test]
fn anything_else_of_more_than_a_year_is_unusable() {
    nothing(429, "x-ratelimit-reset: 40000000");
    nothing(429, "x-ratelimit-reset: 2897868769");
    nothing(429, "ratelimit: \"a\";r=0;t=40000000");
    waits(
        429,
        "x-retry-after: 4294967297 | x-ratelimit-reset: 5",
        5_000,
        "x-ratelimit-reset",
    );
}

#[test]
fn of_several_values_the_longest_counts() {
    waits(
        429,
        "retry-after: 30 | retry-after: 60",
        60_000,
        "retry-after",
    );
    waits(429, "retry-after: 60, 30", 60_000, "retry-after");
    waits(429, "retry-after: 30, soon", 30_000, "retry-after");
    let dates = "retry-after: Thu, 01 Jan 2026 00:00:30 GMT, Thu, 01 Jan 2026 00:00:40 GMT";
    waits(429, dates, 40_000, "retry-after");
}

#[test]
fn moments_are_compared_with_the_servers_clock() {
    let dated = |header| format!("date: Thu, 01 Jan 2026 01:00:00 GMT | {header}");
    waits(
        429,
        &dated("retry-after: 2026-01-01T01:00:30Z"),
        30_000,
        "retry-after",
    );
    waits(
        429,
        &dated("x-ratelimit-reset: 1767229230"),
        30_000,
        "x-ratelimit-reset",
    );
    waits(429, &dated("retry-after: 30"), 30_000, "retry-after");
    waits(
        429,
        "date: yesterday | x-ratelimit-reset: 1767225630",
        30_000,
        "x-ratelimit-reset",
    );
}

#[test]
fn a_moment_that_is_just_over_is_a_wait_of_zero() {
    waits(
        429,
        "retry-after: Wed, 31 Dec 2025 23:59:58 GMT",
        0,
        "retry-after",
    );
    waits(429, "x-ratelimit-reset: 1767225599", 0, "x-ratelimit-reset");
    waits(429, "retry-after: 0", 0, "retry-after");
}

#[test]
fn a_moment_that_is_over_by_more_than_two_seconds_passes_the_question_on() {
    for over in [
        "retry-after: Thu, 01 Jan 1970 00:00:00 GMT",
        "retry-after: Wed, 31 Dec 1969 23:59:59 GMT",
        "retry-after: Wed, 31 Dec 2025 23:59:57 GMT",
        "retry-after: 1767225480",
        "x-retry-after: 2025-12-31T23:58:00Z",
        "x-ratelimit-remaining: 0 | x-ratelimit-reset: 1767225597",
        "x-ratelimit-remaining: 0 | x-ratelimit-reset: Wed Dec 31 2025 23:58:00 GMT+0000 (UTC)",
    ] {
        assert_eq!(read(429, over), Reading::Nothing, "{over}");
        let next = format!("{over} | x-ratelimit-remaining-day: 0 | x-ratelimit-reset-day: 90");
        waits(429, &next, 90_000, "x-ratelimit-reset-day");
    }
}

/// koa-ratelimit writes `Retry-After: reset - now | 0` beside the reset itself.
#[test]
fn a_fractional_reset_that_is_later_by_less_than_a_second_is_the_moment_that_was_cut() {
    let koa = |asked: &str, reset: &str| {
        format!("x-ratelimit-remaining: 0 | x-ratelimit-reset: {reset} | retry-after: {asked}")
    };
    for reset in [
        "1767225604.734",
        "4.734",
        "2026-01-01T00:00:04.734Z",
        "4.734s",
    ] {
        waits(429, &koa("4", reset), 4_734, "x-ratelimit-reset");
    }
    waits(429, &koa("4", "1767225604734"), 4_734, "x-ratelimit-reset");
    // Another moment, or a spelling that was not cut.
    for (asked, reset) in [
        ("4", "1767225605.734"),
        ("4", "1767225604"),
        ("4", "1767225605"),
        ("5", "1767225604.734"),
        ("4", "5"),
    ] {
        let millis = asked.parse::<u128>().unwrap() * 1_000;
        waits(429, &koa(asked, reset), millis, "retry-after");
    }
    // A `Date` is up to a second old: the same moment may seem later by that.
    let date = "date: Thu, 01 Jan 2026 00:00:00 GMT";
    for (asked, reset, millis) in [
        ("4", "1767225604.734", 4_734),
        ("4", "1767225605.734", 5_734),
        ("0", "1767225600.734", 734),
        ("0", "1767225601.001", 1_001),
        ("4", "2026-01-01T00:00:05.001Z", 5_001),
        ("4", "1767225605734", 5_734),
    ] {
        let dated = format!("{} | {date}", koa(asked, reset));
        waits(429, &dated, millis, "x-ratelimit-reset");
    }
    for (asked, reset) in [
        ("4", "1767225606.001"),
        ("4", "5.734"),
        ("4", "1767225605"),
        ("6", "1767225605.734"),
    ] {
        let millis = asked.parse::<u128>().unwrap() * 1_000;
        let dated = format!("{} | {date}", koa(asked, reset));
        waits(429, &dated, millis, "retry-after");
    }
    // That another counter has a reset that is later by far changes nothing.
    let other = "ratelimit: \"default\";r=0;t=3600";
    let beside = |reset| format!("{} | {other}", koa("4", reset));
    waits(429, &beside("4.734"), 4_734, "x-ratelimit-reset");
    waits(429, &beside("9.734"), 4_000, "retry-after");
    waits(429, &koa("4.0", "4.734"), 4_000, "retry-after");
    waits(429, &koa("4s", "4.734"), 4_000, "retry-after");
    // The reset of a counter that has something left is about another limit.
    let left = "x-ratelimit-remaining: 5 | x-ratelimit-reset: 4.734 | retry-after: 4";
    waits(429, left, 4_000, "retry-after");
    waits(
        429,
        "x-ratelimit-reset: 4.734 | retry-after: 4",
        4_000,
        "retry-after",
    );
    let cached = format!("age: 3 | {}", koa("4", "4.734"));
    waits(429, &cached, 4_000, "retry-after");
}

/// By a clock that shows fractions, each reset in whole seconds is a fraction away: that is no spelling that was cut.
#[test]
fn the_fraction_of_the_local_clock_is_none_of_the_reset() {
    let headers = http::HeaderMap::from_iter(
        [
            ("x-ratelimit-remaining", "0"),
            ("x-ratelimit-reset", "1767225605"),
            ("retry-after", "4"),
        ]
        .map(|(name, value)| {
            let name = http::HeaderName::from_static(name);
            (name, http::HeaderValue::from_static(value))
        }),
    );
    let received = std::time::UNIX_EPOCH + std::time::Duration::from_millis(1_767_225_600_300);
    let status = http::StatusCode::TOO_MANY_REQUESTS;
    let Reading::Wait(hint) = tower_backoff::hint::read(status, &headers, received) else {
        panic!("it names a wait");
    };
    assert_eq!(
        (hint.wait().as_millis(), hint.source()),
        (4_000, "retry-after")
    );
}

#[test]
fn a_unit_is_never_guessed_from_another_header() {
    let both = "x-ratelimit-remaining: 0 | x-ratelimit-reset: 30 | retry-after: 30000";
    waits(429, both, 30_000_000, "retry-after");
    let both = "x-ratelimit-remaining: 0 | x-ratelimit-reset: 3600 | retry-after: 1";
    waits(429, both, 1_000, "retry-after");
}

/// The SDKs of AWS read it so; each other spelling of its kind counts seconds.
#[test]
fn x_amz_retry_after_counts_milliseconds() {
    waits(503, "x-amz-retry-after: 1500", 1_500, "x-amz-retry-after");
    waits(
        503,
        "x-amz-retry-after: 1500 | retry-after: 3",
        3_000,
        "retry-after",
    );
}

#[test]
fn a_duration_is_read_as_go_reads_it() {
    waits(429, "retry-after: .5s", 500, "retry-after");
    waits(429, "retry-after: 2.s", 2_000, "retry-after");
    let exact = "x-ratelimit-remaining: 0 | x-ratelimit-reset: 59.123456789012s";
    waits(429, exact, 59_124, "x-ratelimit-reset");
    nothing(429, "retry-after: .s");
    nothing(429, "retry-after: .5");
    nothing(429, "retry-after: 2026-01-01T00:00:30+24:00");
}

#[test]
fn a_moment_and_a_time_span_are_read_as_other_languages_print_them() {
    let counter = "x-ratelimit-remaining: 0 | x-ratelimit-reset";
    for (printed, millis) in [
        ("2026-01-01T01:02:00+01:00[Europe/Paris]", 120_000),
        ("2026-01-01T00:02:00.5Z[UTC]", 120_500),
        ("2026-01-01 00:02:00 +0000 UTC m=+73.000000001", 120_000),
        ("1 day, 0:00:30", 86_430_000),
        ("0:00:30", 30_000),
    ] {
        waits(
            429,
            &format!("retry-after: {printed}"),
            millis,
            "retry-after",
        );
        waits(
            429,
            &format!("{counter}: {printed}"),
            millis,
            "x-ratelimit-reset",
        );
    }
    nothing(429, "retry-after: -1 day, 23:59:30");
}

#[test]
fn a_date_that_is_not_understood_is_read_in_no_part() {
    for printed in [
        "1/2/2026 1:02:30 PM",
        "01/02/2026 13:02:30",
        "1/2/2026, 1:02:30 PM",
        "01/02/2026, 13:02:30",
        "1.2.2026, 13:02:30",
        "2026/01/02 13:02:30",
        "02/Jan/2026:13:02:30 +0000",
        "Jan 2, 2026, 13:02:30",
        "2. M\u{e4}rz 2026, 13:02:30",
    ] {
        nothing(429, &format!("retry-after: {printed}"));
        nothing(
            429,
            &format!("x-ratelimit-remaining: 0 | x-ratelimit-reset: {printed}"),
        );
        nothing(
            200,
            &format!("x-ratelimit-remaining: 0 | x-ratelimit-reset: {printed}"),
        );
    }
    waits(
        429,
        "x-ratelimit-remaining: 7/0 | x-ratelimit-reset: 5/60",
        60_000,
        "x-ratelimit-reset",
    );
}
