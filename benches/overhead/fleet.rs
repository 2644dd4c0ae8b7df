//! A fleet whose members grant each call: what the seam costs, without a ledger.

use std::num::NonZeroU64;
use std::time::Duration;

use tower_backoff::fleet::{CallOutcome, CloseReason, Fleet, Grant, GrantId, Joining, Member};

pub struct GrantsAll;

impl Fleet for GrantsAll {
    fn join(&self, _: Joining<'_>) -> Box<dyn Member> {
        Box::new(Self)
    }
}

impl Member for GrantsAll {
    fn admit(&self, _: u32) -> Grant {
        Grant::Now(GrantId::new(NonZeroU64::MIN))
    }

    fn on_return(&self, _: GrantId) {}

    fn on_outcome(&self, _: Option<GrantId>, _: &CallOutcome) {}

    fn on_close(&self, _: Duration, _: CloseReason) {}
}
