//! A quota as a config file writes it (feature `serde`).

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::quota::{Quota, Spread};
use crate::written::{WrittenDuration, is_off};

/// The keys of a quota, named after the setters of [`Quota`].
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename = "Quota")]
struct WrittenQuota {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    limit: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    window: Option<WrittenDuration>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    concurrent: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    burst: Option<u32>,
    #[serde(default, skip_serializing_if = "is_off")]
    paced: bool,
    #[serde(default, skip_serializing_if = "is_off")]
    per_call: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reserved_for_urgent: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    slack: Option<WrittenDuration>,
}

impl From<&Quota> for WrittenQuota {
    fn from(quota: &Quota) -> Self {
        let usual = Quota::per_second(1).slack;
        let window = quota.window();
        let limit = Some(quota.limit());
        Self {
            limit: limit.filter(|_| window.is_some()),
            window: window.map(WrittenDuration),
            concurrent: limit.filter(|_| window.is_none()),
            burst: match quota.spread() {
                Spread::Bursts(calls) => Some(calls),
                _ => None,
            },
            paced: quota.spread() == Spread::Evenly,
            per_call: quota.per_call && window.is_some(),
            reserved_for_urgent: Some(quota.for_urgent).filter(|calls| *calls > 0),
            slack: (quota.slack != usual).then_some(WrittenDuration(quota.slack)),
        }
    }
}

impl TryFrom<WrittenQuota> for Quota {
    type Error = &'static str;

    fn try_from(written: WrittenQuota) -> Result<Self, &'static str> {
        let mut quota = written.counted()?;
        let is_concurrent = quota.window().is_none();
        quota = match (written.burst, written.paced) {
            (None, false) => quota,
            _ if is_concurrent => {
                return Err("calls in flight have no window for a burst or a pace");
            }
            (Some(_), true) => return Err("a quota has a burst or is paced, not both"),
            (Some(0), false) => return Err("a burst of zero sends nothing: write burst = 1"),
            (Some(calls), false) => quota.burst(calls),
            (None, true) => quota.paced(),
        };
        if written.per_call {
            quota = quota.per_call();
        }
        match written.reserved_for_urgent {
            Some(calls) if calls >= quota.limit() => {
                return Err("a quota reserves less than its limit for urgent calls");
            }
            Some(calls) => quota = quota.reserved_for_urgent(calls),
            None => {}
        }
        Ok(written.slack.map_or(quota, |slack| quota.slack(slack.0)))
    }
}

impl WrittenQuota {
    /// How many, and in what window.
    fn counted(&self) -> Result<Quota, &'static str> {
        match (self.limit, self.window, self.concurrent) {
            (Some(0), ..) | (.., Some(0)) => Err("a quota of zero sends nothing"),
            (Some(_), Some(window), None) if window.0.is_zero() => {
                Err("a quota needs a window above zero")
            }
            (Some(limit), Some(window), None) => Ok(Quota::new(limit, window.0)),
            (None, None, Some(limit)) => Ok(Quota::concurrent(limit)),
            _ => Err("a quota is a limit and a window, or a number of concurrent calls"),
        }
    }
}

/// Feature `serde`: a table such as `{ limit = 600, window = "1m" }` or `{ concurrent = 5 }`.
///
/// The other keys are `burst`, `paced`, `per_call`, `reserved_for_urgent` and `slack`, each named after its setter.
///
/// ```
/// use tower_backoff::Quota;
///
/// let quota: Quota = toml::from_str(r#"
///     limit = 600
///     window = "1m"
///     burst = 20
/// "#)?;
/// assert_eq!(quota, Quota::per_minute(600).burst(20));
/// # Ok::<(), toml::de::Error>(())
/// ```
impl<'de> Deserialize<'de> for Quota {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let written = WrittenQuota::deserialize(deserializer)?;
        written.try_into().map_err(D::Error::custom)
    }
}

/// Feature `serde`: keys that say nothing more than the default are left out.
impl Serialize for Quota {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        WrittenQuota::from(self).serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn every_quota_is_read_as_it_was_written() {
        let hour = Quota::per_hour(100);
        for quota in [
            hour,
            hour.burst(5),
            hour.paced(),
            hour.per_call(),
            hour.reserved_for_urgent(10),
            hour.slack(Duration::ZERO),
            Quota::new(7, Duration::from_millis(1_500))
                .burst(2)
                .per_call(),
            Quota::concurrent(3),
            Quota::concurrent(3)
                .reserved_for_urgent(1)
                .slack(Duration::from_secs(1)),
        ] {
            let json = serde_json::to_string(&quota).unwrap();
            assert_eq!(
                serde_json::from_str::<Quota>(&json).unwrap(),
                quota,
                "{json}"
            );
        }
    }

    #[test]
    fn only_what_is_not_usual_is_written() {
        let json = |quota: Quota| serde_json::to_string(&quota).unwrap();
        assert_eq!(json(Quota::per_minute(9)), r#"{"limit":9,"window":"1m"}"#);
        assert_eq!(json(Quota::concurrent(9)), r#"{"concurrent":9}"#);
    }

    #[test]
    fn what_is_no_quota_is_an_error() {
        for (json, words) in [
            (r#"{"limit":0,"window":60}"#, "a quota of zero"),
            (r#"{"concurrent":0}"#, "a quota of zero"),
            (r#"{"limit":5,"window":"0s"}"#, "a window above zero"),
            (r#"{"limit":5}"#, "a limit and a window"),
            (r#"{"window":"1m"}"#, "a limit and a window"),
            (r#"{}"#, "a limit and a window"),
            (
                r#"{"limit":5,"window":1,"concurrent":2}"#,
                "a limit and a window",
            ),
            (r#"{"limit":5,"window":1,"burst":0}"#, "a burst of zero"),
            (
                r#"{"limit":5,"window":1,"burst":2,"paced":true}"#,
                "not both",
            ),
            (r#"{"concurrent":5,"paced":true}"#, "have no window"),
            (r#"{"concurrent":5,"burst":1}"#, "have no window"),
            (
                r#"{"limit":5,"window":1,"reserved_for_urgent":5}"#,
                "less than its limit",
            ),
            (r#"{"limit":-5,"window":1}"#, "invalid value"),
            (r#"{"limits":5,"window":1}"#, "unknown field `limits`"),
        ] {
            let error = serde_json::from_str::<Quota>(json).expect_err(json);
            assert!(error.to_string().contains(words), "{json}: {error}");
        }
    }
}
