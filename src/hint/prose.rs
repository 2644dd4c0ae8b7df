//! A wait in the middle of a sentence.

use super::grammar::Number;
use super::value::{Parsed, ReferenceTime, Unit};
use std::borrow::Cow;
use std::time::Duration;

/// The longest wait that follows `phrase` anywhere in `text`; letters match in either case.
///
/// A unit in words counts unless `unit` says better, so that `in 2 minutes` is not two seconds.
pub(super) fn after(
    text: &[u8],
    phrase: &str,
    reference: ReferenceTime,
    unit: Unit,
) -> Option<Duration> {
    if phrase.is_empty() {
        return None;
    }
    let starts = text.windows(phrase.len()).enumerate();
    let hits = starts.filter(|(_, window)| window.eq_ignore_ascii_case(phrase.as_bytes()));
    hits.take(MOST)
        .filter_map(|(at, _)| prefix(&text[at + phrase.len()..], reference, unit)?.wait())
        .max()
}

/// A phrase that comes more often than this is not about the wait.
const MOST: usize = 16;

/// More than any date is long.
const LONGEST: usize = 80;

/// Where a value begins at the latest, with room for all of it.
const MOST_BLANKS: usize = 1_024;

/// The longest beginning of `text` that reads as a wait.
fn prefix(text: &[u8], reference: ReferenceTime, unit: Unit) -> Option<Parsed> {
    let text = opened(&text[..text.len().min(MOST_BLANKS)]);
    let text = without_grouping(&text[..text.len().min(LONGEST)]);
    if is_cut_by_a_comma(&text) {
        return None;
    }
    let end = (1..=text.len())
        .rev()
        .find(|end| reference.read(&text[..*end], unit).is_some())?;
    let value = &text[..end];
    let read = reference.read(value, unit);
    let spoken = spoken(&text).filter(|_| unit == Unit::Auto);
    match spoken.map(|(wait, _)| Parsed::of(wait)) {
        // A number alone would be seconds; what has a unit already may go on behind a blank.
        Some(spoken) if Number::read(value).is_some() => Some(spoken),
        spoken => spoken.max(read),
    }
}

/// Takes the commas out of a number that they part into thousands: `1,200`.
fn without_grouping(text: &[u8]) -> Cow<'_, [u8]> {
    let is_in_number = |byte: &u8| byte.is_ascii_digit() || *byte == b',';
    let end = text.iter().position(|byte| !is_in_number(byte));
    let (number, rest) = text.split_at(end.unwrap_or(text.len()));
    let mut groups = number.split(|byte| *byte == b',');
    let is_head = groups
        .next()
        .is_some_and(|head| (1..=3).contains(&head.len()));
    if !is_head || !number.contains(&b',') || !groups.all(|group| group.len() == 3) {
        return Cow::Borrowed(text);
    }
    let digits = number.iter().filter(|byte| **byte != b',');
    Cow::Owned(digits.chain(rest).copied().collect())
}

/// Whether digits follow the comma behind a number: `1,5 hours` are more than one.
fn is_cut_by_a_comma(text: &[u8]) -> bool {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    digits > 0 && matches!(text[digits..], [b',', b'0'..=b'9', ..])
}

/// Without the blanks and quotes before the value; blanks may end a line, or keep it from being broken.
fn opened(mut text: &[u8]) -> &[u8] {
    const NO_BREAK: [&str; 2] = ["\u{a0}", "\u{202f}"];
    loop {
        let unbroken = NO_BREAK
            .iter()
            .find_map(|blank| text.strip_prefix(blank.as_bytes()));
        text = match (text, unbroken) {
            ([b' ' | b'\t' | b'\r' | b'\n' | b'\'' | b'"', rest @ ..], _) => rest,
            (_, Some(rest)) => rest,
            _ => return text,
        };
    }
}

/// A text that is nothing but numbers and their units in words: `5 minutes`.
pub(super) fn whole(text: &[u8]) -> Option<Parsed> {
    let (wait, rest) = spoken(opened(text))?;
    opened(rest).is_empty().then(|| Parsed::of(wait))
}

/// Numbers and the words behind them, `2 minutes and 30 seconds`, and what follows.
///
/// A unit that is not smaller than the one before begins another time: `30 seconds, 1 hour at worst`.
fn spoken(text: &[u8]) -> Option<(Duration, &[u8])> {
    let (mut total, mut smallest, mut rest) = one_unit(text)?;
    while let Some((more, unit, behind)) = one_unit(joined(rest)) {
        if unit >= smallest {
            break;
        }
        (smallest, rest) = (unit, behind);
        total = total.saturating_add(more);
    }
    Some((total, rest))
}

/// A number and the word behind it, how many nanoseconds that word is, and what follows.
fn one_unit(text: &[u8]) -> Option<(Duration, u64, &[u8])> {
    let is_in_number = |byte: &u8| byte.is_ascii_digit() || *byte == b'.';
    let end = text.iter().position(|byte| !is_in_number(byte))?;
    let (number, rest) = text.split_at(end);
    let rest = opened(rest);
    let end = rest
        .iter()
        .position(|byte| !byte.is_ascii_alphabetic())
        .unwrap_or(rest.len());
    let (word, rest) = rest.split_at(end);
    let (_, nanos) = WORDS.iter().find(|(words, _)| {
        words
            .iter()
            .any(|known| known.as_bytes().eq_ignore_ascii_case(word))
    })?;
    let rest = rest.strip_prefix(b"(s)").unwrap_or(rest);
    Some((Number::read(number)?.of(*nanos), *nanos, rest))
}

/// Without the blanks, the comma or the point and the `and` between two units.
fn joined(text: &[u8]) -> &[u8] {
    let text = opened(text);
    let text = match text {
        [b',' | b'.', rest @ ..] => opened(rest),
        _ => text,
    };
    opened(text.strip_prefix(b"and ").unwrap_or(text))
}

/// A month has 31 days.
const WORDS: [(&[&str], u64); 7] = [
    (&["ms", "millisecond", "milliseconds"], 1_000_000),
    (&["s", "sec", "secs", "second", "seconds"], 1_000_000_000),
    (&["m", "min", "mins", "minute", "minutes"], 60_000_000_000),
    (&["h", "hr", "hrs", "hour", "hours"], 3_600_000_000_000),
    (&["d", "day", "days"], 86_400_000_000_000),
    (&["week", "weeks"], 604_800_000_000_000),
    (&["month", "months"], 2_678_400_000_000_000),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::SystemTime;

    #[track_caller]
    fn reads(text: &str, phrase: &str, millis: Option<u64>) {
        let reference = ReferenceTime::of(
            || SystemTime::UNIX_EPOCH,
            Some(b"Thu, 01 Jan 2026 00:00:00 GMT"),
            false,
        );
        let found = after(text.as_bytes(), phrase, reference, Unit::Auto);
        assert_eq!(found, millis.map(Duration::from_millis), "{text}");
    }

    #[test]
    fn the_longest_prefix_that_reads_as_a_wait_is_taken() {
        reads(
            "Too Many Requests: retry after 35",
            "retry after",
            Some(35_000),
        );
        reads(
            "{\"m\":\"Retry after 2026-01-01T00:04:03.456Z\"}",
            "retry after ",
            Some(243_456),
        );
        reads(
            "replenished in 03:12:40.",
            "replenished in ",
            Some(11_560_000),
        );
        reads(
            "Please try again in 6m0.5s. Visit us",
            "try again in",
            Some(360_500),
        );
        reads("banned until 1767225630000. Bye", "until ", Some(30_000));
        reads(
            "Try again on 2026-01-01 00:01:00 UTC",
            "again on",
            Some(60_000),
        );
    }

    #[test]
    fn a_unit_in_words_counts() {
        reads("try again after '17' seconds.", "after ", Some(17_000));
        reads("reset in 2 minutes", "reset in", Some(120_000));
        reads("reset in 250 ms", "reset in", Some(250));
        reads("reset in 1.5 Hours", "reset in", Some(5_400_000));
        reads("reset in 2 moons", "reset in", Some(2_000));
    }

    #[test]
    fn units_in_a_row_are_added() {
        reads("in 2 minutes and 30 seconds.", "in ", Some(150_000));
        reads(
            "in 1 hour, 20 minutes, and 5 seconds",
            "in",
            Some(4_805_000),
        );
        reads("in 1m 30s", "in", Some(90_000));
        reads("in 1h 5m.", "in", Some(3_900_000));
        reads("in 1 day 1 hour", "in", Some(90_000_000));
        reads("in 5 seconds, 3 times", "in", Some(5_000));
        reads("in 5 seconds and 100 credits", "in", Some(5_000));
        reads("in 5m0s, 2 s at best", "in", Some(300_000));
    }

    #[test]
    fn a_unit_that_is_no_part_of_the_one_before_is_not_added() {
        reads("in 30 seconds, 1 hour at worst", "in", Some(30_000));
        reads("in 2 minutes, 5 minutes at worst", "in", Some(120_000));
    }

    #[test]
    fn a_unit_behind_many_blanks_is_read() {
        let text = format!("in\n{}2 minutes", " ".repeat(200));
        reads(&text, "in", Some(120_000));
    }

    #[test]
    fn a_week_is_no_second() {
        reads("in 1 week", "in", Some(604_800_000));
        reads("in 2 months", "in", Some(5_356_800_000));
        reads("in 3d", "in", Some(259_200_000));
    }

    #[test]
    fn a_unit_may_stand_behind_any_blank() {
        reads("in 2\u{a0}minutes", "in", Some(120_000));
        reads("in\u{202f}2\u{202f}minutes", "in", Some(120_000));
        reads("in\r\n  2\nminutes", "in", Some(120_000));
    }

    #[test]
    fn commas_may_part_thousands() {
        reads("in 1,200 seconds", "in", Some(1_200_000));
        reads("in 12,345,678 ms", "in", Some(12_345_678));
        reads("after 1,200", "after", Some(1_200_000));
        reads("after 5, or 200 at worst", "after", Some(5_000));
    }

    #[test]
    fn no_part_of_a_number_with_another_comma_is_read() {
        reads("after 5,20", "after", None);
        reads("in 1,5 hours", "in", None);
    }

    #[test]
    fn units_may_be_abbreviated_or_of_either_number() {
        reads("in 2 min. 30 sec.", "in", Some(150_000));
        reads("in 2 minute(s) and 30 second(s)", "in", Some(150_000));
        reads("in 5 minute(s).", "in", Some(300_000));
    }

    #[test]
    fn of_several_the_longest_is_taken() {
        reads("wait 5 s, or better wait 9 s", "wait ", Some(9_000));
    }

    #[test]
    fn what_is_no_wait_is_passed_over() {
        reads("Please try again in X seconds.", "try again in", None);
        reads("try again in", "try again in", None);
        reads("try again in -5", "try again in", None);
        reads("anything", "", None);
        reads("", "try", None);
    }
}
