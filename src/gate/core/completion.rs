//! How a call ended that was sent: all parts of a gate are told.

use super::{Admitted, Completion, Core, LowWindow, Outcome, PathHash};
use crate::hint::Remaining;
use crate::time::Moment;

impl Core {
    /// Notes how a call ended that was sent.
    /// One that was cancelled keeps its slots: the server may have counted it.
    #[inline]
    pub(crate) fn complete(
        &mut self,
        admitted: Admitted,
        completion: Completion,
        others_wait: bool,
        now: Moment,
    ) {
        self.land(admitted);
        if completion.outcome == Outcome::Cancelled {
            self.limits.cancel();
            self.breaker.on_cancel(admitted.sent);
            return self.learner.on_cancel(admitted.ticket);
        }
        self.limits.complete(admitted, completion, now);
        self.tell_breaker(admitted, completion, now);
        if let Some(counter) = completion.counter.filter(|_| !self.is_stale(admitted)) {
            let max_reset = completion.max_reset;
            let mut counter = Remaining {
                resets_in: counter.resets_in.map(|resets_in| resets_in.min(max_reset)),
                ..counter
            };
            if completion.outcome == Outcome::Ok && counter.remaining <= self.load() {
                let round_trip = now.since(admitted.sent);
                self.declared_end
                    .replace(&mut counter, &mut self.limits, round_trip, now);
            }
            let is_settled = self.cost_in_flight == Some(0);
            let is_quiet = self.in_flight == 0;
            self.learner
                .on_counter(counter, admitted.ticket, is_settled, is_quiet, now);
        } else {
            self.learner.on_silence();
        }
        if completion.outcome == Outcome::Ok {
            if completion.counter.is_none() {
                self.learner.on_silent_success(admitted.ticket);
            }
            self.youngest_served = self.youngest_served.max(admitted.sent);
            self.cooldown.on_success(admitted.generation);
            let ticket = admitted.ticket;
            self.learner
                .on_success(ticket, admitted.sent, others_wait, now);
            if self.limits.has_margin() {
                self.limits.on_round_trip(self.learner.peak_deviation());
            }
        } else {
            self.learner.on_answer(admitted.ticket, now);
        }
    }

    #[inline]
    pub(super) fn tell_breaker(&mut self, admitted: Admitted, completion: Completion, now: Moment) {
        let path = completion.path;
        match completion.outcome {
            Outcome::Unavailable => {
                self.note_bare_503(completion, now);
                self.breaker
                    .on_failure(path, admitted.sent, self.last_served, now);
            }
            Outcome::Ok => {
                if path != PathHash::UNKNOWN {
                    self.refused_paths.on_success(path, now);
                    self.shedding_paths.on_success(path, now);
                }
                self.last_served = self.last_served.max(now);
                self.on_answer();
            }
            Outcome::RateLimited | Outcome::RateLimitedElsewhere | Outcome::ServerError => {
                self.note_bare_503(completion, now);
                self.on_answer();
            }
            Outcome::UnavailableAccepted => self.breaker.on_cancel(admitted.sent),
            Outcome::Unconcerned | Outcome::Cancelled => {}
        }
    }

    fn note_bare_503(&mut self, completion: Completion, now: Moment) {
        if completion.bare_503 {
            let is_limit = completion.outcome != Outcome::Unavailable;
            self.shedding_paths
                .on_bare_503(completion.path, is_limit, now);
        }
    }

    /// Notes that the server works. After an outage it is asked slowly at first.
    #[inline]
    fn on_answer(&mut self) {
        if self.breaker.on_answer() {
            self.learner.on_outage();
        }
    }

    /// Whether little seems to be left of a declared quota, and that is news.
    #[inline]
    pub(crate) fn has_low_news(&self) -> bool {
        self.limits.has_low_news()
    }

    /// Says what is left of a declared quota of which little is left, once until there is enough again.
    pub(crate) fn take_low_news(&mut self, now: Moment) -> Option<LowWindow> {
        self.limits.take_low_news(now)
    }
}
