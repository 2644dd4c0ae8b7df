//! The fast path of a response: to the caller as it is, once the gate has been told.

use std::task::Poll;

use http::{HeaderMap, Response};

use super::{Call, path_hash};
use crate::body::Replay;
use crate::failure::Redirected;
use crate::gate::{self, Completion, PathHash};
use crate::hint::{Left, is_silent};
use crate::inner::Inner;
use crate::telemetry::meter;

impl<S: Inner<B>, B: Replay> Call<S, B> {
    /// The fast path, which nearly every call takes.
    ///
    /// Returns whether the response goes to the caller as it is; the gate has been told then. The long path is
    /// [`on_response`](Self::on_response), and it would say the same.
    #[inline]
    pub(crate) fn try_fast_path(
        &mut self,
        outcome: &Poll<Result<Response<S::ResponseBody>, S::Error>>,
    ) -> bool {
        let Poll::Ready(Ok(response)) = outcome else {
            return false;
        };
        let plainly = response.status().as_u16() < 400
            && self.retry_state.is_none()
            && self.settings.observer.is_none()
            && self.outgoing.head.extensions.is_empty()
            && response.extensions().get::<Redirected>().is_none()
            && self
                .settings
                .policy
                .accepts_success(&self.outgoing.head(), response.headers())
            && self.complete_plainly(response.headers());
        if plainly {
            meter::on_attempt(self.permit.gate().scope(), meter::AttemptKind::Served);
        }
        plainly
    }

    /// Tells the gate that the call was served, and what is left, unless the long path has to look at it.
    #[inline]
    fn complete_plainly(&mut self, headers: &HeaderMap) -> bool {
        if self.permit.gate().counts() || !is_silent(headers) {
            return self.complete_with_counter(headers);
        }
        let now = self.settings.clock.now();
        let completion = Completion {
            path: self.sampled_path(),
            ..Completion::plain(gate::Outcome::Ok)
        };
        self.permit.complete_plainly(completion, now)
    }

    #[inline]
    fn sampled_path(&self) -> PathHash {
        if self.permit.is_sampled() {
            return path_hash(&self.outgoing.head());
        }
        PathHash::UNKNOWN
    }

    /// The same, where there may be a counter.
    #[inline(never)]
    fn complete_with_counter(&mut self, headers: &HeaderMap) -> bool {
        let clock = &self.settings.clock;
        let now = clock.now();
        let left = Left::read(headers, || clock.wall_at(now));
        if let Left::Some(Some(counter)) = &left {
            // Little is left, or no longer: that is told.
            if counter.is_low(self.settings.low_quota) != self.permit.gate().is_low() {
                return false;
            }
        }
        let completion = match left {
            Left::Silent => Completion::plain(gate::Outcome::Ok),
            Left::Some(counter) => Completion::served(counter, self.settings.max_wait(true)),
            Left::PerhapsNone => return false,
        };
        let completion = Completion {
            path: self.sampled_path(),
            ..completion
        };
        self.permit.complete_plainly(completion, now)
    }
}
