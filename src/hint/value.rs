//! From a written value to a wait.

use super::grammar::{Number, date, duration, list};
use http::HeaderName;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use std::time::{Duration, SystemTime};

/// What a bare number counts.
///
/// Values with letters or colons in them say it themselves, so a unit never changes how they are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
#[non_exhaustive]
pub enum Unit {
    /// The size of the number decides what it counts.
    ///
    /// Below 10⁸ it is seconds from now; from 10⁹ the epoch in seconds; from 10¹¹ the epoch in milliseconds. What
    /// lies between or beyond is unusable.
    #[default]
    Auto,
    /// Seconds from now, whatever the size.
    Seconds,
    /// Milliseconds from now; from 10¹¹ (three years) the epoch in milliseconds.
    Millis,
    /// Minutes from now.
    Minutes,
    /// Seconds since 1970.
    EpochSeconds,
    /// Milliseconds since 1970.
    EpochMillis,
}

/// Header units that a provider states, against what the name says.
pub(super) type Units = [(HeaderName, Unit)];

/// The unit that a provider states for a header.
pub(super) fn unit_of(name: &HeaderName, units: &Units) -> Option<Unit> {
    let stated = units.iter().find(|(stated, _)| stated == name);
    stated.map(|(_, unit)| *unit)
}

/// A value that one of the grammars reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Parsed {
    /// A moment that was over when the head arrived, by more than [`MAX_CLOCK_SKEW`]: it names no wait.
    Past,
    /// So long from the arrival of the head, in whole milliseconds.
    Wait(Duration),
    /// More than a year from then, or a number of no plausible size.
    OutOfRange,
}

impl Parsed {
    pub(super) fn of(wait: Duration) -> Parsed {
        let wait = whole_millis(wait);
        if wait > YEAR {
            Parsed::OutOfRange
        } else {
            Parsed::Wait(wait)
        }
    }

    pub(super) fn wait(self) -> Option<Duration> {
        match self {
            Parsed::Wait(wait) => Some(wait),
            Parsed::Past | Parsed::OutOfRange => None,
        }
    }
}

/// How much earlier than written a moment may be: by less than a second for whole seconds, and by less than another one
/// if it is an absolute moment that was compared with a `Date`, which is cut to seconds.
pub(super) fn coarseness(text: &[u8], wait: Duration, has_date: bool) -> Duration {
    /// From this many digits on, a number is a moment.
    const MOMENT: usize = 9;
    /// From this many digits on, it is one in milliseconds.
    const MILLIS: usize = 12;
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let has_fraction = text.contains(&b'.');
    let is_number = text
        .iter()
        .all(|byte| byte.is_ascii_digit() || *byte == b'.');
    let is_delta = is_number && digits < MOMENT;
    let is_exact = has_fraction || is_number && digits >= MILLIS;
    let is_whole = !is_exact && (!is_delta || wait.subsec_nanos() == 0);
    Duration::from_secs(u64::from(is_whole) + u64::from(has_date && !is_delta))
}

/// The longest wait that is believed. A leap year is a year, too.
const YEAR: Duration = Duration::from_secs(366 * 86_400);

/// By how much a moment may be over and still be a wait of nothing.
///
/// Spellings cut off up to a second, `Date` another. Beyond that two clocks disagree, and the moment says
/// nothing about when to come back.
const MAX_CLOCK_SKEW: SignedDuration = SignedDuration::from_secs(2);

/// What absolute moments are compared with.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReferenceTime {
    now: Timestamp,
    /// Whether it is a `Date` that is cut to seconds, as HTTP writes it.
    is_cut: bool,
    retry_after_rounded_down: bool,
}

impl ReferenceTime {
    /// The server's own clock if the response has a `Date`, else the local one.
    pub(super) fn of(
        received: impl FnOnce() -> SystemTime,
        date: Option<&[u8]>,
        retry_after_rounded_down: bool,
    ) -> ReferenceTime {
        let fixed = date.and_then(date::http_date);
        let now = fixed.unwrap_or_else(|| {
            // A local clock beyond the calendar only makes every absolute moment unusable.
            let received = Timestamp::try_from(received()).unwrap_or(Timestamp::MIN);
            let served = date.and_then(|date| date::read(date, received));
            served.unwrap_or(received)
        });
        ReferenceTime {
            now,
            is_cut: fixed.is_some(),
            retry_after_rounded_down,
        }
    }

    /// The same moment without its fraction: what is a fraction of a second from it was written as one.
    pub(super) fn without_fraction(self) -> ReferenceTime {
        let now = Timestamp::from_second(self.now.as_second()).unwrap_or(self.now);
        ReferenceTime { now, ..self }
    }

    /// The latest moment that it may be: a `Date` is cut to seconds.
    pub(super) fn at_latest(self) -> ReferenceTime {
        let cut = SignedDuration::from_secs(self.is_cut.into());
        let now = self.now.saturating_add(cut).unwrap_or(self.now);
        ReferenceTime { now, ..self }
    }

    /// Reads one value by whichever grammar fits; `None` if none does.
    pub(super) fn read(self, text: &[u8], unit: Unit) -> Option<Parsed> {
        if let Some(number) = Number::integer(text) {
            return Some(self.number(number, unit));
        }
        let text = list::bare(text);
        if let Some(number) = Number::read(text) {
            return Some(self.number(number, unit));
        }
        let span = duration::go(text).or_else(|| duration::time_span(text));
        if let Some(span) = span {
            return Some(Parsed::of(span));
        }
        date::read(text, self.now).map(|moment| self.until(moment))
    }

    /// Until the next window begins, of those that follow each other since 1970.
    pub(super) fn next(self, window: Duration) -> Option<Duration> {
        let now = self.now.duration_since(Timestamp::UNIX_EPOCH);
        let now = Duration::try_from(now).ok()?.as_nanos();
        let over = now.checked_rem(window.as_nanos())?;
        let left = u64::try_from(window.as_nanos() - over).ok()?;
        Parsed::of(Duration::from_nanos(left)).wait()
    }

    /// Until the day ends in some zone.
    pub(super) fn until_midnight(self, zone: &TimeZone) -> Option<Duration> {
        let tomorrow = self.now.to_zoned_datetime(zone.clone()).tomorrow().ok()?;
        let midnight = tomorrow.start_of_day().ok()?;
        self.until(midnight.timestamp()).wait()
    }

    /// The longest wait in a comma list.
    pub(super) fn longest(self, text: &[u8], unit: Unit) -> Option<Duration> {
        list::items(text)
            .filter_map(|item| self.read(item, unit)?.wait())
            .max()
    }

    fn number(self, number: Number, unit: Unit) -> Parsed {
        match unit {
            Unit::Auto => self.by_size(number),
            Unit::Seconds => self.seconds(number),
            Unit::Millis if number.whole >= EPOCH_MILLIS => self.since_epoch(number, MILLI),
            Unit::Millis => Parsed::of(number.of(MILLI)),
            Unit::Minutes => Parsed::of(number.of(60 * SECOND)),
            Unit::EpochSeconds => self.since_epoch(number, SECOND),
            Unit::EpochMillis => self.since_epoch(number, MILLI),
        }
    }

    fn by_size(self, number: Number) -> Parsed {
        match number.whole {
            ..DELTAS => self.seconds(number),
            EPOCH_SECONDS..EPOCH_MILLIS => self.since_epoch(number, SECOND),
            EPOCH_MILLIS..EPOCH_END => self.since_epoch(number, MILLI),
            _ => Parsed::OutOfRange,
        }
    }

    fn seconds(self, number: Number) -> Parsed {
        let cut = self.retry_after_rounded_down && number.integral;
        Parsed::of(
            number
                .of(SECOND)
                .saturating_add(Duration::from_secs(cut.into())),
        )
    }

    fn since_epoch(self, number: Number, unit: u64) -> Parsed {
        let moment = Timestamp::UNIX_EPOCH.checked_add(number.of(unit));
        moment.map_or(Parsed::OutOfRange, |moment| self.until(moment))
    }

    fn until(self, moment: Timestamp) -> Parsed {
        let left = moment.duration_since(self.now);
        if left < -MAX_CLOCK_SKEW {
            return Parsed::Past;
        }
        Parsed::of(left.max(SignedDuration::ZERO).unsigned_abs())
    }
}

const SECOND: u64 = 1_000_000_000;
const MILLI: u64 = 1_000_000;

const DELTAS: u64 = 100_000_000;
const EPOCH_SECONDS: u64 = 1_000_000_000;
const EPOCH_MILLIS: u64 = 100_000_000_000;
const EPOCH_END: u64 = 100_000_000_000_000;

/// The number that a counter begins with: `0`, `"0"`, `0;w=60`.
pub(super) fn count(value: &[u8]) -> Option<Number> {
    if let Some(number) = Number::integer(value) {
        return Some(number);
    }
    let value = list::bare(value);
    let end = value.iter().position(|byte| *byte == b';');
    Number::read(&value[..end.unwrap_or(value.len())])
}

/// The whole number that a counter begins with, if it is one of calls.
pub(super) fn whole_count(value: &[u8]) -> Option<u32> {
    u32::try_from(count(value)?.whole).ok()
}

/// Rounded up: a timer that fires early by a microsecond is refused again.
pub(super) fn whole_millis(wait: Duration) -> Duration {
    let millis = wait.subsec_nanos().div_ceil(1_000_000);
    Duration::from_secs(wait.as_secs()).saturating_add(Duration::from_millis(millis.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, unit: Unit) -> Option<Parsed> {
        let now = Timestamp::from_second(1_767_225_600).expect("2026");
        ReferenceTime::of(|| now.try_into().expect("a moment"), None, false)
            .read(text.as_bytes(), unit)
    }

    #[track_caller]
    fn waits(text: &str, unit: Unit, millis: u64) {
        assert_eq!(
            read(text, unit),
            Some(Parsed::Wait(Duration::from_millis(millis))),
            "{text}"
        );
    }

    #[test]
    fn a_moment_is_as_coarse_as_its_digits_and_the_date_that_it_is_compared_with() {
        for (text, millis, alone, with_date) in [
            ("7", 7_000, 1, 1),
            ("7", 7, 0, 0),
            ("7.5", 7_500, 0, 0),
            ("1767225607", 7_000, 1, 2),
            ("1767225607", 6_400, 1, 2),
            ("1767225607.234", 7_234, 0, 1),
            ("1767225607000", 7_000, 0, 1),
            ("2026-01-01T00:00:07Z", 7_000, 1, 2),
            ("2026-01-01T00:00:07.5Z", 7_500, 0, 1),
        ] {
            let wait = Duration::from_millis(millis);
            for (has_date, seconds) in [(false, alone), (true, with_date)] {
                let coarse = coarseness(text.as_bytes(), wait, has_date);
                assert_eq!(coarse, Duration::from_secs(seconds), "{text}, {has_date}");
            }
        }
    }

    #[test]
    fn size_decides_what_a_bare_number_is() {
        waits("0", Unit::Auto, 0);
        waits("0.0001", Unit::Auto, 1);
        waits("31536000", Unit::Auto, 31_536_000_000);
        waits("1767225630", Unit::Auto, 30_000);
        waits("1767225630.0001", Unit::Auto, 30_001);
        waits("1767225630001", Unit::Auto, 30_001);
        assert_eq!(read("1000000000", Unit::Auto), Some(Parsed::Past));
        for far in [
            "99999999",
            "100000000",
            "999999999",
            "99999999999",
            "99999999999999",
            "100000000000000",
        ] {
            assert_eq!(read(far, Unit::Auto), Some(Parsed::OutOfRange), "{far}");
        }
    }

    #[test]
    fn a_unit_overrides_the_size() {
        waits("2500", Unit::Millis, 2_500);
        waits("2500.5", Unit::Millis, 2_501);
        waits("1767225630000", Unit::Millis, 30_000);
        waits("19", Unit::Minutes, 1_140_000);
        assert_eq!(read("5", Unit::EpochSeconds), Some(Parsed::Past));
        waits("1767225630000", Unit::EpochMillis, 30_000);
        assert_eq!(read("1767225630", Unit::Seconds), Some(Parsed::OutOfRange));
        for unit in [
            Unit::Seconds,
            Unit::Millis,
            Unit::Minutes,
            Unit::EpochSeconds,
            Unit::EpochMillis,
        ] {
            assert_eq!(
                read("18446744073709551615", unit),
                Some(Parsed::OutOfRange),
                "{unit:?}"
            );
        }
    }

    #[test]
    fn a_unit_leaves_values_with_letters_alone() {
        waits("6m0s", Unit::Millis, 360_000);
        waits("2026-01-01T00:00:30Z", Unit::Minutes, 30_000);
        waits("\"00:00:05\"", Unit::Millis, 5_000);
    }

    #[test]
    fn a_moment_that_is_over_by_more_than_two_seconds_names_no_wait() {
        for (text, over) in [
            ("1767225600", false),
            ("1767225598", false),
            ("1767225597", true),
            ("1767225597999", true),
            ("1767225598000", false),
            ("2025-12-31T23:59:58Z", false),
            ("2025-12-31T23:59:57.999Z", true),
            ("Wed, 31 Dec 2025 23:59:58 GMT", false),
            ("Wed, 31 Dec 2025 23:59:57 GMT", true),
            ("Wed Dec 31 2025 23:59:57 GMT+0000 (UTC)", true),
        ] {
            let expected = if over {
                Parsed::Past
            } else {
                Parsed::Wait(Duration::ZERO)
            };
            assert_eq!(read(text, Unit::Auto), Some(expected), "{text}");
        }
    }

    #[test]
    fn a_server_that_truncates_is_given_the_second_it_cut() {
        let reference = ReferenceTime::of(|| SystemTime::UNIX_EPOCH, None, true);
        let wait = |text: &[u8]| reference.read(text, Unit::Auto).and_then(Parsed::wait);
        assert_eq!(wait(b"7"), Some(Duration::from_secs(8)));
        assert_eq!(wait(b"7.2"), Some(Duration::from_millis(7_200)));
        assert_eq!(wait(b"7s"), Some(Duration::from_secs(7)));
    }

    #[test]
    fn a_local_clock_beyond_the_calendar_does_no_harm() {
        let far = SystemTime::UNIX_EPOCH
            .checked_add(Duration::from_secs(1 << 60))
            .expect("a moment");
        let reference = ReferenceTime::of(|| far, None, false);
        assert_eq!(
            reference.read(b"30", Unit::Auto),
            Some(Parsed::Wait(Duration::from_secs(30)))
        );
        assert_eq!(
            reference.read(b"1767225630", Unit::Auto),
            Some(Parsed::OutOfRange)
        );
    }
}
