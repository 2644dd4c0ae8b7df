//! Lengths of time with units: Go's durations (`6m0s`, `86.4ms`) and clocks (`03:12:40`).

use super::cursor::Cursor;
use super::number::{Number, trim};
use std::time::Duration;

/// A duration as Go writes or reads it: `1h0m0.5s`, `.5s`, `2.s`.
///
/// No sign, no blank, no number without a unit. A fraction finer than a nanosecond is rounded up.
pub(crate) fn go(text: &[u8]) -> Option<Duration> {
    let mut rest = trim(text);
    if rest.is_empty() || rest.len() > LONGEST {
        return None;
    }
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let number = rest
            .iter()
            .position(|byte| !byte.is_ascii_digit() && *byte != b'.')?;
        let (number, behind) = rest.split_at(number);
        let (unit, behind) = unit(behind)?;
        total = total.checked_add(Number::before_unit(number)?.of(unit))?;
        rest = behind;
    }
    Some(total)
}

/// More than any duration needs, and few enough bytes to look at without a second thought.
const LONGEST: usize = 64;

/// Takes a unit off the beginning, in nanoseconds; both micro signs of Unicode are one.
fn unit(text: &[u8]) -> Option<(u64, &[u8])> {
    const UNITS: [(&[u8], u64); 8] = [
        (b"h", 3_600_000_000_000),
        (b"ms", 1_000_000),
        (b"m", 60_000_000_000),
        (b"s", 1_000_000_000),
        (b"us", 1_000),
        ("\u{b5}s".as_bytes(), 1_000),
        ("\u{3bc}s".as_bytes(), 1_000),
        (b"ns", 1),
    ];
    let mut units = UNITS.iter();
    units.find_map(|(name, nanos)| Some((*nanos, text.strip_prefix(*name)?)))
}

/// `hh:mm:ss`, as .NET prints a time span: days before a point and a fraction behind one are allowed.
///
/// Python writes the days in words: `2 days, 0:00:30`.
pub(crate) fn time_span(text: &[u8]) -> Option<Duration> {
    let mut cursor = Cursor(trim(text));
    let mut hours = i64::from(cursor.number(1, 4)?);
    if cursor.eat(b'.') || days_in_words(&mut cursor) {
        hours = hours * 24 + i64::from(cursor.number(1, 2)?);
    }
    let minutes = sixtieth(&mut cursor)?;
    let seconds = sixtieth(&mut cursor)?;
    let nanos = cursor.fraction()?;
    let whole = hours * 3_600 + minutes * 60 + seconds;
    cursor
        .is_done()
        .then(|| Duration::from_secs(whole.unsigned_abs()) + Duration::from_nanos(nanos.into()))
}

fn days_in_words(cursor: &mut Cursor<'_>) -> bool {
    let mut ahead = *cursor;
    let is_days = ahead.blanks().is_some()
        && matches!(ahead.word(), b"day" | b"days")
        && ahead.eat(b',')
        && ahead.blanks().is_some();
    if is_days {
        *cursor = ahead;
    }
    is_days
}

fn sixtieth(cursor: &mut Cursor<'_>) -> Option<i64> {
    if !cursor.eat(b':') {
        return None;
    }
    cursor.number(2, 2).map(i64::from).filter(|part| *part < 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn reads(read: fn(&[u8]) -> Option<Duration>, text: &str, nanos: u64) {
        assert_eq!(
            read(text.as_bytes()),
            Some(Duration::from_nanos(nanos)),
            "{text}"
        );
    }

    #[test]
    fn go_durations_are_read() {
        reads(go, "0s", 0);
        reads(go, "12ms", 12_000_000);
        reads(go, "86.4ms", 86_400_000);
        reads(go, "6m0s", 360_000_000_000);
        reads(go, "1h30m", 5_400_000_000_000);
        reads(go, "1h0m0.5s", 3_600_500_000_000);
        reads(go, "7.66s", 7_660_000_000);
        reads(go, "0.850000000s", 850_000_000);
        reads(go, "2m59.56s", 179_560_000_000);
        reads(go, "250us", 250_000);
        reads(go, "250µs", 250_000);
        reads(go, "250\u{3bc}s", 250_000);
        reads(go, "17ns", 17);
    }

    #[test]
    fn a_point_needs_digits_on_one_side_only() {
        reads(go, ".5s", 500_000_000);
        reads(go, "2.s", 2_000_000_000);
        reads(go, "1m.25s", 60_250_000_000);
        reads(go, "1.5h.5m", 5_430_000_000_000);
    }

    #[test]
    fn a_fraction_of_more_than_nine_digits_is_rounded_up() {
        reads(go, "59.123456789012s", 59_123_456_790);
        reads(go, "0.0000000001s", 1);
        reads(go, "0.9999999999s", 1_000_000_000);
        reads(go, "1.50000000000000000000000000000000ms", 1_500_000);
    }

    #[test]
    fn clocks_are_read() {
        reads(time_span, "03:12:40", 11_560_000_000_000);
        reads(time_span, "00:00:05", 5_000_000_000);
        reads(time_span, "00:00:05.5000000", 5_500_000_000);
        reads(time_span, "1.00:00:01", 86_401_000_000_000);
        reads(time_span, "2.03:00:00", 183_600_000_000_000);
        reads(time_span, "1 day, 0:00:30", 86_430_000_000_000);
        reads(time_span, "2 days, 3:00:00.25", 183_600_250_000_000);
    }

    #[test]
    fn what_is_neither_is_not_read() {
        for text in [
            "",
            "5",
            "-5s",
            "+5s",
            "5 s",
            "s",
            "h",
            "5sec",
            "5x",
            "1h30",
            "1e3s",
            "m5",
            "5ss",
            "1..5s",
            ".s",
            ".",
            "1.2.3s",
            "1s.",
            "99999999999999999999h",
            "1:60:00",
            "1:00:60",
            "12:40",
            "1:2:3",
            "::",
            "12:40:",
            "\u{b5}s",
            "1\u{b5}",
            "00:00:05 x",
            "-1 day, 23:59:30",
            "1 day",
            "1 day 0:00:30",
        ] {
            assert_eq!(go(text.as_bytes()), None, "{text:?}");
            assert_eq!(time_span(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(go("1".repeat(1_000_000).as_bytes()), None);
    }
}
