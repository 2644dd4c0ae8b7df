//! From a provider to the keys.

use std::time::Duration;

use http::{HeaderName, StatusCode};

use super::super::body_rules::{BodyRules, Codes};
use super::super::buckets::Buckets;
use super::super::counting::ScopeRules;
use super::super::limits::QuotaRules;
use super::super::statuses::{Statuses, should_retry::ShouldRetry};
use super::super::waits::Waits;
use super::{WrittenBlock, WrittenCodes, WrittenPhrase, WrittenProvider, WrittenText, WrittenUnit};
use crate::hint::{Field, Rules, Unit};
use crate::policy::Provider;
use crate::written::{WrittenDuration, WrittenHeader, WrittenStatus, write_statuses};

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

fn write_codes(codes: &Codes) -> Vec<WrittenCodes> {
    let written = codes.on.iter().map(|on| WrittenCodes {
        statuses: write_statuses(&on.statuses),
        codes: on.codes.clone(),
    });
    written.collect()
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
        let mut written = Self {
            name: name.clone(),
            page: page.clone(),
            ..Self::default()
        };
        written.write_statuses(statuses);
        written.write_body_rules(body_rules);
        written.write_limits(limits);
        written.write_scopes(counting);
        written.write_waits(waits);
        written
    }
}

/// The facts, written to the keys of their setters. Each part is taken to pieces, so that no new fact is forgotten.
impl WrittenProvider {
    fn write_statuses(&mut self, statuses: &Statuses) {
        let Statuses {
            retried,
            also_retried,
            any_method,
            unprocessed,
            final_for_good,
            throttled,
            should_retry,
            idempotent_paths,
            never_after_broken_connection,
        } = statuses;
        self.retry_on = retried.as_deref().map(write_statuses);
        self.add_retry_on = write_statuses(also_retried);
        self.retry_any_method = write_statuses(any_method);
        self.unprocessed_on = write_statuses(unprocessed);
        self.final_on = write_statuses(final_for_good);
        self.throttled_on = write_blocks(throttled);
        if let Some(ShouldRetry { header, any_method }) = should_retry {
            self.should_retry_header = Some(WrittenHeader(header.clone()));
            self.should_retry_any_method = *any_method;
        }
        self.idempotent_paths.clone_from(idempotent_paths);
        self.never_after_broken_connection = *never_after_broken_connection;
    }

    fn write_body_rules(&mut self, body_rules: &BodyRules) {
        let BodyRules {
            final_codes,
            throttled_codes,
            retried_codes,
            code_paths,
            code_headers,
            final_phrases,
            throttled_phrases,
            inspected,
        } = body_rules;
        self.final_codes.clone_from(&final_codes.always);
        self.throttled_codes.clone_from(&throttled_codes.always);
        self.retried_codes.clone_from(&retried_codes.always);
        self.final_codes_on = write_codes(final_codes);
        self.throttled_codes_on = write_codes(throttled_codes);
        self.retried_codes_on = write_codes(retried_codes);
        self.codes_at.clone_from(code_paths);
        self.code_headers = code_headers.iter().cloned().map(WrittenHeader).collect();
        self.final_when_body_contains.clone_from(final_phrases);
        self.throttled_when_body_contains = write_phrases(throttled_phrases);
        self.inspect_bodies_of = write_statuses(inspected);
    }

    fn write_limits(&mut self, limits: &QuotaRules) {
        let QuotaRules {
            caps,
            plans,
            partial,
            cold_start,
        } = limits;
        self.quotas.clone_from(caps);
        self.plans.clone_from(plans);
        self.partial_quotas.clone_from(partial);
        self.cold_start = *cold_start;
    }

    fn write_scopes(&mut self, counting: &ScopeRules) {
        let ScopeRules {
            credentials,
            shared_across_hosts,
            path_segment,
            path_parts,
            buckets,
        } = counting;
        self.per_credential = credentials.iter().cloned().map(WrittenHeader).collect();
        self.shared_across_hosts = *shared_across_hosts;
        self.per_path_segment = *path_segment;
        self.per_path_part.clone_from(path_parts);
        if let Some(Buckets {
            name,
            per_resource,
            global,
        }) = buckets
        {
            self.buckets_in = Some(WrittenHeader(name.clone()));
            self.buckets_per_resource = *per_resource;
            self.global_limit_header = global.clone().map(WrittenHeader);
        }
    }

    fn write_waits(&mut self, waits: &Waits) {
        let Waits {
            bare,
            rules,
            pauses,
            attempt_header,
        } = waits;
        let Rules {
            units,
            fields,
            usages,
            retry_after_rounded_down,
        } = rules;
        let is_usual = *bare == Waits::default().bare;
        self.bare_429_wait = (!is_usual).then_some(WrittenDuration(*bare));
        let unit = |(header, unit): &(HeaderName, Unit)| WrittenUnit {
            header: WrittenHeader(header.clone()),
            unit: *unit,
        };
        self.header_units = units.iter().map(unit).collect();
        self.wait_from.clone_from(fields);
        self.retry_after_rounded_down = *retry_after_rounded_down;
        self.usage_from = usages.iter().filter_map(Field::usage).collect();
        self.pause_from.clone_from(pauses);
        self.attempt_header = attempt_header.clone().map(WrittenHeader);
    }
}
