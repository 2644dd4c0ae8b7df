//! Lengths of time with units: Go's durations (`6m0s`, `86.4ms`) and clocks (`03:12:40`).

use super::cursor::Cursor;
use super::number::trim;
use jiff::fmt::friendly::SpanParser;
use std::time::Duration;

static PARSER: SpanParser = SpanParser::new();

/// A duration as Go prints it.
///
/// The parser knows many more spellings; the alphabet keeps it to Go's, so that no sign, blank or word gets in.
pub(crate) fn go(text: &[u8]) -> Option<Duration> {
    let text = trim(text);
    let begins_well = text.first().is_some_and(u8::is_ascii_digit);
    if !begins_well || text.len() > LONGEST || !text.iter().all(is_go) {
        return None;
    }
    PARSER.parse_unsigned_duration(text).ok()
}

/// More than any duration needs, and few enough bytes to look at without a second thought.
const LONGEST: usize = 64;

/// Digits, the point, and the letters of `h m s ms us ns`; the last two bytes are the micro sign.
fn is_go(byte: &u8) -> bool {
    byte.is_ascii_digit() || matches!(byte, b'.' | b'h' | b'm' | b's' | b'u' | b'n' | 0xC2 | 0xB5)
}

/// `hh:mm:ss`, as .NET prints a time span: days before a point and a fraction behind one are allowed.
pub(crate) fn time_span(text: &[u8]) -> Option<Duration> {
    let mut cursor = Cursor(trim(text));
    let mut hours = i64::from(cursor.number(1, 4)?);
    if cursor.eat(b'.') {
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
        reads(go, "17ns", 17);
    }

    #[test]
    fn clocks_are_read() {
        reads(time_span, "03:12:40", 11_560_000_000_000);
        reads(time_span, "00:00:05", 5_000_000_000);
        reads(time_span, "00:00:05.5000000", 5_500_000_000);
        reads(time_span, "1.00:00:01", 86_401_000_000_000);
        reads(time_span, "2.03:00:00", 183_600_000_000_000);
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
        ] {
            assert_eq!(go(text.as_bytes()), None, "{text:?}");
            assert_eq!(time_span(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(go("1".repeat(1_000_000).as_bytes()), None);
    }
}
