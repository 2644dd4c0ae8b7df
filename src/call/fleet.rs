//! Asks the fleet, once the gates of this process have admitted the call.
//! For its bucket first, then for its scope.

use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use super::{Call, Next};
use crate::body::Replay;
use crate::fleet::{Fleet, Reply, ReplyFuture};
use crate::gate::{Closing, Wait};
use crate::inner::Inner;
use crate::scope::Scope;

impl<S: Inner<B>, B: Replay> Call<S, B> {
    /// Sends when the fleet agrees, or asks again when it says. The patience of the call runs meanwhile.
    pub(super) fn poll_fleet(&mut self, cx: &mut Context<'_>) -> Poll<Next<S::ResponseBody>> {
        let Some(fleet) = &self.settings.fleet else {
            return Poll::Ready(Next::Ready);
        };
        let retry_state = &mut **self.retry_state.get_or_insert_with(Box::default);
        let asked = retry_state.fleet.get_or_insert_with(Box::default);
        loop {
            let bucket = retry_state
                .bucket
                .as_mut()
                .filter(|_| asked.grants.is_empty());
            let asks_for_bucket = bucket.is_some();
            let permit = bucket.unwrap_or(&mut self.permit);
            let admitting = asked
                .admitting
                .get_or_insert_with(|| fleet.admit(permit.gate().scope(), permit.cost()));
            let Poll::Ready(admission) = admitting.as_mut().poll(cx) else {
                ready!(self.poll_patience(cx));
                return Poll::Ready(self.too_late());
            };
            asked.admitting = None;
            match admission {
                Reply::Granted => {
                    asked.grants.push(Grant {
                        fleet: Arc::clone(fleet),
                        scope: permit.gate().scope().clone(),
                        cost: permit.cost(),
                        used: false,
                    });
                    if !asks_for_bucket {
                        return Poll::Ready(Next::Ready);
                    }
                }
                Reply::NotBefore(wait) => {
                    permit.revoke(Closing {
                        wait: Wait::Named(wait.max(Duration::from_millis(1))),
                        received_at: self.settings.clock.now(),
                        refused: false,
                        by_limit: false,
                        path: Default::default(),
                        decided_by: "the fleet".into(),
                        max_wait: self.settings.max_cooldown,
                    });
                    // The slot at the other gate goes back, too.
                    self.permit.release();
                    self.release_bucket();
                    return Poll::Ready(Next::Admit);
                }
            }
        }
    }
}

/// What the fleet is asked, and what it has granted.
/// It is asked for the bucket first, if there is one.
#[derive(Default)]
pub(super) struct FleetRequest {
    admitting: Option<ReplyFuture>,
    grants: Vec<Grant>,
}

impl FleetRequest {
    /// Keeps the grants: the call is sent.
    pub(super) fn spend(self) {
        self.grants.into_iter().for_each(Grant::spend);
    }

    /// Gives the grants back.
    pub(super) fn release(&mut self) {
        self.grants.clear();
    }
}

/// A grant of the fleet, which goes back if the call is not sent.
struct Grant {
    fleet: Arc<dyn Fleet>,
    scope: Scope,
    cost: u32,
    used: bool,
}

impl Grant {
    fn spend(mut self) {
        self.used = true;
    }
}

impl Drop for Grant {
    fn drop(&mut self) {
        if !self.used {
            self.fleet.release(&self.scope, self.cost);
        }
    }
}
