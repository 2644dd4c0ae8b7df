//! A provider as a config file writes it (feature `serde`).

mod read;
mod write;

use std::borrow::Cow;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Provider;
use crate::gate::Quota;
use crate::hint::{Field, Unit, WrittenUsage};
use crate::policy::PartialQuota;
use crate::written::{WrittenDuration, WrittenHeader, WrittenStatus, is_off};

type WrittenText = Cow<'static, str>;

/// The keys of a provider, named after its setters.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename = "Provider")]
struct WrittenProvider {
    name: WrittenText,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    page: Option<WrittenText>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retry_on: Option<Vec<WrittenStatus>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    add_retry_on: Vec<WrittenStatus>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    retry_any_method: Vec<WrittenStatus>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    unprocessed_on: Vec<WrittenStatus>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    final_on: Vec<WrittenStatus>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    throttled_on: Vec<WrittenBlock>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    should_retry_header: Option<WrittenHeader>,
    #[serde(default, skip_serializing_if = "is_off")]
    should_retry_any_method: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    idempotent_paths: Vec<WrittenText>,
    #[serde(default, skip_serializing_if = "is_off")]
    never_after_broken_connection: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    final_codes: Vec<WrittenText>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    final_codes_on: Vec<WrittenCodes>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    throttled_codes: Vec<WrittenText>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    throttled_codes_on: Vec<WrittenCodes>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    retried_codes: Vec<WrittenText>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    retried_codes_on: Vec<WrittenCodes>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    codes_at: Vec<WrittenText>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    code_headers: Vec<WrittenHeader>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    final_when_body_contains: Vec<WrittenText>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    throttled_when_body_contains: Vec<WrittenPhrase>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    inspect_bodies_of: Vec<WrittenStatus>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    quotas: Vec<Quota>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    plans: Vec<Quota>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    partial_quotas: Vec<PartialQuota>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cold_start: Option<u32>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    per_credential: Vec<WrittenHeader>,
    #[serde(default, skip_serializing_if = "is_off")]
    shared_across_hosts: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    per_path_segment: Option<usize>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    per_path_part: Vec<WrittenText>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    buckets_in: Option<WrittenHeader>,
    #[serde(default, skip_serializing_if = "is_off")]
    buckets_per_resource: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    global_limit_header: Option<WrittenHeader>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bare_429_wait: Option<WrittenDuration>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    header_units: Vec<WrittenUnit>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    wait_from: Vec<Field>,
    #[serde(default, skip_serializing_if = "is_off")]
    retry_after_rounded_down: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    usage_from: Vec<WrittenUsage>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pause_from: Vec<Field>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    attempt_header: Option<WrittenHeader>,
}

/// Statuses that mean a block.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenBlock {
    statuses: Vec<WrittenStatus>,
    lasting: WrittenDuration,
}

/// Codes that mean something under some statuses only.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenCodes {
    statuses: Vec<WrittenStatus>,
    codes: Vec<WrittenText>,
}

/// A phrase of a refusal by a limit.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenPhrase {
    phrase: WrittenText,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lasting: Option<WrittenDuration>,
}

/// What the numbers of a header count.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenUnit {
    header: WrittenHeader,
    unit: Unit,
}

/// Feature `serde`: a table whose keys are the setters, such as `retry_on = [429, 503]`.
///
/// Only `name` is required. `docs/config.md` in the repository lists all keys.
///
/// ```
/// use std::time::Duration;
/// use tower_backoff::{Quota, policy::Provider};
///
/// let acme: Provider = toml::from_str(r#"
///     name = "acme"
///     add_retry_on = [409]
///     bare_429_wait = "30s"
///     quotas = [{ limit = 600, window = "1m" }]
/// "#)?;
/// let in_code = Provider::new("acme")
///     .add_retry_on([409])
///     .bare_429_wait(Duration::from_secs(30))
///     .quota(Quota::per_minute(600));
/// assert_eq!(acme, in_code);
/// # Ok::<(), toml::de::Error>(())
/// ```
impl<'de> Deserialize<'de> for Provider {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let written = WrittenProvider::deserialize(deserializer)?;
        written.try_into().map_err(D::Error::custom)
    }
}

/// Feature `serde`: keys that say nothing more than the default are left out.
impl Serialize for Provider {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        WrittenProvider::from(self).serialize(serializer)
    }
}
