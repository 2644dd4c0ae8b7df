//! Bare numbers: ASCII digits and perhaps a fraction (`30`, `2.0`, `0.25`).
//!
//! No sign, no exponent, no underscore, no `inf`: what the standard library's parsers accept beyond digits has
//! made clients loop at once or panic.

use std::time::Duration;

/// A number that is not negative, exact to a billionth and rounded up beyond.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Number {
    /// Saturated: a number that does not fit is still a very large number.
    pub(crate) whole: u64,
    /// Up to a full billion, where rounding up carries.
    nanos: u32,
    /// Written without a point.
    pub(crate) integral: bool,
}

impl Number {
    /// Reads a number in any form; `None` if it is none to its last byte.
    pub(crate) fn read(text: &[u8]) -> Option<Number> {
        Number::integer(text).or_else(|| Number::general(text))
    }

    /// Reads the number before a unit, whose point may be its first byte or its last; `None` if it is beyond 64 bits.
    pub(crate) fn before_unit(text: &[u8]) -> Option<Number> {
        let whole = |digits: &[u8]| match digits.len() {
            0 => Some(0),
            _ if digits.len() > LONGEST => None,
            _ => whole_part(digits),
        };
        let Some(point) = text.iter().position(|byte| *byte == b'.') else {
            return Number::integer(text);
        };
        let fraction = &text[point + 1..];
        if text.len() == 1 {
            return None;
        }
        Some(Number {
            whole: whole(&text[..point])?,
            nanos: if fraction.is_empty() {
                0
            } else {
                nanos(fraction)?
            },
            integral: false,
        })
    }

    /// Reads digits and nothing else, as most numbers are written.
    pub(crate) fn integer(text: &[u8]) -> Option<Number> {
        if !(1..=LONGEST).contains(&text.len()) {
            return None;
        }
        let mut whole = 0;
        for byte in text {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                return None;
            }
            whole = whole * 10 + u64::from(digit);
        }
        Some(Number {
            whole,
            nanos: 0,
            integral: true,
        })
    }

    fn general(text: &[u8]) -> Option<Number> {
        let text = trim(text);
        let point = text.iter().position(|byte| *byte == b'.');
        let (whole, nanos) = match point {
            Some(point) => (&text[..point], nanos(&text[point + 1..])?),
            None => (text, 0),
        };
        let whole = whole_part(whole)?;
        Some(Number {
            whole,
            nanos,
            integral: point.is_none(),
        })
    }

    /// Too little for one more call; some servers count in fractions.
    pub(crate) fn is_spent(self) -> bool {
        self.whole == 0 && self.nanos < 1_000_000_000
    }

    /// The duration of this number of units, of `unit` nanoseconds each. Never panics, never rounds down.
    pub(crate) fn of(self, unit: u64) -> Duration {
        if let (0, 1_000_000_000) = (self.nanos, unit) {
            return Duration::from_secs(self.whole);
        }
        let fraction = (u128::from(self.nanos) * u128::from(unit)).div_ceil(NANOS);
        let total = u128::from(self.whole) * u128::from(unit) + fraction;
        let seconds = u64::try_from(total / NANOS).unwrap_or(u64::MAX);
        Duration::new(seconds, (total % NANOS) as u32)
    }
}

const NANOS: u128 = 1_000_000_000;

/// Digits that fit 64 bits whatever they are.
const LONGEST: usize = 19;

fn whole_part(digits: &[u8]) -> Option<u64> {
    only_digits(digits)?;
    Some(digits.iter().fold(0_u64, |sum, digit| {
        sum.saturating_mul(10)
            .saturating_add(u64::from(digit - b'0'))
    }))
}

/// The digits of a fraction as billionths, rounded up so that no wait gets shorter.
pub(super) fn nanos(digits: &[u8]) -> Option<u32> {
    only_digits(digits)?;
    let (near, far) = digits.split_at(digits.len().min(9));
    let near = near
        .iter()
        .fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0'))
        * 10_u32.pow(9 - near.len() as u32);
    Some(near + u32::from(far.iter().any(|digit| *digit != b'0')))
}

fn only_digits(text: &[u8]) -> Option<()> {
    (!text.is_empty() && text.iter().all(u8::is_ascii_digit)).then_some(())
}

/// Without the blanks and tabs that HTTP allows around a value.
pub(crate) fn trim(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn seconds(text: &str, expected: Duration) {
        let number = Number::read(text.as_bytes()).expect("a number");
        assert_eq!(number.of(1_000_000_000), expected, "{text}");
    }

    #[test]
    fn digits_and_a_fraction_are_a_number() {
        seconds("0", Duration::ZERO);
        seconds("007", Duration::from_secs(7));
        seconds(" 30\t", Duration::from_secs(30));
        seconds("2.0", Duration::from_secs(2));
        seconds("0.25", Duration::from_millis(250));
        seconds("1.000000001", Duration::new(1, 1));
    }

    #[test]
    fn a_fraction_finer_than_a_nanosecond_is_rounded_up() {
        seconds("1.0000000001", Duration::new(1, 1));
        seconds("1.9999999999", Duration::from_secs(2));
        seconds("1.00000000000000", Duration::from_secs(1));
    }

    #[test]
    fn a_number_beyond_all_bounds_saturates() {
        seconds("18446744073709551615", Duration::from_secs(u64::MAX));
        seconds(
            "18446744073709551616.9999999999",
            Duration::from_secs(u64::MAX),
        );
        let minutes = Number::read(b"18446744073709551615")
            .expect("a number")
            .of(60_000_000_000);
        assert_eq!(minutes.as_secs(), u64::MAX);
    }

    #[test]
    fn nothing_else_is_a_number() {
        for text in [
            "", " ", "+5", "-1", "-0", "1e3", "1_000", "inf", "nan", "NaN", "0x10", "1.", ".5",
            "1.5.2", "1,5", "5 0", "٣", "３", "5\0", "\u{a0}5",
        ] {
            assert_eq!(Number::read(text.as_bytes()), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn the_short_way_says_what_the_grammar_says(text in "[0-9]{1,21}|[0-9 .+a]{0,5}") {
            let text = text.as_bytes();
            if let Some(integer) = Number::integer(text) {
                prop_assert_eq!(Some(integer), Number::general(text));
            }
            prop_assert_eq!(Number::read(text), Number::general(text));
        }

        #[test]
        fn whole_seconds_are_what_the_long_division_says(whole: u64) {
            let seconds = Number { whole, nanos: 0, integral: true };
            let written = Number { nanos: 1, ..seconds };
            prop_assert_eq!(seconds.of(1_000_000_000), Duration::from_secs(whole));
            prop_assert_eq!(written.of(1_000_000_000), Duration::new(whole, 1));
        }
    }
}
