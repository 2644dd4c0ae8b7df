//! A provider as a config file writes it (feature `serde`).

use std::borrow::Cow;
use std::mem::take;
use std::time::Duration;

use http::{HeaderName, StatusCode};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Provider;
use super::body_rules::CodesOn;
use super::waits::Waits;
use crate::gate::Quota;
use crate::hint::{Field, Unit, WrittenUsage};
use crate::policy::PartialQuota;
use crate::written::{
    WrittenDuration, WrittenHeader, WrittenStatus, is_off, read_durations, read_statuses,
    write_statuses,
};

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

fn write_header(name: Option<&HeaderName>) -> Option<WrittenHeader> {
    name.cloned().map(WrittenHeader)
}

/// The statuses that mean a block, those of the same length together.
fn write_blocks(throttled: &[(StatusCode, Duration)]) -> Vec<WrittenBlock> {
    let alike = throttled.chunk_by(|one, next| one.1 == next.1);
    let write = |block: &[(StatusCode, Duration)]| WrittenBlock {
        statuses: block
            .iter()
            .map(|(status, _)| WrittenStatus(*status))
            .collect(),
        lasting: WrittenDuration(block[0].1),
    };
    alike.map(write).collect()
}

fn write_codes(codes: &[CodesOn]) -> Vec<WrittenCodes> {
    let write = |on: &CodesOn| WrittenCodes {
        statuses: write_statuses(&on.statuses),
        codes: on.codes.clone(),
    };
    codes.iter().map(write).collect()
}

fn write_phrases(phrases: &[(WrittenText, Option<Duration>)]) -> Vec<WrittenPhrase> {
    let write = |(phrase, lasting): &(WrittenText, Option<Duration>)| WrittenPhrase {
        phrase: phrase.clone(),
        lasting: lasting.map(WrittenDuration),
    };
    phrases.iter().map(write).collect()
}

impl From<&Provider> for WrittenProvider {
    fn from(provider: &Provider) -> Self {
        let Provider {
            name,
            page,
            statuses,
            body_rules,
            limits,
            counting,
            waits,
        } = provider;
        let should_retry = statuses.should_retry.as_ref();
        let buckets = counting.buckets.as_ref();
        let credentials = counting.credentials.iter().cloned();
        let units = waits.rules.units.iter();
        let usual = Waits::default().bare;
        Self {
            name: name.clone(),
            page: page.clone(),
            retry_on: statuses.retried.as_deref().map(write_statuses),
            add_retry_on: write_statuses(&statuses.also_retried),
            retry_any_method: write_statuses(&statuses.any_method),
            unprocessed_on: write_statuses(&statuses.unprocessed),
            final_on: write_statuses(&statuses.final_for_good),
            throttled_on: write_blocks(&statuses.throttled),
            should_retry_header: write_header(should_retry.map(|stated| &stated.header)),
            should_retry_any_method: should_retry.is_some_and(|stated| stated.any_method),
            idempotent_paths: statuses.idempotent_paths.clone(),
            never_after_broken_connection: statuses.never_after_broken_connection,
            final_codes: body_rules.final_codes.clone(),
            final_codes_on: write_codes(&body_rules.final_codes_on),
            throttled_codes: body_rules.throttled_codes.clone(),
            throttled_codes_on: write_codes(&body_rules.throttled_codes_on),
            retried_codes: body_rules.retried_codes.clone(),
            retried_codes_on: write_codes(&body_rules.retried_codes_on),
            codes_at: body_rules.code_paths.clone(),
            final_when_body_contains: body_rules.final_phrases.clone(),
            throttled_when_body_contains: write_phrases(&body_rules.throttled_phrases),
            inspect_bodies_of: write_statuses(&body_rules.inspected),
            quotas: limits.caps.clone(),
            plans: limits.plans.clone(),
            partial_quotas: limits.partial.clone(),
            cold_start: limits.cold_start,
            per_credential: credentials.map(WrittenHeader).collect(),
            shared_across_hosts: counting.shared_across_hosts,
            per_path_segment: counting.path_segment,
            per_path_part: counting.path_parts.clone(),
            buckets_in: write_header(buckets.map(|buckets| &buckets.name)),
            buckets_per_resource: buckets.is_some_and(|buckets| buckets.per_resource),
            global_limit_header: write_header(buckets.and_then(|buckets| buckets.global.as_ref())),
            bare_429_wait: (waits.bare != usual).then_some(WrittenDuration(waits.bare)),
            header_units: units
                .map(|(header, unit)| WrittenUnit {
                    header: WrittenHeader(header.clone()),
                    unit: *unit,
                })
                .collect(),
            wait_from: waits.rules.fields.clone(),
            retry_after_rounded_down: waits.rules.retry_after_rounded_down,
            usage_from: waits.rules.usages.iter().filter_map(Field::usage).collect(),
            pause_from: waits.pauses.clone(),
            attempt_header: write_header(waits.attempt_header.as_ref()),
        }
    }
}

/// What a file must not say, since a setter would panic, or would undo what another one said.
fn check(written: &WrittenProvider) -> Result<(), &'static str> {
    let is_zero = |wait: Option<WrittenDuration>| wait.is_some_and(|wait| wait.0.is_zero());
    let blocks = written.throttled_on.iter();
    let phrases = written.throttled_when_body_contains.iter();
    let mut lengths = blocks
        .map(|block| Some(block.lasting))
        .chain(phrases.map(|p| p.lasting));
    let details_of_buckets = written.buckets_per_resource || written.global_limit_header.is_some();
    Err(if is_zero(written.bare_429_wait) {
        "bare_429_wait is above zero: write the provider's window, or leave the default of 60 s"
    } else if lengths.any(is_zero) {
        "a block lasts longer than zero: write how long the page says"
    } else if written.cold_start == Some(0) {
        "a cold start of zero never starts: write cold_start = 1"
    } else if written.should_retry_any_method && written.should_retry_header.is_none() {
        "should_retry_any_method needs a should_retry_header"
    } else if details_of_buckets && written.buckets_in.is_none() {
        "buckets_per_resource and global_limit_header need buckets_in"
    } else if !written.quotas.is_empty() && !written.plans.is_empty() {
        "a provider has quotas, which are caps, or plans, which the server corrects, not both"
    } else {
        return Ok(());
    })
}

impl TryFrom<WrittenProvider> for Provider {
    type Error = &'static str;

    fn try_from(mut written: WrittenProvider) -> Result<Self, &'static str> {
        check(&written)?;
        let provider = Self::new(take(&mut written.name));
        let provider = written.page.take().into_iter().fold(provider, Self::page);
        let provider = written.say_statuses(provider);
        let provider = written.say_codes(provider);
        let provider = written.say_limits(provider);
        let provider = written.say_scopes(provider);
        Ok(written.say_waits(provider))
    }
}

/// Says a fact if a switch is on.
fn say_if(switch: bool, provider: Provider, setter: fn(Provider) -> Provider) -> Provider {
    if switch { setter(provider) } else { provider }
}

/// Says a fact once for each item.
fn say_each<I>(
    items: impl IntoIterator<Item = I>,
    provider: Provider,
    setter: impl Fn(Provider, I) -> Provider,
) -> Provider {
    items.into_iter().fold(provider, setter)
}

/// The setters, called with what the keys of their names say.
impl WrittenProvider {
    fn say_statuses(&mut self, provider: Provider) -> Provider {
        let statuses = |written: &mut Vec<WrittenStatus>| read_statuses(take(written));
        let retried = self.retry_on.take().map(read_statuses);
        let header = self.should_retry_header.take().map(|header| header.0);
        let provider = say_each(retried, provider, Provider::retry_on);
        let provider = provider
            .add_retry_on(statuses(&mut self.add_retry_on))
            .retry_any_method(statuses(&mut self.retry_any_method))
            .unprocessed_on(statuses(&mut self.unprocessed_on))
            .final_on(statuses(&mut self.final_on))
            .idempotent_paths(take(&mut self.idempotent_paths));
        let provider = say_each(take(&mut self.throttled_on), provider, |provider, block| {
            provider.add_throttled_on(read_statuses(block.statuses), block.lasting.0)
        });
        let provider = say_each(header, provider, Provider::should_retry_header);
        let any_method = self.should_retry_any_method;
        let provider = say_if(any_method, provider, Provider::should_retry_any_method);
        let never = self.never_after_broken_connection;
        say_if(never, provider, Provider::never_after_broken_connection)
    }

    fn say_codes(&mut self, provider: Provider) -> Provider {
        let provider = provider
            .final_codes(take(&mut self.final_codes))
            .throttled_codes(take(&mut self.throttled_codes))
            .retried_codes(take(&mut self.retried_codes))
            .codes_at(take(&mut self.codes_at))
            .inspect_bodies_of(read_statuses(take(&mut self.inspect_bodies_of)));
        let provider = say_each(take(&mut self.final_codes_on), provider, |provider, on| {
            provider.add_final_codes_on(read_statuses(on.statuses), on.codes)
        });
        let provider = say_each(
            take(&mut self.throttled_codes_on),
            provider,
            |provider, on| provider.add_throttled_codes_on(read_statuses(on.statuses), on.codes),
        );
        let provider = say_each(
            take(&mut self.retried_codes_on),
            provider,
            |provider, on| provider.add_retried_codes_on(read_statuses(on.statuses), on.codes),
        );
        let phrases = take(&mut self.final_when_body_contains);
        let provider = say_each(phrases, provider, Provider::add_final_when_body_contains);
        let phrases = take(&mut self.throttled_when_body_contains);
        say_each(phrases, provider, |provider, said| match said.lasting {
            Some(lasting) => provider.add_throttled_for_when_body_contains(said.phrase, lasting.0),
            None => provider.add_throttled_when_body_contains(said.phrase),
        })
    }

    fn say_limits(&mut self, mut provider: Provider) -> Provider {
        if !self.quotas.is_empty() {
            provider = provider.quotas(take(&mut self.quotas));
        } else if !self.plans.is_empty() {
            provider = provider.plans(take(&mut self.plans));
        }
        let partial = take(&mut self.partial_quotas);
        let provider = say_each(partial, provider, Provider::add_partial_quota);
        say_each(self.cold_start, provider, Provider::cold_start)
    }

    fn say_scopes(&mut self, provider: Provider) -> Provider {
        let credentials = take(&mut self.per_credential);
        let buckets = self.buckets_in.take().map(|name| name.0);
        let global = self.global_limit_header.take().map(|name| name.0);
        let provider = provider
            .per_credential(credentials.into_iter().map(|name| name.0))
            .per_path_part(take(&mut self.per_path_part));
        let shared = self.shared_across_hosts;
        let provider = say_if(shared, provider, Provider::shared_across_hosts);
        let segment = self.per_path_segment;
        let provider = say_each(segment, provider, Provider::per_path_segment);
        let provider = say_each(buckets, provider, Provider::buckets_in);
        let per_resource = self.buckets_per_resource;
        let provider = say_if(per_resource, provider, Provider::buckets_per_resource);
        say_each(global, provider, Provider::global_limit_header)
    }

    fn say_waits(&mut self, provider: Provider) -> Provider {
        let bare = self.bare_429_wait.map(|wait| wait.0);
        let attempts = self.attempt_header.take().map(|name| name.0);
        let provider = say_each(bare, provider, Provider::bare_429_wait);
        let provider = say_each(take(&mut self.header_units), provider, |provider, said| {
            provider.header_unit(said.header.0, said.unit)
        });
        let provider = say_each(take(&mut self.wait_from), provider, Provider::add_wait_from);
        let rounded_down = self.retry_after_rounded_down;
        let provider = say_if(rounded_down, provider, Provider::retry_after_rounded_down);
        let provider = say_each(take(&mut self.usage_from), provider, |provider, used| {
            provider.add_usage_from(used.usage.0, used.limit.0, read_durations(used.windows))
        });
        let provider = say_each(
            take(&mut self.pause_from),
            provider,
            Provider::add_pause_from,
        );
        say_each(attempts, provider, Provider::attempt_header)
    }
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
