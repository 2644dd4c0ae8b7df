//! A partial quota as a config file writes it (feature `serde`).

use std::borrow::Cow;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Counted, PartialQuota};
use crate::gate::Quota;
use crate::written::{WrittenStatus, is_off, read_statuses, write_statuses};

/// The keys of a partial quota: what it counts, and how much of that is allowed.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename = "PartialQuota")]
struct WrittenPartialQuota {
    #[serde(default, skip_serializing_if = "is_off")]
    writes: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    statuses: Option<Vec<WrittenStatus>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    costs: Option<Cow<'static, str>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    quotas: Vec<Quota>,
}

impl From<&PartialQuota> for WrittenPartialQuota {
    fn from(partial: &PartialQuota) -> Self {
        let quotas = partial.quotas.clone();
        let mut written = Self {
            quotas,
            ..Self::default()
        };
        match &partial.counts {
            Counted::Writes => written.writes = true,
            Counted::Statuses(statuses) => written.statuses = Some(write_statuses(statuses)),
            Counted::Costs(name) => written.costs = Some(name.clone()),
        }
        written
    }
}

impl TryFrom<WrittenPartialQuota> for PartialQuota {
    type Error = &'static str;

    fn try_from(written: WrittenPartialQuota) -> Result<Self, &'static str> {
        let [first, others @ ..] = &written.quotas[..] else {
            return match (written.writes, written.statuses, written.costs) {
                (false, None, Some(name)) if !name.is_empty() => Ok(Self::of_published_costs(name)),
                _ => Err(
                    "a partial quota needs quotas, unless it counts costs that a server publishes",
                ),
            };
        };
        if written.quotas.iter().any(|quota| quota.window().is_none()) {
            return Err("a partial quota needs a window");
        }
        let mut partial = match (written.writes, written.statuses, written.costs) {
            (true, None, None) => Self::of_writes(*first),
            (false, Some(statuses), None) if !statuses.is_empty() => {
                Self::of_statuses(read_statuses(statuses), *first)
            }
            (false, None, Some(name)) if !name.is_empty() => Self::of_costs(name, *first),
            _ => return Err("a partial quota counts writes, some statuses or costs with a name"),
        };
        partial.quotas.extend(others);
        Ok(partial)
    }
}

/// Feature `serde`: a table with one of `writes = true`, `statuses = [..]` and `costs = "name"`, and with `quotas`.
///
/// Without `quotas` it stands for costs that the server [publishes](PartialQuota::of_published_costs).
///
/// ```
/// use tower_backoff::{Quota, policy::PartialQuota};
///
/// let writes: PartialQuota = toml::from_str(r#"
///     writes = true
///     quotas = [{ limit = 1, window = "1s" }]
/// "#)?;
/// assert_eq!(writes, PartialQuota::of_writes(Quota::per_second(1)));
/// # Ok::<(), toml::de::Error>(())
/// ```
impl<'de> Deserialize<'de> for PartialQuota {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let written = WrittenPartialQuota::deserialize(deserializer)?;
        written.try_into().map_err(D::Error::custom)
    }
}

/// Feature `serde`: the same keys.
impl Serialize for PartialQuota {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        WrittenPartialQuota::from(self).serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_partial_quota_is_read_as_it_was_written() {
        let mut two = PartialQuota::of_writes(Quota::per_second(1));
        assert!(two.join(&PartialQuota::of_writes(Quota::per_hour(99))));
        for partial in [
            two,
            PartialQuota::of_statuses([401, 403], Quota::per_minute(5)),
            PartialQuota::of_costs("tokens", Quota::per_minute(9_000).burst(100)),
            PartialQuota::of_published_costs("tokens"),
        ] {
            let json = serde_json::to_string(&partial).unwrap();
            let read: PartialQuota = serde_json::from_str(&json).unwrap();
            assert_eq!(read, partial, "{json}");
        }
    }

    #[test]
    fn what_is_no_partial_quota_is_an_error() {
        for (json, words) in [
            (r#"{}"#, "needs quotas"),
            (r#"{"writes":true}"#, "needs quotas"),
            (r#"{"costs":""}"#, "needs quotas"),
            (r#"{"quotas":[{"limit":1,"window":1}]}"#, "counts writes"),
            (
                r#"{"costs":"","quotas":[{"limit":1,"window":1}]}"#,
                "counts writes",
            ),
            (
                r#"{"statuses":[],"quotas":[{"limit":1,"window":1}]}"#,
                "counts writes",
            ),
            (
                r#"{"writes":true,"costs":"a","quotas":[{"limit":1,"window":1}]}"#,
                "counts writes",
            ),
            (
                r#"{"writes":true,"quotas":[{"concurrent":1}]}"#,
                "needs a window",
            ),
            (
                r#"{"writes":true,"quotas":[{"limit":0,"window":1}]}"#,
                "a quota of zero",
            ),
        ] {
            let error = serde_json::from_str::<PartialQuota>(json).expect_err(json);
            assert!(error.to_string().contains(words), "{json}: {error}");
        }
    }
}
