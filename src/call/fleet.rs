//! The call asks the fleet, once the gates of this process have let it through: for its bucket first, then for
//! its scope.

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
        let rare = &mut **self.rare.get_or_insert_with(Box::default);
        loop {
            let bucket = rare.bucket.as_mut().filter(|_| !rare.bucket_granted);
            let asks_for_bucket = bucket.is_some();
            let turn = bucket.unwrap_or(&mut self.turn);
            let admitting = rare
                .admitting
                .get_or_insert_with(|| fleet.admit(turn.gate().scope(), turn.price()));
            let Poll::Ready(admission) = admitting.as_mut().poll(cx) else {
                ready!(self.poll_patience(cx));
                return Poll::Ready(self.too_late());
            };
            rare.admitting = None;
            rare.bucket_granted = asks_for_bucket && admission == Admission::Granted;
            match admission {
                Admission::Granted if asks_for_bucket => {}
                Admission::Granted => return Poll::Ready(Next::Ready),
                Admission::NotBefore(wait) => {
                    turn.recalled(Closing {
                        wait: Wait::Named(wait.max(Duration::from_millis(1))),
                        heard: self.settings.clock.now(),
                        refused: false,
                        decided_by: "the fleet".into(),
                        at_most: self.settings.max_cooldown,
                    });
                    // The place at the other gate goes back, too.
                    self.turn.give_back();
                    self.leave_bucket();
                    return Poll::Ready(Next::Admit);
                }
            }
        }
    }
}
