//! Dates as they come.

use super::*;
use proptest::prelude::*;

fn at(text: &str) -> Option<Timestamp> {
    read(
        text.as_bytes(),
        "2026-01-01T00:00:00Z".parse().expect("a moment"),
    )
}

#[track_caller]
fn is(text: &str, expected: &str) {
    let expected: Timestamp = expected.parse().expect("a moment");
    assert_eq!(at(text), Some(expected), "{text}");
}

#[test]
fn the_three_dates_of_http_are_read() {
    is("Sun, 06 Nov 1994 08:49:37 GMT", "1994-11-06T08:49:37Z");
    is("Sunday, 06-Nov-94 08:49:37 GMT", "1994-11-06T08:49:37Z");
    is("Sun Nov  6 08:49:37 1994", "1994-11-06T08:49:37Z");
    is("Sun Nov 16 08:49:37 1994", "1994-11-16T08:49:37Z");
}

#[test]
fn their_weekday_case_and_zone_may_be_sloppy() {
    is("Mon, 06 Nov 1994 08:49:37 GMT", "1994-11-06T08:49:37Z");
    is("sun, 06 nov 1994 08:49:37 gmt", "1994-11-06T08:49:37Z");
    is("06 November 1994 08:49:37", "1994-11-06T08:49:37Z");
    is("Sun, 6 Nov 1994 08:49:37 +0000", "1994-11-06T08:49:37Z");
    is("Sun, 06 Nov 1994 08:49:37 -0530", "1994-11-06T14:19:37Z");
    is("Sun, 06-Nov-1994 08:49:37 UTC", "1994-11-06T08:49:37Z");
}

#[test]
fn two_digit_years_lie_within_fifty_years() {
    is("Friday, 01-Jan-99 00:00:30 GMT", "1999-01-01T00:00:30Z");
    is("Thursday, 01-Jan-26 00:00:30 GMT", "2026-01-01T00:00:30Z");
    is("Thursday, 01-Jan-76 00:00:30 GMT", "2076-01-01T00:00:30Z");
    is("Thursday, 01-Jan-77 00:00:30 GMT", "1977-01-01T00:00:30Z");
}

#[test]
fn iso_moments_are_read_however_relaxed() {
    is("2026-01-15T14:24:00Z", "2026-01-15T14:24:00Z");
    is("2026-01-15t14:24:00z", "2026-01-15T14:24:00Z");
    is("2026-01-15T14:24Z", "2026-01-15T14:24:00Z");
    is("2026-01-15 14:24:00", "2026-01-15T14:24:00Z");
    is("2026-01-15 14:24:00 UTC", "2026-01-15T14:24:00Z");
    is("2026-01-15T14:24:00+01:00", "2026-01-15T13:24:00Z");
    is("2026-01-15T14:24:00+23:59", "2026-01-14T14:25:00Z");
    is("2026-01-15T14:24:00+0100", "2026-01-15T13:24:00Z");
    is("2026-01-15T14:24:00+0030", "2026-01-15T13:54:00Z");
    is("2026-01-15 14:24:00 -08", "2026-01-15T22:24:00Z");
    is("2026-01-15T05:30:30+05:30", "2026-01-15T00:00:30Z");
    is(
        "2026-01-15T00:00:42.1234567Z",
        "2026-01-15T00:00:42.1234567Z",
    );
    is(
        "2026-01-15T00:00:42.12345678901Z",
        "2026-01-15T00:00:42.123456790Z",
    );
    is("2026-01-15", "2026-01-15T00:00:00Z");
}

#[test]
fn the_date_of_javascript_is_read() {
    is(
        "Tue Feb 16 2021 09:02:42 GMT+0100 (Central European Standard Time)",
        "2021-02-16T08:02:42Z",
    );
    is(
        "Thu Jan 01 2026 01:00:00 GMT+0100 (GMT+01:00)",
        "2026-01-01T00:00:00Z",
    );
    is(
        "Fri Nov 20 2026 11:44:22 GMT+0000 (Coordinated Universal Time)",
        "2026-11-20T11:44:22Z",
    );
    is("Fri Nov 20 2026 11:44:22 GMT-0330", "2026-11-20T15:14:22Z");
}

#[test]
fn the_dates_of_other_languages_are_read() {
    is("2026-01-15 14:24:00 +0000 UTC", "2026-01-15T14:24:00Z");
    is("2026-01-15 14:24:00.5 +0100 CET", "2026-01-15T13:24:00.5Z");
    is(
        "2026-01-15 14:24:00.5 +0100 CET m=+0.000012",
        "2026-01-15T13:24:00.5Z",
    );
    is("2026-01-15 14:24:00 +0000 m=-1.5", "2026-01-15T14:24:00Z");
    is("2026-01-15T14:24:00.5Z[UTC]", "2026-01-15T14:24:00.5Z");
    is(
        "2026-01-15T14:24+01:00[Europe/Paris]",
        "2026-01-15T13:24:00Z",
    );
    is("Thu Jan 15 14:24:00 UTC 2026", "2026-01-15T14:24:00Z");
    is(
        "2026-01-15 14:24:00.123456+00:00",
        "2026-01-15T14:24:00.123456Z",
    );
}

#[test]
fn a_second_60_is_the_next_minute() {
    is("Sat, 31 Dec 2016 23:59:60 GMT", "2017-01-01T00:00:00Z");
    is("2016-12-31T23:59:60.5Z", "2017-01-01T00:00:00.5Z");
}

#[test]
fn what_no_calendar_knows_is_not_read() {
    for text in [
        "",
        "Thu",
        "Thu,",
        "Jan",
        "soon",
        "2026",
        "2026-",
        "2026-13-01T00:00:00Z",
        "2026-02-30T00:00:00Z",
        "2026-01-01T24:00:00Z",
        "2026-01-01T00:60:00Z",
        "2026-01-01T00:00:61Z",
        "2026-01-01T00:00:00.Z",
        "2026-01-01T00:00:00 CET",
        "2026-01-01T00:00:00+24:00",
        "2026-01-01T00:00:00-24:00",
        "2026-01-01T00:00:00+2400",
        "2026-01-01T00:00:00+01:60",
        "2026-01-01T00:00:00+99:00",
        "2026-01-01T00:00:00+1",
        "2026-01-01T",
        "2026-01-01T00:00:00Zjunk",
        "Sun, 06 Nov 199 08:49:37 GMT",
        "Sun, 06 Nov 19944 08:49:37 GMT",
        "Sun, 06 Nox 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994",
        "do., 01 janv. 2026 00:00:30 GMT",
        "٢٠٢٦-01-01",
        "Sun Nov  6 08:49:37",
        "Tue Feb 16 2021 09:02:42 GMT+",
        "0000-00-00T00:00:00Z",
    ] {
        assert_eq!(at(text), None, "{text:?}");
    }
}

#[test]
fn the_ends_of_the_calendar_do_not_overflow() {
    is("9999-12-30T00:00:00Z", "9999-12-30T00:00:00Z");
    for last in [
        "9999-12-31T23:59:60.9Z",
        "9999-12-31T23:59:59-23:59",
        "Fri, 31 Dec 9999 23:59:59 GMT",
        "Fri Dec 31 23:59:59 9999",
    ] {
        assert_eq!(at(last), Some(Timestamp::MAX), "{last}");
    }
    is("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z");
}

/// Moments in the form of HTTP, most of them in the calendar and some beside it.
fn some_fixdate() -> impl Strategy<Value = String> {
    let day = prop::sample::select(
        &[
            "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun", "sun", "Day",
        ][..],
    );
    let month = prop::sample::select(
        &[
            "Jan", "Feb", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov",
            "Dec", "nov", "Nox",
        ][..],
    );
    let time = (0..25_u8, 0..61_u8, 0..62_u8);
    let zone = prop::sample::select(&["GMT", "GMT", "GMT", "UTC", "gmt"][..]);
    let year = prop_oneof![1960..2_110_u16, 0..10_000_u16];
    (day, 0..33_u8, month, year, time, zone).prop_map(
        |(weekday, day, month, year, (h, m, s), zone)| {
            format!("{weekday}, {day:02} {month} {year:04} {h:02}:{m:02}:{s:02} {zone}")
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(50_000))]

    #[test]
    fn the_fixed_places_say_what_the_grammar_says(text in some_fixdate()) {
        let text = text.as_bytes();
        if let Some(fixed) = http_date(text) {
            prop_assert_eq!(Some(fixed), general(text, Timestamp::UNIX_EPOCH));
        }
    }

    #[test]
    fn one_byte_that_is_wrong_is_left_to_the_grammar(text in some_fixdate(), at in 0..29_usize, byte: u8) {
        let mut text = text.into_bytes();
        text[at] = byte;
        if let Some(fixed) = http_date(&text) {
            prop_assert_eq!(Some(fixed), general(&text, Timestamp::UNIX_EPOCH));
        }
    }
}

#[test]
fn every_date_that_servers_send_takes_the_short_way() {
    for (text, expected) in [
        ("Thu, 01 Jan 1970 00:00:00 GMT", "1970-01-01T00:00:00Z"),
        ("Sun, 06 Nov 1994 08:49:37 GMT", "1994-11-06T08:49:37Z"),
        ("Tue, 29 Feb 2000 23:59:59 GMT", "2000-02-29T23:59:59Z"),
        ("Wed, 01 Mar 2000 00:00:00 GMT", "2000-03-01T00:00:00Z"),
        ("Sat, 31 Dec 2072 23:59:59 GMT", "2072-12-31T23:59:59Z"),
        ("Mon, 01 Mar 2100 00:00:00 GMT", "2100-03-01T00:00:00Z"),
    ] {
        let expected: Timestamp = expected.parse().expect("a moment");
        assert_eq!(http_date(text.as_bytes()), Some(expected), "{text}");
    }
    assert_eq!(http_date(b"Thu, 29 Feb 2100 00:00:00 GMT"), None);
}
