//! Absolute moments: HTTP's three dates, RFC 3339 and what passes for it, JavaScript's `Date.toString()`.
//!
//! The scanner is ours because no library reads all of these forms, least of all with a wrong weekday or without
//! seconds; what the calendar makes of them is `jiff`'s work.

use super::number::trim;
use super::scan::Scan;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};

/// Reads a moment; `now` settles the century of a two-digit year.
pub(crate) fn read(text: &[u8], now: Timestamp) -> Option<Timestamp> {
    let mut scan = Scan(trim(text));
    let (date, clock) = match scan.0 {
        [b'0'..=b'9', _, _, _, b'-', ..] => iso(&mut scan)?,
        _ => named(&mut scan, now)?,
    };
    let offset = zone(&mut scan)?;
    scan.is_done().then_some(())?;
    let start = offset
        .to_timestamp(DateTime::from_parts(date, clock.time))
        .ok()?;
    start.checked_add(clock.beyond).ok()
}

/// A time of day, and what a leap second or a fraction adds to it.
struct Clock {
    time: Time,
    beyond: SignedDuration,
}

/// `2026-03-26T16:26:05.123Z`, down to `2026-03-26 16:26` and the bare day.
fn iso(scan: &mut Scan<'_>) -> Option<(Date, Clock)> {
    let year = scan.number(4, 4)?;
    scan.eat(b'-').then_some(())?;
    let month = scan.number(2, 2)?;
    scan.eat(b'-').then_some(())?;
    let date = date(year, month, scan.number(2, 2)?)?;
    if scan.is_done() {
        return Some((
            date,
            Clock {
                time: Time::midnight(),
                beyond: SignedDuration::ZERO,
            },
        ));
    }
    if !scan.eat(b'T') {
        scan.blanks()?;
    }
    Some((date, clock(scan)?))
}

/// The forms that name the month, with or without a weekday, which is not checked.
fn named(scan: &mut Scan<'_>, now: Timestamp) -> Option<(Date, Clock)> {
    skip_weekday(scan);
    if scan.peek()?.is_ascii_digit() {
        return day_first(scan, now);
    }
    month_first(scan, now)
}

/// `06 Nov 1994 08:49:37` and `06-Nov-94 08:49:37`.
fn day_first(scan: &mut Scan<'_>, now: Timestamp) -> Option<(Date, Clock)> {
    let day = scan.number(1, 2)?;
    hyphen_or_blanks(scan)?;
    let month = month(scan.word())?;
    hyphen_or_blanks(scan)?;
    let year = year(scan, now)?;
    scan.blanks()?;
    Some((date(year, month, day)?, clock(scan)?))
}

/// `Nov  6 08:49:37 1994`, as C prints it, and `Nov 06 1994 08:49:37`, as JavaScript does.
fn month_first(scan: &mut Scan<'_>, now: Timestamp) -> Option<(Date, Clock)> {
    let month = month(scan.word())?;
    scan.blanks()?;
    let day = scan.number(1, 2)?;
    scan.blanks()?;
    if scan.0.get(2) == Some(&b':') {
        let clock = clock(scan)?;
        scan.blanks()?;
        return Some((date(year(scan, now)?, month, day)?, clock));
    }
    let year = year(scan, now)?;
    scan.blanks()?;
    Some((date(year, month, day)?, clock(scan)?))
}

fn hyphen_or_blanks(scan: &mut Scan<'_>) -> Option<()> {
    if scan.eat(b'-') {
        Some(())
    } else {
        scan.blanks()
    }
}

fn skip_weekday(scan: &mut Scan<'_>) {
    let mut ahead = *scan;
    if position(&WEEKDAYS, ahead.word()).is_some() {
        ahead.eat(b',');
        ahead.blanks();
        *scan = ahead;
    }
}

fn date(year: i16, month: i16, day: i16) -> Option<Date> {
    Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
}

/// Four digits, or two that lie within fifty years of now (RFC 9110, section 5.6.7).
fn year(scan: &mut Scan<'_>, now: Timestamp) -> Option<i16> {
    let digits = scan
        .0
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    let written = scan.number(2, 4)?;
    match digits {
        4 => Some(written),
        2 => {
            let latest = Offset::UTC.to_datetime(now).year().checked_add(50)?;
            Some(latest - (latest - written).rem_euclid(100))
        }
        _ => None,
    }
}

/// `08:49:37.25`, `08:49`; a second 60 is the first of the next minute.
fn clock(scan: &mut Scan<'_>) -> Option<Clock> {
    let hour = scan.number(2, 2)?;
    scan.eat(b':').then_some(())?;
    let minute = scan.number(2, 2)?;
    let mut second = 0;
    let mut beyond = SignedDuration::ZERO;
    if scan.eat(b':') {
        second = scan.number(2, 2)?;
        beyond = SignedDuration::from_nanos(scan.fraction()?.into());
    }
    if second == 60 {
        second = 59;
        beyond += SignedDuration::from_secs(1);
    }
    let [hour, minute, second] = [hour, minute, second].map(|part| part as i8);
    Some(Clock {
        time: Time::new(hour, minute, second, 0).ok()?,
        beyond,
    })
}

/// `Z`, `GMT`, ` UTC`, `+01:00`, `GMT+0100 (Central European Standard Time)`, or nothing, which is UTC.
fn zone(scan: &mut Scan<'_>) -> Option<Offset> {
    let _ = scan.blanks();
    let name = scan.word();
    let known = ["", "Z", "GMT", "UTC", "UT"]
        .iter()
        .any(|zone| name.eq_ignore_ascii_case(zone.as_bytes()));
    known.then_some(())?;
    let offset = offset(scan)?;
    let _ = scan.blanks();
    if let [b'(', .., b')'] = scan.0 {
        scan.0 = &[];
    }
    Some(offset)
}

fn offset(scan: &mut Scan<'_>) -> Option<Offset> {
    let sign = match scan.peek() {
        Some(b'+') => 1,
        Some(b'-') => -1,
        _ => return Some(Offset::UTC),
    };
    scan.0 = &scan.0[1..];
    let digits = scan.digits();
    let (hours, minutes) = match digits.len() {
        2 if scan.eat(b':') => (digits, scan.digits()),
        2 => (digits, &b"00"[..]),
        4 => digits.split_at(2),
        _ => return None,
    };
    let [hours, minutes] = [hours, minutes].map(|part| Scan(part).number(2, 2));
    let seconds = i32::from(hours?) * 3_600 + i32::from(minutes?) * 60;
    Offset::from_seconds(sign * seconds).ok()
}

fn month(word: &[u8]) -> Option<i16> {
    position(&MONTHS, word).and_then(|at| i16::try_from(at + 1).ok())
}

/// Which of the names is meant by `word`: its first three letters or more.
fn position(names: &[&str], word: &[u8]) -> Option<usize> {
    let begins = |name: &&str| {
        name.as_bytes()
            .get(..word.len())
            .is_some_and(|head| head.eq_ignore_ascii_case(word))
    };
    (word.len() >= 3).then(|| names.iter().position(begins))?
}

const WEEKDAYS: [&str; 7] = [
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
];

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(at("9999-12-31T23:59:60.9Z"), None);
        is("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z");
    }
}
