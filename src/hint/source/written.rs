//! A place for a wait as a config file writes it (feature `serde`).

use http::HeaderName;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::field::{Field, Location, Text};
use super::midnight::Midnight;
use crate::hint::Unit;
use crate::written::{WrittenDuration, WrittenHeader, read_durations, write_durations};

/// The keys of a place: one that says where, named after the constructors of [`Field`], and two that say how.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename = "Field")]
struct WrittenField {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    header: Option<WrittenHeader>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    header_list: Option<WrittenHeader>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    header_params: Option<HeaderParams>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    header_json: Option<HeaderJson>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    used_up: Option<WrittenUsage>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    json: Option<Text>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    json_deficit: Option<JsonDeficit>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    after: Option<Text>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    midnight: Option<WrittenMidnight>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unit: Option<Unit>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    default_wait: Option<WrittenDuration>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct HeaderParams {
    name: WrittenHeader,
    counter: Text,
    wait: Text,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct HeaderJson {
    name: WrittenHeader,
    path: Text,
}

/// Two headers that say how much is used and how much is allowed, in each window.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WrittenUsage {
    pub(crate) usage: WrittenHeader,
    pub(crate) limit: WrittenHeader,
    pub(crate) windows: Vec<WrittenDuration>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct JsonDeficit {
    need: Text,
    have: Text,
    per_second: Text,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename = "Midnight")]
struct WrittenMidnight {
    phrase: Text,
    zone: Text,
}

impl From<&Field> for WrittenField {
    fn from(field: &Field) -> Self {
        let name = |name: &HeaderName| WrittenHeader(name.clone());
        let mut written = Self {
            unit: Some(field.unit).filter(|unit| *unit != Unit::Auto),
            default_wait: field.default.map(WrittenDuration),
            ..Self::default()
        };
        match &field.place {
            Location::Header(header) => written.header = Some(name(header)),
            Location::HeaderList(header) => written.header_list = Some(name(header)),
            Location::HeaderParams {
                name: header,
                counter,
                wait,
            } => {
                written.header_params = Some(HeaderParams {
                    name: name(header),
                    counter: counter.clone(),
                    wait: wait.clone(),
                });
            }
            Location::HeaderJson { name: header, path } => {
                let (name, path) = (name(header), path.clone());
                written.header_json = Some(HeaderJson { name, path });
            }
            Location::UsedUp { .. } => written.used_up = field.usage(),
            Location::Json(path) => written.json = Some(path.clone()),
            Location::JsonDeficit {
                need,
                have,
                per_second,
            } => {
                written.json_deficit = Some(JsonDeficit {
                    need: need.clone(),
                    have: have.clone(),
                    per_second: per_second.clone(),
                });
            }
            Location::After(phrase) => written.after = Some(phrase.clone()),
            Location::Midnight { phrase, midnight } => {
                let (phrase, zone) = (phrase.clone(), midnight.rule.clone());
                written.midnight = Some(WrittenMidnight { phrase, zone });
            }
        }
        written
    }
}

impl Field {
    /// The two headers, if the place is a pair of counters.
    pub(crate) fn usage(&self) -> Option<WrittenUsage> {
        let Location::UsedUp {
            usage,
            limit,
            windows,
        } = &self.place
        else {
            return None;
        };
        Some(WrittenUsage {
            usage: WrittenHeader(usage.clone()),
            limit: WrittenHeader(limit.clone()),
            windows: write_durations(windows),
        })
    }
}

impl TryFrom<WrittenField> for Field {
    type Error = &'static str;

    fn try_from(written: WrittenField) -> Result<Self, &'static str> {
        let (unit, wait) = (written.unit, written.default_wait);
        let mut places = written.places()?.into_iter();
        let (Some(field), None) = (places.next(), places.next()) else {
            return Err("a wait has one place, such as header or json");
        };
        let field = unit.into_iter().fold(field, Field::unit);
        Ok(match wait {
            Some(wait) => field.default_wait(wait.0),
            None => field,
        })
    }
}

impl WrittenField {
    /// All places that are named: one, unless the file is wrong.
    fn places(self) -> Result<Vec<Field>, &'static str> {
        let header = self.header.map(|name| Field::header(name.0));
        let header_list = self.header_list.map(|name| Field::header_list(name.0));
        let header_params = self.header_params;
        let header_params =
            header_params.map(|p| Field::header_params(p.name.0, p.counter, p.wait));
        let header_json = self.header_json;
        let header_json = header_json.map(|json| Field::header_json(json.name.0, json.path));
        let used_up = self
            .used_up
            .map(|used| Field::used_up(used.usage.0, used.limit.0, read_durations(used.windows)));
        let json = self.json.map(Field::json);
        let json_deficit = self.json_deficit;
        let json_deficit = json_deficit.map(|d| Field::json_deficit(d.need, d.have, d.per_second));
        let after = self.after.map(Field::after);
        let mut places = vec![
            header,
            header_list,
            header_params,
            header_json,
            used_up,
            json,
            json_deficit,
            after,
        ];
        if let Some(WrittenMidnight { phrase, zone }) = self.midnight {
            if Midnight::read(zone.clone()).is_none() {
                return Err("a zone is the rule of a zone, such as `EST5EDT,M3.2.0,M11.1.0`");
            }
            places.push(Some(Field::midnight(phrase, zone)));
        }
        Ok(places.into_iter().flatten().collect())
    }
}

/// Feature `serde`: a table such as `{ json = "error.retry_in", unit = "millis" }`.
///
/// One key says where, named after the constructors of [`Field`]; `unit` and `default_wait` say how.
///
/// ```
/// use tower_backoff::hint::{Field, Unit};
///
/// let field: Field = serde_json::from_str(r#"{ "header": "x-retry-in", "unit": "millis" }"#)?;
/// assert_eq!(field, Field::header("x-retry-in").unit(Unit::Millis));
///
/// let field: Field = serde_json::from_str(
///     r#"{ "header_json": { "name": "x-usage", "path": "*.wait" }, "default_wait": "1h" }"#,
/// )?;
/// let hour = std::time::Duration::from_secs(60 * 60);
/// assert_eq!(field, Field::header_json("x-usage", "*.wait").default_wait(hour));
/// # Ok::<(), serde_json::Error>(())
/// ```
impl<'de> Deserialize<'de> for Field {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let written = WrittenField::deserialize(deserializer)?;
        written.try_into().map_err(D::Error::custom)
    }
}

/// Feature `serde`: keys that say nothing more than the default are left out.
impl Serialize for Field {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        WrittenField::from(self).serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn every_place_is_read_as_it_was_written() {
        let hour = Duration::from_secs(3_600);
        for field in [
            Field::header("x-wait").unit(Unit::EpochMillis),
            Field::header_list("x-limits").default_wait(hour),
            Field::header_params("x-tickets", "remaining", "resets"),
            Field::header_json("x-use", "*.wait").unit(Unit::Minutes),
            Field::used_up("x-usage", "x-limit", [Duration::from_secs(900), hour]),
            Field::json("wait"),
            Field::json_deficit("need", "have", "rate"),
            Field::after("retry in "),
            Field::midnight("PerDay", "PST8PDT,M3.2.0,M11.1.0"),
        ] {
            let json = serde_json::to_string(&field).unwrap();
            assert_eq!(
                serde_json::from_str::<Field>(&json).unwrap(),
                field,
                "{json}"
            );
        }
    }

    #[test]
    fn what_is_no_place_is_an_error() {
        for (json, words) in [
            (r#"{}"#, "one place"),
            (r#"{"unit":"seconds"}"#, "one place"),
            (r#"{"json":"a","after":"b"}"#, "one place"),
            (r#"{"header":"x wait"}"#, "the name of a header"),
            (r#"{"json":"a","unit":"weeks"}"#, "unknown variant `weeks`"),
            (
                r#"{"midnight":{"phrase":"a","zone":"Europe/Paris"}}"#,
                "the rule of a zone",
            ),
            (r#"{"header_json":{"name":"x"}}"#, "missing field `path`"),
            (r#"{"body":"a"}"#, "unknown field `body`"),
        ] {
            let error = serde_json::from_str::<Field>(json).expect_err(json);
            assert!(error.to_string().contains(words), "{json}: {error}");
        }
    }
}
