//! The standard verdict, and what a provider changes in it.

use std::borrow::Cow;
use std::sync::LazyLock;

use http::header::CONNECTION;
use http::{HeaderMap, HeaderName, StatusCode};

use super::provider::{BodySays, Provider};
use super::{Attempt, PartialQuota, Policy, RequestHead, Route, Verdict};
use crate::failure;
use crate::gate::Quota;
use crate::hint::{Head, HeaderScan, Hint, Kind, Reading, Remaining};
use crate::scope::Scope;

/// The 5xx that another try does not mend; every other one counts as a 500 (RFC 9110, 15).
const NOT_RETRIED: [u16; 7] = [501, 505, 506, 507, 508, 510, 511];

/// Statuses about one call alone: the wait that they name holds no other call.
const OF_ONE_CALL: [u16; 5] = [408, 409, 413, 423, 425];

/// Statuses that are final by themselves, and refusals by a limit when a header names a wait.
///
/// They are quotas under 402 and 403, bans under 418, and what came before 429 was agreed on.
const LIMITS_WHEN_HINTED: [u16; 5] = [402, 403, 418, 420, 430];

impl Policy for Provider {
    fn judge(&self, attempt: &Attempt<'_>) -> Verdict {
        judge(self, attempt)
    }

    fn wants_body(&self, attempt: &Attempt<'_>) -> bool {
        let Some(status) = attempt.status() else {
            return false;
        };
        if !is_error(status) && !self.body_rules.inspects(status) {
            return false;
        }
        self.body_rules.may_retry_a_call()
            || self.waits.are_in_bodies()
            || (self.body_rules.may_end_a_call() && goes_again(self, attempt))
    }

    fn scope(&self, request: &RequestHead<'_>) -> Option<Scope> {
        self.counting.scope(&self.name, request)
    }

    fn accepts_success(&self, _: &RequestHead<'_>, headers: &HeaderMap) -> bool {
        let inspects = self.counting.buckets.is_some() || self.inspects_successes();
        !inspects && self.waits.accept_success(headers)
    }

    fn route(&self, request: &RequestHead<'_>) -> Option<Route> {
        let buckets = self.counting.buckets.as_ref();
        buckets.map(|buckets| buckets.route(request))
    }

    fn quotas(&self, _: &RequestHead<'_>) -> &[Quota] {
        &self.limits.caps
    }

    fn plans(&self, _: &RequestHead<'_>) -> &[Quota] {
        &self.limits.plans
    }

    fn partial_quotas(&self, _: &RequestHead<'_>) -> &[PartialQuota] {
        &self.limits.partial
    }

    fn cold_start(&self, _: &RequestHead<'_>) -> Option<u32> {
        self.limits.cold_start
    }

    fn attempt_header(&self, _: &RequestHead<'_>) -> Option<HeaderName> {
        self.waits.attempt_header.clone()
    }

    fn name(&self) -> &str {
        &self.name
    }
}

impl Attempt<'_> {
    /// The verdict of the standard policy, which knows no provider.
    pub fn standard(&self) -> Verdict {
        static STANDARD: LazyLock<Provider> = LazyLock::new(|| Provider::new("standard"));
        STANDARD.judge(self)
    }
}

fn is_error(status: StatusCode) -> bool {
    status.is_client_error() || status.is_server_error()
}

fn judge(provider: &Provider, attempt: &Attempt<'_>) -> Verdict {
    let Some(headers) = attempt.headers() else {
        return judge_failure(provider, attempt);
    };
    let served = attempt.status().is_some_and(|status| status.as_u16() < 400);
    let plainly = served && attempt.body().is_none() && !provider.names_successes();
    let scan = if served {
        HeaderScan::quick(headers)
    } else {
        HeaderScan::of(headers)
    };
    let counter = provider.waits.remaining(headers, &scan, attempt);
    let verdict = if plainly && !scan.may_be_exhausted() {
        Verdict::accept()
    } else {
        ruling(provider, attempt, &scan)
    };
    let verdict = verdict
        .with_counter(counter)
        .with_named_counters(named_counters(provider, attempt));
    match &provider.counting.buckets {
        Some(buckets) => buckets.assign(verdict, headers, &scan),
        None => verdict,
    }
}

/// What is left of the costs that have quotas of their own.
fn named_counters(
    provider: &Provider,
    attempt: &Attempt<'_>,
) -> Vec<(Cow<'static, str>, Remaining)> {
    let names = provider.limits.partial.iter();
    let names = names.filter_map(PartialQuota::named_cost);
    names
        .filter_map(|name| Some((name.clone(), provider.waits.remaining_of(name, attempt)?)))
        .collect()
}

fn ruling(provider: &Provider, attempt: &Attempt<'_>, scan: &HeaderScan<'_>) -> Verdict {
    let Some((status, headers)) = attempt.status().zip(attempt.headers()) else {
        return judge_failure(provider, attempt);
    };
    let Some(findings) = Findings::of(provider, attempt, status, headers) else {
        return Verdict::refuse();
    };
    let head = Head {
        status,
        headers,
        received: attempt.received(),
        refused: findings.is_refused().then_some(true),
    };
    if findings.subject == Subject::Success {
        if let Some(verdict) = judge_success(provider, attempt, head, scan) {
            return verdict;
        }
    }
    let is_error = findings.subject == Subject::Limit || status.as_u16() >= 400;
    let wait = match provider.waits.read(head, attempt.body()) {
        Reading::Never(_) if is_error => {
            let bare = findings.body_says.bare_wait(provider.waits.bare);
            return Verdict::refuse().close_gate().bare_wait(bare);
        }
        Reading::Wait(hint) => Some(hint),
        Reading::Never(_) | Reading::Nothing => None,
    };
    let verdict = match findings.subject {
        Subject::Success => Verdict::accept(),
        Subject::OnlyThisCall => Verdict::retry(),
        Subject::Limit => throttle(provider, findings),
        Subject::Status => match classify(status, findings.retried, wait.is_some()) {
            StatusKind::Success => Verdict::accept(),
            StatusKind::RateLimited => Verdict::throttled(),
            StatusKind::Retried
                if was_not_done(status, headers, wait.is_some())
                    || may_resend(provider, attempt, status, headers) =>
            {
                Verdict::retry()
            }
            StatusKind::Retried => Verdict::not_safe(),
            StatusKind::ServerError => Verdict::refuse(),
            // It is about this request alone: the others wait only for an exhausted counter.
            StatusKind::ClientError => return refuse_answer(provider, head),
        },
    };
    match wait {
        Some(hint) => wait_for(verdict, hint, findings.subject, status),
        None => verdict,
    }
}

/// What a response is about, before its wait is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Subject {
    Success,
    /// A refusal that concerns no other call.
    OnlyThisCall,
    /// A refusal by a limit, which concerns all calls.
    Limit,
    /// Whatever the status says.
    Status,
}

/// What the status, the headers that a provider names and the body say together.
#[derive(Clone, Copy)]
struct Findings {
    subject: Subject,
    body_says: BodySays,
    /// Whether the status is retried; `None` leaves it to a wait that is named.
    retried: Option<bool>,
    /// Whether the provider's own header forbids another try.
    forbidden: bool,
}

impl Findings {
    /// `None` if the response is final.
    fn of(
        provider: &Provider,
        attempt: &Attempt<'_>,
        status: StatusCode,
        headers: &HeaderMap,
    ) -> Option<Self> {
        let statuses = &provider.statuses;
        let body_says = provider.body_rules.read(status, headers, attempt.body());
        let body_says = body_says.or_throttled_for(statuses.throttled_for(status));
        let header_says = statuses.header_says(status, headers);
        let limited = status == StatusCode::TOO_MANY_REQUESTS;
        let final_by_header = header_says == Some(false) && !limited;
        if body_says == BodySays::Final || statuses.is_final(status) || final_by_header {
            return None;
        }
        let stated = header_says.or_else(|| statuses.should_retry(status));
        let retried = stated.or_else(|| is_retried(attempt, status));
        let body_says = match body_says {
            BodySays::OnlyThisCall if header_says == Some(false) => BodySays::Nothing,
            found => found,
        };
        let subject = match body_says {
            BodySays::OnlyThisCall => Subject::OnlyThisCall,
            BodySays::Throttled(_) => Subject::Limit,
            _ if limited => Subject::Limit,
            _ if retried != Some(true) && status.as_u16() < 400 => Subject::Success,
            _ => Subject::Status,
        };
        Some(Self {
            subject,
            body_says,
            retried,
            forbidden: header_says == Some(false),
        })
    }

    /// Whether it is a refusal whatever its wait may be.
    fn is_refused(self) -> bool {
        match self.subject {
            Subject::Success => false,
            Subject::OnlyThisCall | Subject::Limit => true,
            Subject::Status => self.retried == Some(true),
        }
    }
}

/// The verdict on a success that says nothing of an exhausted counter, or asks for a pause.
fn judge_success(
    provider: &Provider,
    attempt: &Attempt<'_>,
    head: Head<'_>,
    scan: &HeaderScan<'_>,
) -> Option<Verdict> {
    if !provider.waits.have_pauses() && !scan.may_be_exhausted() {
        return Some(Verdict::accept());
    }
    let pause = provider.waits.pause(head, attempt.body())?;
    Some(Verdict::accept().close_gate_for(pause))
}

/// Adds the wait that is named, for the call alone or for all.
fn wait_for(verdict: Verdict, hint: Hint, subject: Subject, status: StatusCode) -> Verdict {
    let of_one_call = OF_ONE_CALL.contains(&status.as_u16()) && !verdict.closes_gate();
    // A reset is that of an exhausted counter, which holds all calls whatever the status.
    if subject == Subject::OnlyThisCall || (of_one_call && hint.kind() != Kind::Reset) {
        verdict.after(hint)
    } else {
        verdict.close_gate_for(hint)
    }
}

/// Whether the response says that the work was not done, so that any method goes again.
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

/// Whether the standard policy retries a status; `None` leaves it to a wait that is named.
fn is_retried(attempt: &Attempt<'_>, status: StatusCode) -> Option<bool> {
    let code = status.as_u16();
    let retried = match code {
        408 | 425 => true,
        // The first request with this key is still at work.
        409 => attempt.request().has_idempotency_key(),
        _ => status.is_server_error() && !NOT_RETRIED.contains(&code),
    };
    retried.then_some(true)
}

/// Whether the head alone makes the call go again: only then can a body make it final.
fn goes_again(provider: &Provider, attempt: &Attempt<'_>) -> bool {
    use super::Ruling::{Retry, Throttled};
    if let Some(verdict) = attempt.head_verdict_of(provider) {
        return matches!(verdict.ruling(), Retry | Throttled);
    }
    let headers = attempt.headers();
    let scan = headers.map_or_else(HeaderScan::empty, HeaderScan::of);
    let ruling = ruling(provider, attempt, &scan).ruling();
    matches!(ruling, Retry | Throttled)
}

fn judge_failure(provider: &Provider, attempt: &Attempt<'_>) -> Verdict {
    if attempt.error().is_some_and(failure::is_permanent) {
        return Verdict::permanent();
    }
    let statuses = &provider.statuses;
    let is_barred = statuses.never_after_broken_connection && !attempt.is_undone();
    let is_safe = attempt.is_safe_to_resend() || statuses.has_idempotent_path(attempt.request());
    if is_safe && !is_barred {
        Verdict::retry()
    } else {
        Verdict::not_safe()
    }
}

/// The verdict on a refusal by a limit, which is retried unless the provider leaves 429 out.
fn throttle(provider: &Provider, findings: Findings) -> Verdict {
    let left_out = findings.retried == Some(false) && findings.body_says == BodySays::Nothing;
    let verdict = if findings.forbidden || left_out {
        Verdict::refuse().close_gate()
    } else {
        Verdict::throttled()
    };
    verdict.bare_wait(findings.body_says.bare_wait(provider.waits.bare))
}

fn refuse_answer(provider: &Provider, head: Head<'_>) -> Verdict {
    let served = Head {
        refused: Some(false),
        ..head
    };
    match provider.waits.read(served, None) {
        Reading::Wait(hint) => Verdict::refuse().close_gate_for(hint),
        Reading::Nothing | Reading::Never(_) => Verdict::refuse(),
    }
}

fn may_resend(
    provider: &Provider,
    attempt: &Attempt<'_>,
    status: StatusCode,
    headers: &HeaderMap,
) -> bool {
    let statuses = &provider.statuses;
    attempt.is_safe_to_resend()
        || statuses.allows_any_method(status)
        || statuses.header_allows_any_method(status, headers)
        || statuses.has_idempotent_path(attempt.request())
}

/// What a status means once it is known whether a wait is named.
enum StatusKind {
    Success,
    RateLimited,
    Retried,
    ServerError,
    ClientError,
}

fn classify(status: StatusCode, retried: Option<bool>, hinted: bool) -> StatusKind {
    let code = status.as_u16();
    let down = status.is_server_error();
    match retried {
        Some(true) if hinted && LIMITS_WHEN_HINTED.contains(&code) => StatusKind::RateLimited,
        Some(true) => StatusKind::Retried,
        None if hinted && code == 413 => StatusKind::Retried,
        None if hinted && LIMITS_WHEN_HINTED.contains(&code) => StatusKind::RateLimited,
        _ if down => StatusKind::ServerError,
        _ if status.is_client_error() => StatusKind::ClientError,
        _ => StatusKind::Success,
    }
}

#[cfg(test)]
mod tests;
