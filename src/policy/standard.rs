//! The standard verdict, with a provider's words worked in.

use std::time::Duration;

use http::header::CONNECTION;
use http::{HeaderMap, StatusCode};

use super::{Attempt, Provider, Verdict};
use crate::hint::{self, Head, HeaderScan, Reading};

/// A 5xx counts as a 500 if it is not known (RFC 9110, 15), except these, which another try does not mend.
const NOT_RETRIED: [u16; 7] = [501, 505, 506, 507, 508, 510, 511];

/// About this call alone, so that the wait they name holds no other.
const OF_ONE_CALL: [u16; 5] = [408, 409, 413, 423, 425];

/// Final by themselves, refusals by a limit when a header names a wait: quotas under 402 and 403,
/// bans under 418, and what came before 429 was agreed on.
const LIMITS_WHEN_HINTED: [u16; 5] = [402, 403, 418, 420, 430];

pub(super) fn judge(provider: &Provider, attempt: &Attempt<'_>) -> Verdict {
    let Some(headers) = attempt.headers() else {
        return judge_failure(attempt);
    };
    let served = attempt.status().is_some_and(|status| status.as_u16() < 400);
    let plainly = served && attempt.body().is_none() && !provider.names_served;
    let scan = HeaderScan::of(headers);
    let received = || attempt.received();
    let counter = provider.rules.remaining(headers, &scan, received);
    let verdict = if plainly && !scan.may_be_exhausted() {
        Verdict::accept()
    } else {
        ruling(provider, attempt, &scan)
    };
    let verdict = verdict.with_counter(counter);
    match &provider.buckets {
        Some(buckets) => buckets.note(verdict, headers, &scan),
        None => verdict,
    }
}

fn ruling(provider: &Provider, attempt: &Attempt<'_>, scan: &HeaderScan<'_>) -> Verdict {
    let Some((status, headers)) = attempt.status().zip(attempt.headers()) else {
        return judge_failure(attempt);
    };
    let told = body_says(provider, status, attempt.body()).or_block(provider.block_of(status));
    let said = header_says(provider, status, headers);
    let is_final = provider.final_statuses.contains(&status.as_u16());
    let limited = status == StatusCode::TOO_MANY_REQUESTS;
    if told == BodySays::Final || is_final || (said == Some(false) && !limited) {
        return Verdict::refuse();
    }
    let named = said.or_else(|| retries(provider, status));
    let retried = named.or_else(|| is_retried(attempt, status));
    let told = match told {
        BodySays::OnlyThisCall if said == Some(false) => BodySays::Nothing,
        told => told,
    };
    let alone = told == BodySays::OnlyThisCall;
    let throttled = !alone && (limited || told != BodySays::Nothing);
    let served = !alone && !throttled && retried != Some(true) && status.as_u16() < 400;
    let pauses = !provider.pauses.is_empty() || !provider.rules.usages.is_empty();
    if served && !pauses && !scan.may_be_exhausted() {
        return Verdict::accept();
    }
    let head = Head {
        status,
        headers,
        received: attempt.received(),
        refused: (alone || throttled || retried == Some(true)).then_some(true),
    };
    if served {
        let places = &provider.pauses;
        if let Some(pause) = provider.rules.pause(places, head, attempt.body()) {
            return Verdict::accept().close_gate_for(pause);
        }
    }
    let wait = match provider.rules.read(head, attempt.body()) {
        Reading::Never(_) if throttled || status.as_u16() >= 400 => {
            return Verdict::refuse()
                .close_gate()
                .bare_wait(told.bare_wait(provider));
        }
        Reading::Never(_) => None,
        Reading::Wait(hint) => Some(hint),
        Reading::Nothing => None,
    };
    let verdict = if alone {
        Verdict::retry()
    } else if throttled {
        throttle(provider, retried, told)
    } else {
        match kind_of(status, retried, wait.is_some()) {
            Kind::Served => Verdict::accept(),
            Kind::Limit => Verdict::throttled(),
            Kind::Retried
                if was_not_done(status, headers, wait.is_some())
                    || may_resend(provider, attempt, status) =>
            {
                Verdict::retry()
            }
            Kind::Retried => Verdict::not_safe(),
            Kind::Down => Verdict::refuse(),
            // An answer about this request alone: the others wait only for an exhausted counter.
            Kind::Answer => return refuse_answer(provider, head),
        }
    };
    // A counter that is spent holds all, whatever the status.
    let of_one_call = OF_ONE_CALL.contains(&status.as_u16()) && !verdict.closes_gate();
    match wait {
        // A lock, say: the others need not wait for it.
        Some(hint) if alone => verdict.after(hint),
        Some(hint) if of_one_call && hint.kind() != hint::Kind::Reset => verdict.after(hint),
        Some(hint) => verdict.close_gate_for(hint),
        None => verdict,
    }
}

/// Whether the server says that it has not done the work, so that any method goes again.
///
/// RFC 9110, 15.5.9 (408: the request did not arrive, if the connection is closed; applications that took too long
/// answer 408, too) and 15.5.14 (413); RFC 8470, 5.2 (425).
fn was_not_done(status: StatusCode, headers: &HeaderMap, hinted: bool) -> bool {
    match status.as_u16() {
        408 => {
            let lines = headers.get_all(CONNECTION).into_iter();
            let mut words = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
            words.any(|word| word.trim_ascii().eq_ignore_ascii_case(b"close"))
        }
        413 => hinted,
        425 => true,
        _ => false,
    }
}

/// What is retried where the provider does not say; `None` leaves it to a wait that is named.
fn is_retried(attempt: &Attempt<'_>, status: StatusCode) -> Option<bool> {
    let code = status.as_u16();
    let retried = match code {
        408 | 425 => true,
        // The first request with this key is still at work.
        409 => attempt.request().headers().contains_key("idempotency-key"),
        _ => status.is_server_error() && !NOT_RETRIED.contains(&code),
    };
    retried.then_some(true)
}

/// Whether the head alone would send this again: only then can a body make it final.
pub(super) fn goes_again(provider: &Provider, attempt: &Attempt<'_>) -> bool {
    use super::Ruling::{Retry, Throttled};
    if let Some(verdict) = attempt.head_verdict() {
        return matches!(verdict.ruling(), Retry | Throttled);
    }
    let headers = attempt.headers();
    let scan = headers.map_or_else(HeaderScan::empty, HeaderScan::of);
    let ruling = ruling(provider, attempt, &scan).ruling();
    matches!(ruling, Retry | Throttled)
}

fn judge_failure(attempt: &Attempt<'_>) -> Verdict {
    if attempt.is_safe_to_resend() {
        Verdict::retry()
    } else {
        Verdict::not_safe()
    }
}

/// A refusal by a limit goes again unless the provider's list of statuses leaves 429 out.
fn throttle(provider: &Provider, retried: Option<bool>, told: BodySays) -> Verdict {
    let verdict = if retried == Some(false) && told == BodySays::Nothing {
        Verdict::refuse().close_gate()
    } else {
        Verdict::throttled()
    };
    verdict.bare_wait(told.bare_wait(provider))
}

fn refuse_answer(provider: &Provider, head: Head<'_>) -> Verdict {
    let served = Head {
        refused: Some(false),
        ..head
    };
    match provider.rules.read(served, None) {
        Reading::Wait(hint) => Verdict::refuse().close_gate_for(hint),
        Reading::Nothing | Reading::Never(_) => Verdict::refuse(),
    }
}

fn may_resend(provider: &Provider, attempt: &Attempt<'_>, status: StatusCode) -> bool {
    let status = status.as_u16();
    attempt.is_safe_to_resend()
        || provider.any_method.contains(&status)
        || provider.unprocessed.contains(&status)
}

/// What the provider itself answers to the question whether a refusal is worth another try.
fn header_says(provider: &Provider, status: StatusCode, headers: &HeaderMap) -> Option<bool> {
    let asked = provider
        .should_retry
        .as_ref()
        .filter(|_| status.as_u16() >= 400);
    match headers.get(asked?)?.as_bytes() {
        b"true" => Some(true),
        b"false" => Some(false),
        _ => None,
    }
}

/// What the provider's words say about a status; `None` if they do not mention it.
fn retries(provider: &Provider, status: StatusCode) -> Option<bool> {
    let status = status.as_u16();
    if provider.any_method.contains(&status) || provider.unprocessed.contains(&status) {
        return Some(true);
    }
    provider
        .retried
        .as_ref()
        .map(|listed| listed.contains(&status))
}

enum Kind {
    Served,
    Limit,
    Retried,
    Down,
    Answer,
}

fn kind_of(status: StatusCode, retried: Option<bool>, hinted: bool) -> Kind {
    let code = status.as_u16();
    let down = status.is_server_error();
    match retried {
        Some(true) if hinted && LIMITS_WHEN_HINTED.contains(&code) => Kind::Limit,
        Some(true) => Kind::Retried,
        None if hinted && code == 413 => Kind::Retried,
        None if hinted && LIMITS_WHEN_HINTED.contains(&code) => Kind::Limit,
        _ if down => Kind::Down,
        _ if status.is_client_error() => Kind::Answer,
        _ => Kind::Served,
    }
}

/// What the words and codes of the body say.
#[derive(Clone, Copy, PartialEq, Eq)]
enum BodySays {
    Nothing,
    Final,
    Throttled(Option<Duration>),
    /// Refused, and nobody else is concerned.
    OnlyThisCall,
}

impl BodySays {
    /// How long to wait where no wait is named.
    fn bare_wait(self, provider: &Provider) -> Duration {
        match self {
            BodySays::Throttled(Some(lasting)) => lasting,
            _ => provider.bare_wait,
        }
    }

    /// What is told of a status that by itself tells of a block.
    fn or_block(self, block: Option<Duration>) -> Self {
        match self {
            BodySays::Nothing if block.is_some() => BodySays::Throttled(block),
            BodySays::Throttled(lasting) => BodySays::Throttled(lasting.max(block)),
            told => told,
        }
    }
}

fn body_says(provider: &Provider, status: StatusCode, body: Option<&[u8]>) -> BodySays {
    let Some(body) = body else {
        return BodySays::Nothing;
    };
    if status.is_success() && !provider.looks_into(status) {
        return BodySays::Nothing;
    }
    if provider.says_final(body) || has_phrase(body, &provider.final_phrases) {
        return BodySays::Final;
    }
    let phrase = provider
        .throttled_phrases
        .iter()
        .find(|(phrase, _)| contains(body, phrase));
    match phrase {
        Some((_, lasting)) => BodySays::Throttled(*lasting),
        None if provider.says_alone(body) => BodySays::OnlyThisCall,
        None if provider.says_throttled(body) => BodySays::Throttled(None),
        None => BodySays::Nothing,
    }
}

pub(super) fn has_phrase(body: &[u8], phrases: &[std::borrow::Cow<'static, str>]) -> bool {
    phrases.iter().any(|phrase| contains(body, phrase))
}

/// Whether a phrase stands in a text, in either case.
pub(super) fn contains(body: &[u8], phrase: &str) -> bool {
    let phrase = phrase.as_bytes();
    !phrase.is_empty()
        && body
            .windows(phrase.len())
            .any(|window| window.eq_ignore_ascii_case(phrase))
}

#[cfg(test)]
mod tests;
