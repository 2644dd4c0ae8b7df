//! A wait in the middle of a sentence.

use super::grammar::{Number, number::trim};
use super::value::{Parsed, ReferenceTime, Unit};
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

/// The longest beginning of `text` that reads as a wait.
fn prefix(text: &[u8], reference: ReferenceTime, unit: Unit) -> Option<Parsed> {
    let text = opened(&text[..text.len().min(LONGEST)]);
    let end = (1..=text.len())
        .rev()
        .find(|end| reference.read(&text[..*end], unit).is_some())?;
    let (value, rest) = text.split_at(end);
    let spoken = if unit == Unit::Auto {
        spoken(value, rest)
    } else {
        None
    };
    spoken
        .map(Parsed::of)
        .or_else(|| reference.read(value, unit))
}

/// Without the blanks and quotes before the value.
fn opened(text: &[u8]) -> &[u8] {
    let start = text
        .iter()
        .position(|byte| !matches!(byte, b' ' | b'\t' | b'\'' | b'"'))
        .unwrap_or(text.len());
    &text[start..]
}

/// A number and the word behind it: `16` ` seconds`.
fn spoken(value: &[u8], rest: &[u8]) -> Option<Duration> {
    let number = Number::read(value)?;
    let rest = opened(rest);
    let end = rest
        .iter()
        .position(|byte| !byte.is_ascii_alphabetic())
        .unwrap_or(rest.len());
    let word = trim(&rest[..end]).to_ascii_lowercase();
    let (_, nanos) = WORDS
        .iter()
        .find(|(words, _)| words.iter().any(|known| known.as_bytes() == word))?;
    Some(number.of(*nanos))
}

const WORDS: [(&[&str], u64); 5] = [
    (&["ms", "millisecond", "milliseconds"], 1_000_000),
    (&["s", "sec", "secs", "second", "seconds"], 1_000_000_000),
    (&["m", "min", "mins", "minute", "minutes"], 60_000_000_000),
    (&["h", "hr", "hrs", "hour", "hours"], 3_600_000_000_000),
    (&["day", "days"], 86_400_000_000_000),
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
