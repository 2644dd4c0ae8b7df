//! From the keys to a provider.

use std::mem::take;

use http::StatusCode;

use super::{WrittenCodes, WrittenProvider, WrittenText};
use crate::policy::Provider;
use crate::written::{WrittenDuration, WrittenStatus, read_durations, read_statuses};

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

/// Says which codes mean something under which statuses.
fn say_on(
    codes: Vec<WrittenCodes>,
    provider: Provider,
    setter: fn(Provider, Vec<StatusCode>, Vec<WrittenText>) -> Provider,
) -> Provider {
    say_each(codes, provider, |provider, on| {
        setter(provider, read_statuses(on.statuses), on.codes)
    })
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
        let code_headers = take(&mut self.code_headers);
        let provider = provider
            .final_codes(take(&mut self.final_codes))
            .throttled_codes(take(&mut self.throttled_codes))
            .retried_codes(take(&mut self.retried_codes))
            .codes_at(take(&mut self.codes_at))
            .code_headers(code_headers.into_iter().map(|name| name.0))
            .inspect_bodies_of(read_statuses(take(&mut self.inspect_bodies_of)));
        let on = take(&mut self.final_codes_on);
        let provider = say_on(on, provider, Provider::add_final_codes_on);
        let on = take(&mut self.throttled_codes_on);
        let provider = say_on(on, provider, Provider::add_throttled_codes_on);
        let on = take(&mut self.retried_codes_on);
        let provider = say_on(on, provider, Provider::add_retried_codes_on);
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
