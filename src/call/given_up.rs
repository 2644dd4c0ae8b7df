//! What a layer of this kind further inside has given up on: layers in a row do not multiply their tries.

use std::borrow::Cow;
use std::error::Error;

use http::Extensions;

use crate::error::NotBefore;
use crate::telemetry::{Report, StopReason};
use crate::time::{Moment, later};

/// Why another layer has given up, and what it has waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct GivenUp {
    pub(super) reason: StopReason,
    /// From when on the call may be sent, if that is known.
    pub(super) not_before: Option<Moment>,
    pub(super) decided_by: Option<Cow<'static, str>>,
}

impl GivenUp {
    /// Reads the report on a response that arrived then.
    pub(super) fn on_response(extensions: &Extensions, received_at: Moment) -> Option<Self> {
        use StopReason::{Final, NotSafe, Permanent};
        let report = extensions.get::<Report>()?;
        let reason = report.stop_reason?;
        let is_tried = !matches!(reason, Final | NotSafe | Permanent);
        is_tried.then(|| Self {
            reason,
            not_before: report.not_before.map(|(_, wait)| later(received_at, wait)),
            decided_by: report.decided_by.clone(),
        })
    }

    /// Reads the error of a call that ended then: it has waited as long as it could.
    pub(super) fn on_error(error: &(dyn Error + 'static), received_at: Moment) -> Option<Self> {
        let error = NotBefore::find(error)?;
        let is_known = !error.wait.is_zero();
        Some(Self {
            reason: StopReason::PatienceExceeded,
            not_before: is_known.then(|| later(received_at, error.wait)),
            decided_by: is_known.then(|| error.decided_by.clone()),
        })
    }

    /// From when on the call may be sent, where the gate of this layer is closed, too.
    pub(super) fn not_before(&self, opens: Option<Moment>) -> Option<Moment> {
        let inside = self.not_before?;
        Some(opens.map_or(inside, |opens| opens.max(inside)))
    }
}
