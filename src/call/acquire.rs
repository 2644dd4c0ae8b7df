//! Admission of a call: by the gates of its bucket and of partial quotas, if it has any, and by that of its scope.

use std::sync::Arc;
use std::task::{Context, Poll, ready};

use super::{Call, Next, path_hash};
use crate::body::Replay;
use crate::gate::{AcquireRequest, Deadlines, Permit, Rejected};
use crate::inner::Inner;
use crate::time::Moment;

impl<S: Inner<B>, B: Replay> Call<S, B> {
    pub(crate) fn poll_permit(&mut self, cx: &mut Context<'_>) -> Poll<Next<S::ResponseBody>> {
        let needs = AcquireRequest {
            cost: self.permit.cost(),
            priority: self.outgoing.priority(),
            path: path_hash(&self.outgoing.head()),
            deadlines: Deadlines {
                latest: self.latest(),
                in_an_outage: self.latest_in_an_outage(),
            },
            max_waiting: self.settings.max_waiting,
        };
        loop {
            self.update_bucket();
            let clock = &self.settings.clock;
            let bucket = self
                .retry_state
                .as_mut()
                .and_then(|retry_state| retry_state.bucket.as_mut());
            if let Some(bucket) = bucket.filter(|bucket| !bucket.is_admitted()) {
                let Poll::Ready(admitted) = bucket.poll_acquire(needs, clock, &mut self.timer, cx)
                else {
                    // It holds no slot elsewhere, nor a place in another queue, while it waits for its bucket.
                    self.permit.release();
                    let retry_state = self.retry_state.iter_mut();
                    retry_state.for_each(|retry_state| retry_state.partial.release());
                    return Poll::Pending;
                };
                if let Err(why) = admitted {
                    let scope = bucket.gate().scope().clone();
                    return Poll::Ready(Next::End(self.reject(why, scope)));
                }
            }
            if let Some(retry_state) = &mut self.retry_state {
                let partial = &mut retry_state.partial;
                // There is no use in waiting for one of these if its scope is closed for longer.
                let latest = needs.deadlines.latest;
                let gate = self.permit.gate();
                let closed = partial
                    .is_awaited()
                    .then(|| gate.closed_beyond(latest, clock.now()))
                    .flatten();
                if closed.is_some() {
                    let scope = gate.scope().clone();
                    let why = Rejected::PastDeadline(closed);
                    return Poll::Ready(Next::End(self.reject(why, scope)));
                }
                let admitted = ready!(partial.poll_acquire(
                    needs,
                    clock,
                    &mut self.timer,
                    cx,
                    self.permit.gate()
                ));
                if let Err((why, scope)) = admitted {
                    return Poll::Ready(Next::End(self.reject(why, scope)));
                }
            }
            if self.permit.is_admitted() {
                break;
            }
            if let Err(why) = ready!(self.permit.poll_acquire(needs, clock, &mut self.timer, cx)) {
                let scope = self.permit.gate().scope().clone();
                return Poll::Ready(Next::End(self.reject(why, scope)));
            }
            // Others may have learned meanwhile which bucket it is.
        }
        self.note_what_it_waited_for();
        Poll::Ready(Next::Ready)
    }

    /// Keeps for the report what the call has waited for.
    /// Slow starts and queues are told only of a call that nothing else has kept.
    pub(super) fn note_what_it_waited_for(&mut self) {
        let bucket = self
            .retry_state
            .as_mut()
            .and_then(|retry_state| retry_state.bucket.as_mut());
        let of_bucket = bucket.and_then(Permit::take_wait_reason);
        let of_partial = self
            .retry_state
            .as_mut()
            .and_then(|retry_state| retry_state.partial.take_wait_reason());
        let of_scope = self.permit.take_wait_reason();
        for (reason, words) in of_bucket.into_iter().chain(of_partial).chain(of_scope) {
            let retry_state = self.retry_state.get_or_insert_with(Box::default);
            if retry_state.decided_by.is_none() || reason.is_certain() {
                retry_state.decided_by = Some(words);
            }
        }
    }

    /// Looks up the bucket of the call.
    /// While it waited, a response to a call of its kind may have named another. Returns whether it is the one that
    /// was known.
    pub(super) fn update_bucket(&mut self) -> bool {
        let request = self.outgoing.head();
        let Some(gate) = self.settings.bucket_of(&request, self.permit.gate()) else {
            return true;
        };
        let cost = self.permit.cost();
        let retry_state = self.retry_state.get_or_insert_with(Box::default);
        let known = retry_state.bucket.as_ref().map(Permit::gate);
        let same = known.is_some_and(|known| Arc::ptr_eq(known, &gate));
        if !same {
            retry_state.bucket = Some(Permit::new(gate, cost));
        }
        same
    }

    /// Releases the gates of the bucket and of partial quotas.
    pub(super) fn release_bucket(&mut self) {
        let Some(retry_state) = &mut self.retry_state else {
            return;
        };
        if let Some(bucket) = &mut retry_state.bucket {
            bucket.release();
        }
        retry_state.partial.release();
    }

    /// Whether all gates have stayed open since they admitted the call.
    pub(super) fn commit(&mut self, now: Moment) -> bool {
        if !self.update_bucket() {
            self.permit.release();
            return false;
        }
        let Some(retry_state) = &mut self.retry_state else {
            return self.permit.commit(now);
        };
        let bucket = &mut retry_state.bucket;
        let holds = bucket.as_mut().is_none_or(|bucket| bucket.commit(now))
            && retry_state.partial.commit(now)
            && self.permit.commit(now);
        if !holds {
            bucket.iter_mut().for_each(Permit::abort);
            retry_state.partial.abort();
            self.permit.release();
        }
        holds
    }
}
