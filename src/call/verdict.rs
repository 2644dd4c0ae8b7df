//! Carrying a verdict out: the gate, the observer and the log are told.

use std::borrow::Cow;

use http::StatusCode;

use crate::gate::{Closing, Ending, Heard, Turn, Wait};
use crate::moment::Moment;
use crate::observe::Decision;
use crate::policy::{Attempt, Ruling, Verdict};
use crate::settings::Settings;
use crate::trace;

/// Tells the gate, the observer and the log what the verdict is. Returns when the gate opens, if the
/// verdict shuts it.
pub(super) fn carry_out(
    verdict: &Verdict,
    attempt: &Attempt<'_>,
    turn: &mut Turn,
    settings: &Settings,
    heard: Moment,
) -> Option<Moment> {
    let ending = match verdict.ruling() {
        _ if attempt
            .status()
            .is_none_or(|status| status.is_server_error())
            && !verdict.cools() =>
        {
            Ending::Failed
        }
        Ruling::Accept => Ending::Accepted,
        Ruling::Throttled => Ending::Refused,
        Ruling::Retry | Ruling::Refuse if verdict.cools() => Ending::Refused,
        Ruling::Retry | Ruling::Refuse => Ending::Accepted,
    };
    let told = Heard {
        ending,
        counter: verdict.counter(),
        price: verdict.cost(),
    };
    let opens = if verdict.cools() {
        let closing = closing(verdict, attempt.status(), settings, heard);
        turn.shut(told, closing, settings.dice.roll(), heard)
    } else {
        turn.answered(told, heard);
        None
    };
    let scope = turn.gate().scope();
    let shut_for = opens.map(|opens| opens.since(heard));
    if let Some(shut_for) = shut_for {
        let decided_by = decided_by(verdict, attempt.status());
        trace::shut(scope, attempt.status(), shut_for, &decided_by);
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

fn closing(
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
    match (verdict.hint(), status) {
        (Some(hint), _) => hint.source().to_owned().into(),
        (None, Some(status)) if verdict.cools() => format!("a bare {}", status.as_u16()).into(),
        (None, None) if verdict.cools() => "a failure".into(),
        (None, _) => "backoff".into(),
    }
}
