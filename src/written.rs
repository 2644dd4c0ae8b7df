//! Durations, statuses and header names as a config file writes them (feature `serde`).

use std::fmt;
use std::time::Duration;

use http::{HeaderName, StatusCode};
use jiff::fmt::friendly::{Spacing, SpanParser, SpanPrinter};
use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A duration: a text such as `"1m 30s"`, or a number of seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct WrittenDuration(pub(crate) Duration);

impl Serialize for WrittenDuration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let printer = SpanPrinter::new().spacing(Spacing::BetweenUnits);
        serializer.serialize_str(&printer.unsigned_duration_to_string(&self.0))
    }
}

impl<'de> Deserialize<'de> for WrittenDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DurationVisitor).map(Self)
    }
}

struct DurationVisitor;

impl Visitor<'_> for DurationVisitor {
    type Value = Duration;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a duration, such as \"1m 30s\", \"250ms\", \"24h\" or a number of seconds")
    }

    fn visit_u64<E: Error>(self, seconds: u64) -> Result<Duration, E> {
        Ok(Duration::from_secs(seconds))
    }

    fn visit_i64<E: Error>(self, seconds: i64) -> Result<Duration, E> {
        let seconds = u64::try_from(seconds);
        seconds
            .map(Duration::from_secs)
            .map_err(|_| E::invalid_value(Unexpected::Str("a negative number"), &self))
    }

    fn visit_f64<E: Error>(self, seconds: f64) -> Result<Duration, E> {
        Duration::try_from_secs_f64(seconds)
            .map_err(|_| E::invalid_value(Unexpected::Float(seconds), &self))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Duration, E> {
        SpanParser::new()
            .parse_unsigned_duration(text)
            .map_err(|_| E::invalid_value(Unexpected::Str(text), &self))
    }
}

/// A status: its number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct WrittenStatus(pub(crate) StatusCode);

impl Serialize for WrittenStatus {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u16(self.0.as_u16())
    }
}

impl<'de> Deserialize<'de> for WrittenStatus {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = u16::deserialize(deserializer)?;
        StatusCode::from_u16(number).map(Self).map_err(|_| {
            let number = Unexpected::Unsigned(number.into());
            D::Error::invalid_value(number, &"a status of three digits")
        })
    }
}

/// A header name: its text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct WrittenHeader(pub(crate) HeaderName);

impl Serialize for WrittenHeader {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.as_str())
    }
}

impl<'de> Deserialize<'de> for WrittenHeader {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        HeaderName::try_from(&text)
            .map(Self)
            .map_err(|_| D::Error::invalid_value(Unexpected::Str(&text), &"the name of a header"))
    }
}

/// Whether a switch is off, which is not written.
#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
pub(crate) fn is_off(switch: &bool) -> bool {
    !switch
}

pub(crate) fn write_statuses(statuses: &[StatusCode]) -> Vec<WrittenStatus> {
    statuses.iter().copied().map(WrittenStatus).collect()
}

pub(crate) fn read_statuses(statuses: Vec<WrittenStatus>) -> Vec<StatusCode> {
    statuses.into_iter().map(|status| status.0).collect()
}

pub(crate) fn write_durations(durations: &[Duration]) -> Vec<WrittenDuration> {
    durations.iter().copied().map(WrittenDuration).collect()
}

pub(crate) fn read_durations(durations: Vec<WrittenDuration>) -> Vec<Duration> {
    durations.into_iter().map(|written| written.0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn duration(json: &str) -> Result<Duration, String> {
        let written: Result<WrittenDuration, _> = serde_json::from_str(json);
        written
            .map(|written| written.0)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_duration_is_a_text_with_units_or_a_number_of_seconds() {
        for (json, millis) in [
            ("\"60s\"", 60_000),
            ("\"1m 30s\"", 90_000),
            ("\"1m30s\"", 90_000),
            ("\"24h\"", 86_400_000),
            ("\"250ms\"", 250),
            ("\"1.5s\"", 1_500),
            ("\"2 minutes\"", 120_000),
            ("60", 60_000),
            ("0.25", 250),
            ("0", 0),
        ] {
            assert_eq!(duration(json), Ok(Duration::from_millis(millis)), "{json}");
        }
        for json in [
            "\"\"", "\"60\"", "\"-1s\"", "-1", "-0.5", "1e300", "\"soon\"", "true", "[1]",
        ] {
            let error = duration(json).expect_err(json);
            assert!(error.contains("a duration, such as"), "{json}: {error}");
        }
    }

    #[test]
    fn a_duration_is_written_with_units() {
        let written = |millis| {
            let duration = WrittenDuration(Duration::from_millis(millis));
            serde_json::to_string(&duration).unwrap()
        };
        assert_eq!(written(60_000), "\"1m\"");
        assert_eq!(written(90_250), "\"1m 30s 250ms\"");
        assert_eq!(written(0), "\"0s\"");
    }

    #[test]
    fn what_is_no_status_or_header_is_an_error() {
        for json in ["99", "1000", "70000", "-1", "\"many\""] {
            assert!(
                serde_json::from_str::<WrittenStatus>(json).is_err(),
                "{json}"
            );
        }
        for json in ["\"\"", "\"x limit\"", "\"x-l\u{ef}mit\"", "1"] {
            assert!(
                serde_json::from_str::<WrittenHeader>(json).is_err(),
                "{json}"
            );
        }
        let limit: WrittenHeader = serde_json::from_str("\"X-Limit\"").unwrap();
        assert_eq!(limit.0, "x-limit");
    }

    proptest! {
        #[test]
        fn every_duration_is_read_as_it_was_written(seconds: u64, nanos in 0..1_000_000_000_u32) {
            let duration = WrittenDuration(Duration::new(seconds, nanos));
            let json = serde_json::to_string(&duration).unwrap();
            prop_assert_eq!(serde_json::from_str::<WrittenDuration>(&json).unwrap(), duration);
        }
    }
}
