//! The call asks the fleet, once the gate of this process has let it through.

use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::{Call, Next};
use crate::body::Replay;
use crate::error::BoxError;
use crate::fleet::Admission;
use crate::gate::{Closing, Wait};

impl<S, B, R> Call<S, B, R>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    S::Error: Into<BoxError>,
    B: Replay,
    R: Body,
{
    /// Sends when the fleet agrees, or asks again when it says. Its patience runs meanwhile.
    pub(super) fn poll_fleet(&mut self, cx: &mut Context<'_>) -> Poll<Next<R>> {
        let Some(fleet) = &self.settings.fleet else {
            return Poll::Ready(Next::Ready);
        };
        let rare = self.rare.get_or_insert_with(Box::default);
        let scope = self.turn.gate().scope();
        let admitting = rare
            .admitting
            .get_or_insert_with(|| fleet.admit(scope, self.turn.price()));
        let Poll::Ready(admission) = admitting.as_mut().poll(cx) else {
            ready!(self.poll_patience(cx));
            return Poll::Ready(self.too_late());
        };
        rare.admitting = None;
        Poll::Ready(match admission {
            Admission::Granted => Next::Ready,
            Admission::NotBefore(wait) => {
                self.turn.recalled(Closing {
                    wait: Wait::Named(wait.max(Duration::from_millis(1))),
                    heard: self.settings.clock.now(),
                    refused: false,
                    decided_by: "the fleet".into(),
                    at_most: self.settings.max_cooldown,
                });
                self.leave_bucket();
                Next::Admit
            }
        })
    }
}
