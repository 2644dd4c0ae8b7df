//! Absolute moments in all their spellings.
//!
//! They are the three dates of HTTP, RFC 3339 with its variants, and JavaScript's `Date.toString()`.
//!
//! The scanner is ours because no library reads all of these forms, least of all with a wrong weekday or without
//! seconds; what the calendar makes of them is `jiff`'s work.

use super::cursor::Cursor;
use super::number::trim;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};

/// Reads a moment; `now` settles the century of a two-digit year.
pub(crate) fn read(text: &[u8], now: Timestamp) -> Option<Timestamp> {
    http_date(text).or_else(|| general(text, now))
}

/// Reads the form that HTTP servers must send, `Sun, 06 Nov 1994 08:49:37 GMT`, by its fixed places.
///
/// `None` leaves all other forms to the general grammar: years before 1970 and leap seconds, too.
pub(crate) fn http_date(text: &[u8]) -> Option<Timestamp> {
    let (weekday, rest) = text.split_first_chunk::<3>()?;
    let [b',', b' ', d0, d1, b' ', rest @ ..] = rest else {
        return None;
    };
    let (month, rest) = rest.split_first_chunk::<3>()?;
    let (year, time) = rest.split_first_chunk::<6>()?;
    let [b' ', y0, y1, y2, y3, b' '] = year else {
        return None;
    };
    let [h0, h1, b':', n0, n1, b':', s0, s1, b' ', b'G', b'M', b'T'] = time else {
        return None;
    };
    let (day, century, year) = (
        two_digits(d0, d1)?,
        two_digits(y0, y1)?,
        two_digits(y2, y3)?,
    );
    let (hour, minute, second) = (
        two_digits(h0, h1)?,
        two_digits(n0, n1)?,
        two_digits(s0, s1)?,
    );
    three(b"MonTueWedThuFriSatSun", weekday)?;
    let month = three(b"JanFebMarAprMayJunJulAugSepOctNovDec", month)?;
    let year = century * 100 + year;
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = DAYS[month + 1] - DAYS[month] + i64::from(is_leap && month == 1);
    if year < 1970 || !(1..=length).contains(&day) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    // Leap days of all years before this one, of which 477 had passed before 1970.
    let last = year - 1;
    let leap_days = last / 4 - last / 100 + last / 400 - 477 + i64::from(is_leap && month > 1);
    let days = (year - 1970) * 365 + leap_days + DAYS[month] + day - 1;
    let seconds = ((days * 24 + hour) * 60 + minute) * 60 + second;
    Some(Timestamp::from_second(seconds).unwrap_or(LAST))
}

/// The last two days of the year 9999 are beyond what is counted here, and as far away.
const LAST: Timestamp = Timestamp::MAX;

/// Days of a common year before each month, and of the whole year.
const DAYS: [i64; 13] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365];

fn two_digits(tens: &u8, ones: &u8) -> Option<i64> {
    let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
    (tens <= 9 && ones <= 9).then(|| i64::from(tens * 10 + ones))
}

/// Which of the names of three letters is meant.
fn three(names: &[u8], name: &[u8; 3]) -> Option<usize> {
    names.chunks_exact(3).position(|known| known == name)
}

fn general(text: &[u8], now: Timestamp) -> Option<Timestamp> {
    let mut cursor = Cursor(trim(text));
    let (date, time) = match cursor.0 {
        [b'0'..=b'9', _, _, _, b'-', ..] => iso(&mut cursor)?,
        _ => named(&mut cursor, now)?,
    };
    let offset = zone(&mut cursor)?;
    cursor.is_done().then_some(())?;
    let start = offset.to_timestamp(DateTime::from_parts(date, time.time));
    Some(
        start
            .unwrap_or(LAST)
            .saturating_add(time.beyond)
            .unwrap_or(LAST),
    )
}

/// A time of day, and what a leap second or a fraction adds to it.
struct TimeOfDay {
    time: Time,
    beyond: SignedDuration,
}

/// `2026-03-26T16:26:05.123Z`, down to `2026-03-26 16:26` and the bare day.
fn iso(cursor: &mut Cursor<'_>) -> Option<(Date, TimeOfDay)> {
    let year = cursor.number(4, 4)?;
    cursor.eat(b'-').then_some(())?;
    let month = cursor.number(2, 2)?;
    cursor.eat(b'-').then_some(())?;
    let date = date(year, month, cursor.number(2, 2)?)?;
    if cursor.is_done() {
        return Some((
            date,
            TimeOfDay {
                time: Time::midnight(),
                beyond: SignedDuration::ZERO,
            },
        ));
    }
    if !cursor.eat(b'T') {
        cursor.blanks()?;
    }
    Some((date, time_of_day(cursor)?))
}

/// The forms that name the month, with or without a weekday, which is not checked.
fn named(cursor: &mut Cursor<'_>, now: Timestamp) -> Option<(Date, TimeOfDay)> {
    skip_weekday(cursor);
    if cursor.peek()?.is_ascii_digit() {
        return day_first(cursor, now);
    }
    month_first(cursor, now)
}

/// `06 Nov 1994 08:49:37` and `06-Nov-94 08:49:37`.
fn day_first(cursor: &mut Cursor<'_>, now: Timestamp) -> Option<(Date, TimeOfDay)> {
    let day = cursor.number(1, 2)?;
    hyphen_or_blanks(cursor)?;
    let month = month(cursor.word())?;
    hyphen_or_blanks(cursor)?;
    let year = year(cursor, now)?;
    cursor.blanks()?;
    Some((date(year, month, day)?, time_of_day(cursor)?))
}

/// `Nov  6 08:49:37 1994`, as C prints it, and `Nov 06 1994 08:49:37`, as JavaScript does.
///
/// Java writes a `UTC` before the year.
fn month_first(cursor: &mut Cursor<'_>, now: Timestamp) -> Option<(Date, TimeOfDay)> {
    let month = month(cursor.word())?;
    cursor.blanks()?;
    let day = cursor.number(1, 2)?;
    cursor.blanks()?;
    if cursor.0.get(2) == Some(&b':') {
        let time = time_of_day(cursor)?;
        cursor.blanks()?;
        skip_utc(cursor);
        return Some((date(year(cursor, now)?, month, day)?, time));
    }
    let year = year(cursor, now)?;
    cursor.blanks()?;
    Some((date(year, month, day)?, time_of_day(cursor)?))
}

fn hyphen_or_blanks(cursor: &mut Cursor<'_>) -> Option<()> {
    if cursor.eat(b'-') {
        Some(())
    } else {
        cursor.blanks()
    }
}

fn skip_weekday(cursor: &mut Cursor<'_>) {
    let mut ahead = *cursor;
    if position(&WEEKDAYS, ahead.word()).is_some() {
        ahead.eat(b',');
        ahead.blanks();
        *cursor = ahead;
    }
}

fn date(year: i16, month: i16, day: i16) -> Option<Date> {
    Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
}

/// Four digits, or two that lie within fifty years of now (RFC 9110, section 5.6.7).
fn year(cursor: &mut Cursor<'_>, now: Timestamp) -> Option<i16> {
    let digits = cursor
        .0
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    let written = cursor.number(2, 4)?;
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
fn time_of_day(cursor: &mut Cursor<'_>) -> Option<TimeOfDay> {
    let hour = cursor.number(2, 2)?;
    cursor.eat(b':').then_some(())?;
    let minute = cursor.number(2, 2)?;
    let mut second = 0;
    let mut beyond = SignedDuration::ZERO;
    if cursor.eat(b':') {
        second = cursor.number(2, 2)?;
        beyond = SignedDuration::from_nanos(cursor.fraction()?.into());
    }
    if second == 60 {
        second = 59;
        beyond += SignedDuration::from_secs(1);
    }
    let [hour, minute, second] = [hour, minute, second].map(|part| part as i8);
    Some(TimeOfDay {
        time: Time::new(hour, minute, second, 0).ok()?,
        beyond,
    })
}

/// `Z`, `GMT`, ` UTC`, `+01:00`, `GMT+0100 (Central European Standard Time)`, `+01:00[Europe/Paris]`, or nothing,
/// which is UTC.
fn zone(cursor: &mut Cursor<'_>) -> Option<Offset> {
    let _ = cursor.blanks();
    is_utc(cursor.word()).then_some(())?;
    let offset = offset(cursor)?;
    // A name behind the offset adds nothing to it: Go writes `+0100 CET`.
    if cursor.blanks().is_some() && !cursor.0.starts_with(b"m=") {
        let _ = cursor.word();
    }
    let _ = cursor.blanks();
    match cursor.0 {
        // A zone in words, as JavaScript and Java write it (RFC 9557), or the reading of Go's other clock.
        [b'(', .., b')'] | [b'[', .., b']'] | [b'm', b'=', b'+' | b'-', ..] => cursor.0 = &[],
        _ => {}
    }
    Some(offset)
}

fn is_utc(name: &[u8]) -> bool {
    ["", "Z", "GMT", "UTC", "UT"]
        .iter()
        .any(|zone| name.eq_ignore_ascii_case(zone.as_bytes()))
}

fn skip_utc(cursor: &mut Cursor<'_>) {
    let mut ahead = *cursor;
    if is_utc(ahead.word()) && ahead.blanks().is_some() {
        *cursor = ahead;
    }
}

fn offset(cursor: &mut Cursor<'_>) -> Option<Offset> {
    let sign = match cursor.peek() {
        Some(b'+') => 1,
        Some(b'-') => -1,
        _ => return Some(Offset::UTC),
    };
    cursor.0 = &cursor.0[1..];
    let digits = cursor.digits();
    let (hours, minutes) = match digits.len() {
        2 if cursor.eat(b':') => (digits, cursor.digits()),
        2 => (digits, &b"00"[..]),
        4 => digits.split_at(2),
        _ => return None,
    };
    // RFC 3339, section 5.6: no hour beyond 23, no minute beyond 59.
    let below = |part, bound| Cursor(part).number(2, 2).filter(|number| *number < bound);
    let (hours, minutes) = (below(hours, 24)?, below(minutes, 60)?);
    let seconds = i32::from(hours) * 3_600 + i32::from(minutes) * 60;
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
