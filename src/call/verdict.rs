//! Carrying a verdict out: the gate, the observer and the log are told.

use std::borrow::Cow;
use std::sync::Arc;

use http::StatusCode;
use http_body::Body;

use super::Rare;
use crate::gate::{Closing, Ending, Gate, Heard, Turn, Wait};
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
        _ if failed(verdict, attempt) && !verdict.cools() => Ending::Failed,
        Ruling::Accept => Ending::Accepted,
        Ruling::Throttled => Ending::Refused,
        Ruling::Retry | Ruling::Refuse if verdict.cools() => Ending::Refused,
        Ruling::Retry | Ruling::Refuse => Ending::Accepted,
    };
    let told = Heard {
        ending,
        // A failure is everybody's, the counter of a bucket is not.
        counter: verdict
            .counter()
            .filter(|_| verdict.bucket().is_none() || ending != Ending::Failed),
        looked_at: attempt
            .headers_looked_at()
            .filter(|_| !verdict.counts_otherwise()),
        price: verdict.cost(),
        by_a_limit: verdict.ruling() == Ruling::Throttled,
    };
    if let Some(name) = verdict.bucket() {
        let named = settings.named_bucket(&attempt.request(), own.gate(), name, heard);
        let rare = rare.get_or_insert_with(Box::default);
        named
            .into_iter()
            .for_each(|gate| belongs_to(&mut rare.bucket, gate, own, heard));
    }
    let behind = settings.gate_behind(attempt, own.gate());
    let elsewhere = behind.is_some();
    if let Some(gate) = behind {
        turn_behind(rare, gate, own, heard);
    }
    let mut bucket = rare.as_mut().and_then(|rare| rare.bucket.as_mut());
    if attempt.was_kept_back() && !verdict.cools() && !verdict.is_failure() {
        not_sent(own, settings);
        bucket
            .iter_mut()
            .for_each(|bucket| not_sent(bucket, settings));
    }
    let turn = whose(verdict, told, elsewhere, own, bucket, heard);
    let opens = if verdict.cools() {
        let closing = closing(verdict, attempt.status(), settings, heard);
        turn.shut(told, closing, settings.dice.roll(), heard)
    } else {
        turn.answered(told, heard);
        None
    };
    let scope = turn.gate().scope();
    let refused = told.ending == Ending::Refused;
    meter::judged(scope, attempt.status(), refused);
    let shut_for = opens.map(|opens| opens.since(heard));
    if let Some(shut_for) = shut_for {
        let decided_by = decided_by(verdict, attempt.status());
        trace::shut(scope, attempt.status(), shut_for, &decided_by);
        meter::shut(scope, &decided_by);
        if let Some(fleet) = &settings.fleet {
            fleet.shut(scope, shut_for);
        }
    }
    if let Some(observer) = &settings.observer {
        observer.decided(&Decision {
            attempt,
            verdict,
            scope,
            shut_for,
        });
    }
    opens
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

/// The call's turn at the gate of the address behind a redirect, which stands where that of a bucket does.
pub(super) fn turn_behind<'a, R: Body>(
    rare: &'a mut Option<Box<Rare<R>>>,
    gate: Arc<Gate>,
    own: &Turn,
    heard: Moment,
) -> &'a Turn {
    let rare = rare.get_or_insert_with(Box::default);
    belongs_to(&mut rare.bucket, gate, own, heard);
    rare.bucket.as_ref().expect("it belongs to one now")
}

/// Whose gate a verdict is about. The other one, if there are two, is told only how the call ended: a refusal by
/// one limit says nothing about another, and a failure is everybody's. If it was answered `elsewhere`, all of it is about
/// that address.
fn whose<'a>(
    verdict: &Verdict,
    told: Heard,
    elsewhere: bool,
    own: &'a mut Turn,
    bucket: Option<&'a mut Turn>,
    heard: Moment,
) -> &'a mut Turn {
    let Some(bucket) = bucket else {
        return own;
    };
    let about_bucket = elsewhere || (verdict.bucket().is_some() && told.ending != Ending::Failed);
    let other = Heard {
        ending: match told.ending {
            // It has answered, with a redirect.
            _ if elsewhere => Ending::Accepted,
            Ending::Accepted => Ending::Accepted,
            _ => Ending::Unknown,
        },
        counter: None,
        looked_at: None,
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

pub(super) fn closing(
    verdict: &Verdict,
    status: Option<StatusCode>,
    settings: &Settings,
    heard: Moment,
) -> Closing {
    Closing {
        wait: match verdict.hint() {
            Some(hint) => Wait::Named(hint.wait()),
            None => Wait::Bare(verdict.bare()),
        },
        heard,
        refused: verdict.ruling() != Ruling::Accept,
        decided_by: decided_by(verdict, status),
        at_most: settings.max_cooldown,
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
