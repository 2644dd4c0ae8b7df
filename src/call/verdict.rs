//! Applies a verdict: the gate, the observer and the log are told.

use std::borrow::Cow;
use std::sync::Arc;

use http::StatusCode;
use http_body::Body;

use super::RetryState;
use super::low_quota::{tell_declared, tell_published};
use super::path_hash;
use crate::config::Settings;
use crate::gate::{Closing, Completion, Gate, Outcome, PathHash, Permit, Wait};
use crate::hint::Hint;
use crate::policy::{Attempt, Ruling, Verdict};
use crate::retry::Cost;
use crate::telemetry::Decision;
use crate::telemetry::{meter, trace};
use crate::time::Moment;

/// Tells the gate, the observer and the log what the verdict is.
/// Returns the verdict as the gate has changed it, and when the gate opens, if it is closed.
pub(super) fn apply_verdict<R: Body>(
    judged: Verdict,
    attempt: &Attempt<'_>,
    own: &mut Permit,
    retry_state: &mut Option<Box<RetryState<R>>>,
    settings: &Settings,
    received_at: Moment,
) -> (Verdict, Option<Moment>) {
    let bare_503 = is_bare_503(&judged, attempt);
    let settled = shed_if_limited(judged, attempt, own, settings, received_at);
    let verdict = &settled;
    let outcome = match verdict.ruling() {
        _ if is_failed(verdict, attempt) && !verdict.closes_gate() => failure(verdict, attempt),
        Ruling::Accept => Outcome::Ok,
        Ruling::Throttled => Outcome::RateLimited,
        Ruling::Retry | Ruling::Refuse if verdict.closes_gate() => Outcome::RateLimited,
        Ruling::Retry | Ruling::Refuse => Outcome::Ok,
    };
    let completion = Completion {
        outcome,
        path: if outcome != Outcome::Ok || own.gate().watches_paths() || own.is_sampled() {
            path_hash(&attempt.request())
        } else {
            PathHash::UNKNOWN
        },
        // A failure concerns the whole scope, the counter of a bucket does not.
        counter: verdict
            .counter()
            .filter(|_| verdict.bucket().is_none() || !is_failure(outcome)),
        cost: verdict.cost().and_then(Cost::said),
        bare_503,
        max_reset: settings.max_wait(is_served(verdict, attempt.status())),
    };
    let mut completion = completion;
    let in_bucket = note_bucket(verdict, attempt, own, retry_state, settings, received_at);
    // A bucket without room for a gate: what is left of it is not what is left of the scope, but its refusal counts.
    if verdict.bucket().is_some() && !in_bucket {
        completion.counter = None;
    }
    let redirected = note_redirect(attempt, own, retry_state, settings, received_at);
    let provisional = retry_state
        .as_mut()
        .and_then(|retry_state| retry_state.provisional.take());
    let provisional = provisional.map(|head| (*head, settings.clock.now()));
    let was_not_sent = attempt.was_kept_back() && !verdict.closes_gate() && !verdict.is_failure();
    if let Some(retry_state) = retry_state {
        let partial = &mut retry_state.partial;
        match was_not_sent {
            true => partial.abort(),
            false => partial.complete(attempt, verdict, settings, received_at),
        }
    }
    let mut bucket = retry_state
        .as_mut()
        .and_then(|retry_state| retry_state.bucket.as_mut());
    if was_not_sent {
        // The gates learn nothing.
        own.abort();
        bucket.iter_mut().for_each(|bucket| bucket.abort());
    }
    let permit = target_gate(in_bucket, redirected, completion, own, bucket, received_at);
    let opening = if verdict.closes_gate() {
        let closing = closing(verdict, attempt, settings, received_at);
        permit.complete_and_close(
            completion,
            closing,
            provisional,
            settings.rng.bits(),
            received_at,
        )
    } else {
        permit.complete(completion, received_at);
        provisional
            .into_iter()
            .for_each(|(head, now)| head.take_back(now));
        None
    };
    let opens = opening.map(|opening| opening.gate);
    if let Some(counter) = completion.counter {
        tell_published(counter, permit.gate(), settings);
    }
    let scope = permit.gate().scope();
    let is_doubtful = verdict.hint().is_some_and(Hint::has_doubtful_unit);
    if is_doubtful && permit.gate().doubt_unit() {
        trace::on_doubtful_unit(scope);
    }
    let closed_for = opens.map(|opens| opens.since(received_at));
    if let Some(closed_for) = closed_for {
        let decided_by = decided_by(verdict, attempt.status());
        if let Some(cause) = trace::Cause::of(attempt) {
            trace::on_close(scope, cause, closed_for, &decided_by);
        }
    }
    if let Some(observer) = &settings.observer {
        observer.on_decision(&Decision {
            attempt,
            verdict,
            scope,
            closed_for,
        });
    }
    // Under the scope that was asked: a server must not choose the labels by a redirect to another address for each call.
    let scope = own.gate().scope();
    meter::on_attempt(
        scope,
        match completion.outcome {
            Outcome::RateLimited | Outcome::RateLimitedElsewhere => meter::AttemptKind::Refused,
            outcome if is_failure(outcome) => meter::AttemptKind::Failed,
            _ => meter::AttemptKind::Served,
        },
    );
    if opens.is_some() {
        meter::on_close(scope, verdict.hint().is_some());
    }
    tell_declared(own, retry_state, settings, received_at);
    (settled, opens)
}

/// Closes the gate as the head of a response says, while its body is still to be read.
pub(super) fn close_provisionally<R: Body>(
    verdict: &Verdict,
    attempt: &Attempt<'_>,
    own: &Permit,
    retry_state: &mut Option<Box<RetryState<R>>>,
    settings: &Settings,
    received_at: Moment,
) {
    let verdict = &shed_if_limited(verdict.clone(), attempt, own, settings, received_at);
    if !verdict.closes_gate() {
        return;
    }
    let in_bucket = note_bucket(verdict, attempt, own, retry_state, settings, received_at);
    let redirected = note_redirect(attempt, own, retry_state, settings, received_at);
    let retry_state = retry_state.get_or_insert_with(Box::default);
    let bucket = retry_state
        .bucket
        .as_ref()
        .filter(|_| in_bucket || redirected);
    let closing = closing(verdict, attempt, settings, received_at);
    let permit = bucket.unwrap_or(own);
    let closed = permit.close_provisionally(closing, settings.rng.bits());
    retry_state.provisional = closed.map(Box::new);
}

/// Whether it is a 503 that names no wait, and that the policy takes neither for an answer nor for a refusal by a limit.
fn is_bare_503(verdict: &Verdict, attempt: &Attempt<'_>) -> bool {
    attempt.status() == Some(StatusCode::SERVICE_UNAVAILABLE)
        && (verdict.ruling() == Ruling::Retry || verdict.is_not_safe())
        && verdict.hint().is_none()
        && verdict.grpc_status().is_none()
        && !verdict.closes_gate()
        && !verdict.is_failure()
}

/// Makes a bare 503 a refusal by a limit, if its path is served meanwhile.
fn shed_if_limited(
    verdict: Verdict,
    attempt: &Attempt<'_>,
    own: &Permit,
    settings: &Settings,
    received_at: Moment,
) -> Verdict {
    if !is_bare_503(&verdict, attempt) {
        return verdict;
    }
    let redirected = settings.redirected_gate(attempt, own.gate());
    let gate = redirected.as_ref().unwrap_or_else(|| own.gate());
    if gate.is_shedding(path_hash(&attempt.request()), received_at) {
        verdict.shed()
    } else {
        verdict
    }
}

/// Joins the bucket that the response names. Returns whether there is one, and room for its gate.
fn note_bucket<R: Body>(
    verdict: &Verdict,
    attempt: &Attempt<'_>,
    own: &Permit,
    retry_state: &mut Option<Box<RetryState<R>>>,
    settings: &Settings,
    received_at: Moment,
) -> bool {
    let named = verdict
        .bucket()
        .and_then(|name| settings.named_bucket(&attempt.request(), own.gate(), name, received_at));
    let in_bucket = named.is_some();
    if let Some(gate) = named {
        let retry_state = retry_state.get_or_insert_with(Box::default);
        move_to(&mut retry_state.bucket, gate, own, received_at);
    }
    in_bucket
}

/// Joins the gate of the address that has answered, if that is another one. Returns whether it is.
fn note_redirect<R: Body>(
    attempt: &Attempt<'_>,
    own: &Permit,
    retry_state: &mut Option<Box<RetryState<R>>>,
    settings: &Settings,
    received_at: Moment,
) -> bool {
    let behind = settings.redirected_gate(attempt, own.gate());
    let redirected = behind.is_some();
    if let Some(gate) = behind {
        let retry_state = retry_state.get_or_insert_with(Box::default);
        move_to(&mut retry_state.bucket, gate, own, received_at);
    }
    redirected
}

/// Whether a failure shows that the server is out.
/// A 500 shows that it works, and what the policy accepts or calls final is an answer.
fn failure(verdict: &Verdict, attempt: &Attempt<'_>) -> Outcome {
    let Some(status) = attempt.status() else {
        return match verdict.is_permanent() {
            // It is the configuration that fails, whatever the server does.
            true => Outcome::UnavailableAccepted,
            false => Outcome::Unavailable,
        };
    };
    let is_final = verdict.ruling() == Ruling::Refuse && !verdict.is_not_safe();
    let is_answer = is_final || verdict.ruling() == Ruling::Accept;
    let is_out = verdict.is_failure() || matches!(status.as_u16(), 502..=504 | 520..=529);
    match (is_out, is_answer) {
        (false, _) => Outcome::ServerError,
        (true, true) => Outcome::UnavailableAccepted,
        (true, false) => Outcome::Unavailable,
    }
}

fn is_failure(outcome: Outcome) -> bool {
    matches!(
        outcome,
        Outcome::Unavailable | Outcome::ServerError | Outcome::UnavailableAccepted
    )
}

fn is_failed(verdict: &Verdict, attempt: &Attempt<'_>) -> bool {
    let status = attempt.status();
    verdict.is_failure() || status.is_none_or(|status| status.is_server_error())
}

/// Moves the call to the gate of a bucket, unless it is there already.
fn move_to(bucket: &mut Option<Permit>, gate: Arc<Gate>, own: &Permit, received_at: Moment) {
    let known = bucket
        .as_ref()
        .is_some_and(|permit| Arc::ptr_eq(permit.gate(), &gate));
    if !known {
        *bucket = Some(Permit::new(gate, own.cost()).adopt(own, received_at));
    }
}

/// Picks the gate that a verdict is about.
///
/// The other one, if there are two, is told only how the call ended: a refusal by one limit says nothing about
/// another, and a failure concerns both. If it was answered `redirected`, all of it is about that address.
fn target_gate<'a>(
    in_bucket: bool,
    redirected: bool,
    completion: Completion,
    own: &'a mut Permit,
    bucket: Option<&'a mut Permit>,
    received_at: Moment,
) -> &'a mut Permit {
    let Some(bucket) = bucket else {
        return own;
    };
    let about_bucket = redirected || (in_bucket && !is_failure(completion.outcome));
    let other = Completion {
        outcome: match completion.outcome {
            // It has answered, with a redirect.
            _ if redirected => Outcome::Ok,
            Outcome::Ok => Outcome::Ok,
            Outcome::RateLimited => Outcome::RateLimitedElsewhere,
            _ => Outcome::Unconcerned,
        },
        counter: None,
        bare_503: completion.bare_503 && !redirected,
        ..completion
    };
    if about_bucket {
        own.complete(other, received_at);
        bucket
    } else {
        bucket.complete(other, received_at);
        own
    }
}

fn closing(
    verdict: &Verdict,
    attempt: &Attempt<'_>,
    settings: &Settings,
    received_at: Moment,
) -> Closing {
    let status = attempt.status();
    Closing {
        path: path_hash(&attempt.request()),
        wait: match verdict.hint() {
            Some(hint) => Wait::Named(hint.wait()),
            None if verdict.is_shed() => Wait::SHED,
            None => Wait::Bare(verdict.bare()),
        },
        received_at,
        refused: verdict.ruling() != Ruling::Accept,
        by_limit: verdict.is_by_limit(),
        decided_by: decided_by(verdict, status),
        max_wait: Some(settings.max_wait(is_served(verdict, status))),
    }
}

/// Whether the server did what was asked, or said why it never will.
/// Then the call itself does not wait.
fn is_served(verdict: &Verdict, status: Option<StatusCode>) -> bool {
    let answered =
        |status: StatusCode| status != StatusCode::TOO_MANY_REQUESTS && !status.is_server_error();
    match verdict.ruling() {
        Ruling::Accept => true,
        Ruling::Refuse => status.is_some_and(answered),
        Ruling::Retry | Ruling::Throttled => false,
    }
}

/// The header or the rule behind a wait.
pub(super) fn decided_by(verdict: &Verdict, status: Option<StatusCode>) -> Cow<'static, str> {
    match (verdict.hint(), verdict.grpc_status(), status) {
        (Some(hint), ..) => hint.source().to_owned().into(),
        (None, ..) if !verdict.closes_gate() => "backoff".into(),
        (None, Some(status), _) => format!("a bare grpc-status {status}").into(),
        (None, None, Some(status)) => format!("a bare {}", status.as_u16()).into(),
        (None, None, None) => "a failure".into(),
    }
}
