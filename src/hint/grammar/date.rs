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

/// `Nov  6 08:49:37 1994`, as C prints it (Java with a `UTC` before the year), and `Nov 06 1994 08:49:37`, as JavaScript does.
fn month_first(scan: &mut Scan<'_>, now: Timestamp) -> Option<(Date, Clock)> {
    let month = month(scan.word())?;
    scan.blanks()?;
    let day = scan.number(1, 2)?;
    scan.blanks()?;
    if scan.0.get(2) == Some(&b':') {
        let clock = clock(scan)?;
        scan.blanks()?;
        skip_utc(scan);
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
    is_utc(scan.word()).then_some(())?;
    let offset = offset(scan)?;
    // A name behind the offset adds nothing to it: Go writes `+0100 CET`.
    if scan.blanks().is_some() {
        let _ = scan.word();
    }
    if let [b'(', .., b')'] = scan.0 {
        scan.0 = &[];
    }
    Some(offset)
}

fn is_utc(name: &[u8]) -> bool {
    ["", "Z", "GMT", "UTC", "UT"]
        .iter()
        .any(|zone| name.eq_ignore_ascii_case(zone.as_bytes()))
}

fn skip_utc(scan: &mut Scan<'_>) {
    let mut ahead = *scan;
    if is_utc(ahead.word()) && ahead.blanks().is_some() {
        *scan = ahead;
    }
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
mod tests;
