//! Durations rounded for people: "58 s", "1.2 s", "350 ms", "2 min 5 s".

use std::fmt;
use std::time::Duration;

/// Displays a duration in at most two units or two digits.
pub(crate) struct Rounded(pub(crate) Duration);

const SECOND: u128 = 1_000;
const MINUTE: u128 = 60 * SECOND;
const HOUR: u128 = 60 * MINUTE;
const DAY: u128 = 24 * HOUR;

impl fmt::Display for Rounded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = (self.0.as_micros() + 500) / 1_000;
        let step = match millis {
            ..SECOND => 1,
            SECOND..10_000 => 100,
            10_000..HOUR => SECOND,
            HOUR..DAY => MINUTE,
            _ => HOUR,
        };
        // Rounded before the unit is chosen, so that 59.7 s becomes a minute and not 60 s.
        let millis = (millis + step / 2) / step * step;
        let (whole, part) = match millis {
            0 if self.0.is_zero() => return f.write_str("0 s"),
            0 => return f.write_str("less than 1 ms"),
            1..SECOND => return write!(f, "{millis} ms"),
            SECOND..MINUTE => match (millis / SECOND, millis % SECOND / 100) {
                (seconds, 0) => return write!(f, "{seconds} s"),
                (seconds, tenths) => return write!(f, "{seconds}.{tenths} s"),
            },
            MINUTE..HOUR => ((millis / MINUTE, "min"), (millis % MINUTE / SECOND, "s")),
            HOUR..DAY => ((millis / HOUR, "h"), (millis % HOUR / MINUTE, "min")),
            _ => ((millis / DAY, "d"), (millis % DAY / HOUR, "h")),
        };
        write!(f, "{} {}", whole.0, whole.1)?;
        match part {
            (0, _) => Ok(()),
            (count, unit) => write!(f, " {count} {unit}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_rounded_for_people() {
        for (micros, told) in [
            (0, "0 s"),
            (300, "less than 1 ms"),
            (1_400, "1 ms"),
            (350_000, "350 ms"),
            (999_700, "1 s"),
            (1_249_000, "1.2 s"),
            (3_029_000, "3 s"),
            (9_960_000, "10 s"),
            (58_400_000, "58 s"),
            (59_700_000, "1 min"),
            (125_300_000, "2 min 5 s"),
            (3_599_800_000, "1 h"),
            (12_030_000_000, "3 h 21 min"),
            (90_000_000_000, "1 d 1 h"),
            (86_399_000_000, "1 d"),
        ] {
            assert_eq!(Rounded(Duration::from_micros(micros)).to_string(), told);
        }
        let longest = Rounded(Duration::MAX).to_string();
        assert!(longest.ends_with(" h"), "{longest}");
    }
}
