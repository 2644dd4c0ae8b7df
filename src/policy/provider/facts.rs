//! The facts that a provider states, for people to read.

use std::fmt::Display;
use std::time::Duration;

use http::StatusCode;

use super::Provider;
use super::body_rules::Codes;
use crate::gate::Quota;

impl Provider {
    /// The facts that this provider states, in words, a line for each kind.
    ///
    /// A kind without a fact is an empty line, or the default.
    ///
    /// ```
    /// use tower_backoff::providers;
    ///
    /// let facts = providers::wolfeo().facts();
    /// assert!(facts.contains(&("quota", "600 per min".to_owned())));
    /// ```
    pub fn facts(&self) -> Vec<(&'static str, String)> {
        vec![
            ("page", self.page.as_deref().unwrap_or_default().to_owned()),
            ("sent again", self.sent_again()),
            ("bare wait", spoken(self.waits.bare)),
            ("quota", self.allows()),
            ("counted per", self.counted_per()),
            ("final", self.what_is_final()),
            ("peculiarities", self.peculiarities()),
        ]
    }

    fn sent_again(&self) -> String {
        let mut said = vec![match &self.statuses.retried {
            Some(retried) => statuses(retried),
            None => "the usual".to_owned(),
        }];
        push(&mut said, "also ", statuses(&self.statuses.also_retried));
        let any_method = statuses(
            self.statuses
                .unprocessed
                .iter()
                .chain(&self.statuses.any_method),
        );
        push(&mut said, "any method: ", any_method);
        push_codes(&mut said, "by code: ", &self.body_rules.retried_codes);
        if self.statuses.never_after_broken_connection {
            said.push("never after a broken connection".to_owned());
        }
        let paths = quoted(&self.statuses.idempotent_paths);
        push(&mut said, "a POST like a GET to ", paths);
        if let Some(stated) = &self.statuses.should_retry {
            let methods = if stated.any_method {
                " for any method"
            } else {
                ""
            };
            said.push(format!("as `{}` says{methods}", stated.header));
        }
        said.join("; ")
    }

    fn allows(&self) -> String {
        let plans = self.limits.plans.iter().map(allowed);
        let caps = self
            .limits
            .caps
            .iter()
            .map(|cap| format!("at most {}", allowed(cap)));
        let partial = self.limits.partial.iter().map(|partial| {
            let (counted, quotas) = partial.words();
            let allowed: Vec<_> = quotas.iter().map(allowed).collect();
            let allowed = match allowed.is_empty() {
                true => "as published".to_owned(),
                false => allowed.join(" and "),
            };
            format!("{allowed} ({counted})")
        });
        listed(plans.chain(caps).chain(partial))
    }

    fn counted_per(&self) -> String {
        let place = if self.counting.shared_across_hosts {
            "provider"
        } else {
            "host"
        };
        let mut said = vec![place.to_owned()];
        let headers = self
            .counting
            .credentials
            .iter()
            .map(|name| format!("`{name}`"));
        push(&mut said, "", headers.collect::<Vec<_>>().join(" or "));
        if let Some(index) = self.counting.path_segment {
            said.push(format!("path segment {index}"));
        }
        push(&mut said, "paths with ", quoted(&self.counting.path_parts));
        if let Some(buckets) = &self.counting.buckets {
            let each = if buckets.per_resource {
                " and resource"
            } else {
                ""
            };
            said.push(format!("bucket in `{}`{each}", buckets.name));
        }
        said.join(", ")
    }

    fn what_is_final(&self) -> String {
        let mut said = Vec::new();
        push(&mut said, "", statuses(&self.statuses.final_for_good));
        push_codes(&mut said, "", &self.body_rules.final_codes);
        push(&mut said, "text: ", quoted(&self.body_rules.final_phrases));
        said.join("; ")
    }

    fn peculiarities(&self) -> String {
        let mut said = Vec::new();
        push_codes(&mut said, "limit: ", &self.body_rules.throttled_codes);
        for (status, lasting) in &self.statuses.throttled {
            said.push(format!("limit: {}, {}", status.as_str(), spoken(*lasting)));
        }
        for (phrase, lasting) in &self.body_rules.throttled_phrases {
            let lasting = lasting.map_or_else(String::new, |wait| format!(", {}", spoken(wait)));
            said.push(format!("limit: text `{phrase}`{lasting}"));
        }
        push(&mut said, "codes at ", quoted(&self.body_rules.code_paths));
        let code_headers = self.body_rules.code_headers.iter();
        let code_headers = code_headers.map(|name| format!("`{name}`"));
        push(
            &mut said,
            "codes in ",
            code_headers.collect::<Vec<_>>().join(", "),
        );
        push(
            &mut said,
            "inspects bodies of ",
            statuses(&self.body_rules.inspected),
        );
        push(&mut said, "wait: ", listed(&self.waits.rules.fields));
        push(&mut said, "used up: ", listed(&self.waits.rules.usages));
        push(&mut said, "pause: ", listed(&self.waits.pauses));
        for (header, unit) in &self.waits.rules.units {
            said.push(format!("`{header}` in {unit:?}"));
        }
        if self.waits.rules.retry_after_rounded_down {
            said.push("cuts seconds".to_owned());
        }
        if let Some(calls) = self.limits.cold_start {
            said.push(format!("begins with {calls} in flight"));
        }
        said.join("; ")
    }
}

fn push(said: &mut Vec<String>, what: &str, words: String) {
    if !words.is_empty() {
        said.push(format!("{what}{words}"));
    }
}

/// Codes with the statuses under which they count.
fn push_codes(said: &mut Vec<String>, what: &str, codes: &Codes) {
    push(said, what, quoted(&codes.always));
    for on in &codes.on {
        let under = statuses(&on.statuses);
        push(said, what, format!("{} under {under}", quoted(&on.codes)));
    }
}

fn listed(words: impl IntoIterator<Item = impl Display>) -> String {
    let words = words.into_iter().map(|word| word.to_string());
    words.collect::<Vec<_>>().join(", ")
}

/// Statuses without their reasons.
fn statuses<'a>(statuses: impl IntoIterator<Item = &'a StatusCode>) -> String {
    listed(statuses.into_iter().map(StatusCode::as_str))
}

fn quoted(words: impl IntoIterator<Item = impl Display>) -> String {
    listed(words.into_iter().map(|word| format!("`{word}`")))
}

fn allowed(quota: &Quota) -> String {
    let limit = quota.limit();
    match quota.window().map(spoken) {
        None => format!("{limit} at once"),
        Some(window) => match window.strip_prefix("1 ") {
            Some(unit) => format!("{limit} per {unit}"),
            None => format!("{limit} per {window}"),
        },
    }
}

/// A length of time in the largest unit that has no fraction.
fn spoken(span: Duration) -> String {
    let seconds = span.as_secs();
    let whole = [(86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")]
        .into_iter()
        .find(|(unit, _)| seconds > 0 && seconds % unit == 0 && span.subsec_nanos() == 0);
    match whole {
        Some((unit, name)) => format!("{} {name}", seconds / unit),
        None => format!("{span:?}"),
    }
}

#[cfg(test)]
mod tests {
    use http::header::{AUTHORIZATION, COOKIE, RETRY_AFTER};

    use super::*;
    use crate::hint::{Field, Unit};
    use crate::policy::PartialQuota;

    #[track_caller]
    fn says(provider: &Provider, about: &str, expected: &str) {
        let facts = provider.facts();
        let line = facts.iter().find(|(kind, _)| *kind == about);
        assert_eq!(line.expect("a kind of fact").1, expected);
    }

    #[test]
    fn nothing_said_is_nothing_told() {
        let nothing = Provider::new("test");
        says(&nothing, "page", "");
        says(&nothing, "sent again", "the usual");
        says(&nothing, "bare wait", "1 min");
        says(&nothing, "quota", "");
        says(&nothing, "counted per", "host");
        says(&nothing, "final", "");
        says(&nothing, "peculiarities", "");
    }

    #[test]
    fn every_word_is_told() {
        let provider = Provider::new("test")
            .page("https://api.test/limits")
            .retry_on([429, 500])
            .unprocessed_on([503])
            .never_after_broken_connection()
            .retried_codes(["LOCKED"])
            .idempotent_paths(["search"])
            .add_retried_codes_on([409], ["IN_USE"])
            .should_retry_header(http::HeaderName::from_static("x-should-retry"))
            .should_retry_any_method()
            .bare_429_wait(Duration::from_millis(1_500))
            .quotas([
                Quota::concurrent(10),
                Quota::per_hour(5),
                Quota::new(20, Duration::from_secs(2)),
            ])
            .shared_across_hosts()
            .per_credential([COOKIE, AUTHORIZATION])
            .per_path_segment(1)
            .per_path_part(["/api/"])
            .buckets_in(http::HeaderName::from_static("x-bucket"))
            .buckets_per_resource()
            .final_on([400])
            .final_codes(["BROKE"])
            .add_final_codes_on([403, 404], ["LIMIT", "PLAN"])
            .final_when_body_contains("no more");
        says(&provider, "page", "https://api.test/limits");
        says(
            &provider,
            "sent again",
            "429, 500; any method: 503; by code: `LOCKED`; by code: `IN_USE` under 409; never after a broken connection; \
             a POST like a GET to `search`; as `x-should-retry` says for any method",
        );
        let beside = Provider::new("test").add_retry_on([409]);
        says(&beside, "sent again", "the usual; also 409");
        says(&provider, "bare wait", "1.5s");
        says(
            &provider,
            "quota",
            "at most 10 at once, at most 5 per h, at most 20 per 2 s",
        );
        let planned = Provider::new("acme").plan(Quota::per_hour(5));
        says(&planned, "quota", "5 per h");
        let partial = planned
            .partial_quota(PartialQuota::of_writes(Quota::per_second(1)))
            .add_partial_quota(PartialQuota::of_statuses([401, 403], Quota::per_day(9)));
        let expected = "5 per h, 1 per s (only writes), 9 per d (only 401, 403)";
        says(&partial, "quota", expected);
        says(
            &provider,
            "counted per",
            "provider, `cookie` or `authorization`, path segment 1, \
             paths with `/api/`, bucket in `x-bucket` and resource",
        );
        says(
            &provider,
            "final",
            "400; `BROKE`; `LIMIT`, `PLAN` under 403, 404; text: `no more`",
        );
    }

    #[test]
    fn every_peculiarity_is_told() {
        let provider = Provider::new("test")
            .throttled_codes(["SLOW"])
            .add_throttled_codes_on([400], ["BUSY"])
            .throttled_on([418], Duration::from_secs(120))
            .throttled_when_body_contains("slow down")
            .add_throttled_for_when_body_contains("blocked", Duration::from_secs(300))
            .codes_at(["error.code"])
            .code_headers(["x-code"])
            .inspect_bodies_of([200])
            .wait_from(Field::json("wait"))
            .usage_from("x-usage", "x-limit", [Duration::from_secs(60)])
            .pause_from(Field::header("x-pause"))
            .header_unit(RETRY_AFTER, Unit::Millis)
            .retry_after_rounded_down()
            .cold_start(1);
        says(
            &provider,
            "peculiarities",
            "limit: `SLOW`; limit: `BUSY` under 400; limit: 418, 2 min; limit: text `slow down`; limit: text `blocked`, 5 min; \
             codes at `error.code`; codes in `x-code`; inspects bodies of 200; wait: `wait` in the body; \
             used up: the next window when `x-usage` is up to `x-limit`; pause: `x-pause`; \
             `retry-after` in Millis; cuts seconds; begins with 1 in flight",
        );
    }
}
