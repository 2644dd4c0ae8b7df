//! Carrying a verdict out: the gate, the observer and the log are told.

use std::borrow::Cow;
use std::sync::Arc;

use http::StatusCode;
use http_body::Body;

use super::Rare;
use super::path_hash;
use crate::gate::{Closing, Ending, Gate, Heard, PathHash, Turn, Wait};
use crate::moment::Moment;
use crate::observe::Decision;
use crate::policy::{Attempt, Ruling, Verdict};
use crate::settings::Settings;
use crate::{meter, trace};

/// Tells the gate, the observer and the log what the verdict is. Returns when the gate opens, if the
/// verdict shuts it.
pub(super) fn carry_out<R: Body>(
    verdict: &Verdict,
    attempt: &Attempt<'_>,
    own: &mut Turn,
    rare: &mut Option<Box<Rare<R>>>,
    settings: &Settings,
    heard: Moment,
) -> Option<Moment> {
    let ending = match verdict.ruling() {
        _ if failed(verdict, attempt) && !verdict.cools() => failure(verdict, attempt),
        Ruling::Accept => Ending::Accepted,
        Ruling::Throttled => Ending::Refused,
        Ruling::Retry | Ruling::Refuse if verdict.cools() => Ending::Refused,
        Ruling::Retry | Ruling::Refuse => Ending::Accepted,
    };
    let told = Heard {
        ending,
        path: if ending != Ending::Accepted || own.gate().asks_for_paths() {
            path_hash(&attempt.request())
        } else {
            PathHash::UNKNOWN
        },
        // A failure concerns the whole scope, the counter of a bucket does not.
        counter: verdict
            .counter()
            .filter(|_| verdict.bucket().is_none() || !is_failure(ending)),
        price: verdict.cost(),
        by_a_limit: verdict.ruling() == Ruling::Throttled,
        believed_for: settings.believes(is_served(verdict, attempt.status())),
    };
    let mut told = told;
    let in_bucket = note_bucket(verdict, attempt, own, rare, settings, heard);
    // One for which there is no room: what is left of it is not what is left of the scope, but its refusal counts.
    if verdict.bucket().is_some() && !in_bucket {
        told.counter = None;
    }
    let elsewhere = note_redirect(attempt, own, rare, settings, heard);
    let by_head = rare.as_mut().and_then(|rare| rare.by_head.take());
    let by_head = by_head.map(|head| (*head, settings.clock.now()));
    let mut bucket = rare.as_mut().and_then(|rare| rare.bucket.as_mut());
    if attempt.was_kept_back() && !verdict.cools() && !verdict.is_failure() {
        not_sent(own, settings);
        bucket
            .iter_mut()
            .for_each(|bucket| not_sent(bucket, settings));
    }
    let turn = whose(in_bucket, elsewhere, told, own, bucket, heard);
    let opening = if verdict.cools() {
        let closing = closing(verdict, attempt, settings, heard);
        turn.shut(told, closing, by_head, settings.dice.roll(), heard)
    } else {
        turn.answered(told, heard);
        by_head
            .into_iter()
            .for_each(|(head, now)| head.take_back(now));
        None
    };
    let opens = opening.map(|opening| opening.gate);
    let scope = turn.gate().scope();
    let shut_for = opens.map(|opens| opens.since(heard));
    if let Some(shut_for) = shut_for {
        let decided_by = decided_by(verdict, attempt.status());
        if let Some(cause) = trace::Cause::of(attempt) {
            trace::shut(scope, cause, shut_for, &decided_by);
        }
    }
    if let (Some(fleet), Some(opening)) = (&settings.fleet, opening) {
        // What this response said: what else holds the gate, the fleet may have said itself.
        fleet.shut(scope, opening.own.since(heard));
    }
    if let Some(observer) = &settings.observer {
        observer.decided(&Decision {
            attempt,
            verdict,
            scope,
            shut_for,
        });
    }
    // Under the scope that was asked: a server must not choose the labels, by a redirect to another address for each call.
    let scope = own.gate().scope();
    meter::on_attempt(
        scope,
        match told.ending {
            Ending::Refused | Ending::RefusedElsewhere => meter::Outcome::Refused,
            ending if is_failure(ending) => meter::Outcome::Failed,
            _ => meter::Outcome::Served,
        },
    );
    if opens.is_some() {
        meter::on_close(scope, verdict.hint().is_some());
    }
    opens
}

/// Closes the gate as the head of an answer says, while its body is still to be read.
pub(super) fn close_by_head<R: Body>(
    verdict: &Verdict,
    attempt: &Attempt<'_>,
    own: &Turn,
    rare: &mut Option<Box<Rare<R>>>,
    settings: &Settings,
    heard: Moment,
) {
    if !verdict.cools() {
        return;
    }
    let in_bucket = note_bucket(verdict, attempt, own, rare, settings, heard);
    let elsewhere = note_redirect(attempt, own, rare, settings, heard);
    let rare = rare.get_or_insert_with(Box::default);
    let bucket = rare.bucket.as_ref().filter(|_| in_bucket || elsewhere);
    let closing = closing(verdict, attempt, settings, heard);
    let turn = bucket.unwrap_or(own);
    let closed = turn.close_by_head(closing, settings.dice.roll());
    rare.by_head = closed.map(Box::new);
}

/// Joins the bucket that the answer names. Whether there is one, and room for its gate.
fn note_bucket<R: Body>(
    verdict: &Verdict,
    attempt: &Attempt<'_>,
    own: &Turn,
    rare: &mut Option<Box<Rare<R>>>,
    settings: &Settings,
    heard: Moment,
) -> bool {
    let named = verdict
        .bucket()
        .and_then(|name| settings.named_bucket(&attempt.request(), own.gate(), name, heard));
    let in_bucket = named.is_some();
    if let Some(gate) = named {
        let rare = rare.get_or_insert_with(Box::default);
        belongs_to(&mut rare.bucket, gate, own, heard);
    }
    in_bucket
}

/// Joins the gate of the address that has answered, if that is another one. Returns whether it is.
fn note_redirect<R: Body>(
    attempt: &Attempt<'_>,
    own: &Turn,
    rare: &mut Option<Box<Rare<R>>>,
    settings: &Settings,
    heard: Moment,
) -> bool {
    let behind = settings.gate_behind(attempt, own.gate());
    let elsewhere = behind.is_some();
    if let Some(gate) = behind {
        let rare = rare.get_or_insert_with(Box::default);
        belongs_to(&mut rare.bucket, gate, own, heard);
    }
    elsewhere
}

/// Whether a failure shows that the server is out, or says nothing of it as a whole: a 500 shows that it works, and
/// what the policy accepts or calls final is an answer.
fn failure(verdict: &Verdict, attempt: &Attempt<'_>) -> Ending {
    let Some(status) = attempt.status() else {
        return Ending::Failed;
    };
    let is_final = verdict.ruling() == Ruling::Refuse && !verdict.is_not_safe();
    let is_answer = is_final || verdict.ruling() == Ruling::Accept;
    let is_out = verdict.is_failure() || matches!(status.as_u16(), 502..=504 | 520..=529);
    match (is_out, is_answer) {
        (false, _) => Ending::Errored,
        (true, true) => Ending::TakenAsAnswer,
        (true, false) => Ending::Failed,
    }
}

fn is_failure(ending: Ending) -> bool {
    matches!(
        ending,
        Ending::Failed | Ending::Errored | Ending::TakenAsAnswer
    )
}

/// Nothing was sent: what was taken for the call goes back, and the gate learns nothing.
fn not_sent(turn: &mut Turn, settings: &Settings) {
    turn.not_sent();
    if let Some(fleet) = &settings.fleet {
        fleet.returned(turn.gate().scope(), turn.price());
    }
}

fn failed(verdict: &Verdict, attempt: &Attempt<'_>) -> bool {
    let status = attempt.status();
    verdict.is_failure() || status.is_none_or(|status| status.is_server_error())
}

/// The call turns out to belong to a bucket: to the one at whose gate it has been, or to another.
fn belongs_to(bucket: &mut Option<Turn>, gate: Arc<Gate>, own: &Turn, heard: Moment) {
    let known = bucket
        .as_ref()
        .is_some_and(|turn| Arc::ptr_eq(turn.gate(), &gate));
    if !known {
        *bucket = Some(Turn::at(gate, own.price()).was_sent(own, heard));
    }
}

/// Whose gate a verdict is about. The other one, if there are two, is told only how the call ended: a refusal by
/// one limit says nothing about another, and a failure is everybody's. If it was answered `elsewhere`, all of it is about
/// that address.
fn whose<'a>(
    in_bucket: bool,
    elsewhere: bool,
    told: Heard,
    own: &'a mut Turn,
    bucket: Option<&'a mut Turn>,
    heard: Moment,
) -> &'a mut Turn {
    let Some(bucket) = bucket else {
        return own;
    };
    let about_bucket = elsewhere || (in_bucket && !is_failure(told.ending));
    let other = Heard {
        ending: match told.ending {
            // It has answered, with a redirect.
            _ if elsewhere => Ending::Accepted,
            Ending::Accepted => Ending::Accepted,
            Ending::Refused => Ending::RefusedElsewhere,
            _ => Ending::Unknown,
        },
        counter: None,
        ..told
    };
    if about_bucket {
        own.answered(other, heard);
        bucket
    } else {
        bucket.answered(other, heard);
        own
    }
}

fn closing(
    verdict: &Verdict,
    attempt: &Attempt<'_>,
    settings: &Settings,
    heard: Moment,
) -> Closing {
    let status = attempt.status();
    Closing {
        path: path_hash(&attempt.request()),
        wait: match verdict.hint() {
            Some(hint) => Wait::Named(hint.wait()),
            None => Wait::Bare(verdict.bare()),
        },
        heard,
        refused: verdict.ruling() != Ruling::Accept,
        by_a_limit: verdict.ruling() == Ruling::Throttled,
        decided_by: decided_by(verdict, status),
        at_most: Some(settings.believes(is_served(verdict, status))),
    }
}

/// Whether the server did what was asked, or said why it never will: then it is not the answer that has to wait.
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
        (None, ..) if !verdict.cools() => "backoff".into(),
        (None, Some(status), _) => format!("a bare grpc-status {status}").into(),
        (None, None, Some(status)) => format!("a bare {}", status.as_u16()).into(),
        (None, None, None) => "a failure".into(),
    }
}
