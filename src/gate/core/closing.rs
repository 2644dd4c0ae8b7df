//! Closing a gate, by the head of a response or by all of it.

use super::cooldown::{ClosedUntil, Closing, OpensAt, ProvisionalId, Wait};
use super::learning::RefusalWait;
use super::{Admitted, Core, PathHash};
use crate::time::Moment;

/// What a closing has changed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Closed {
    pub(crate) opens: OpensAt,
    /// Whether what waiting calls wait for has changed.
    pub(crate) is_new: bool,
}

impl Core {
    /// Whether a call was sent after the last closing, and none has been served since.
    pub(crate) fn was_probe(&self, admitted: Admitted) -> bool {
        self.cooldown.is_probe(admitted.generation)
    }

    /// Whether no response has closed the gate since the call was sent.
    pub(crate) fn is_of_this_closing(&self, admitted: Admitted) -> bool {
        self.cooldown.generation() == admitted.generation
    }

    /// Closes the gate. The call that was refused belongs to the generation `sent_under`.
    pub(crate) fn close(&mut self, sent_under: u16, closing: Closing, bits: u64) -> Closed {
        let closing = self.with_floor(closing);
        let before = self.cooldown.generation();
        let opens = self.cooldown.close(sent_under, closing, bits);
        let is_new = before != self.cooldown.generation();
        Closed { opens, is_new }
    }

    /// Closes the gate by the head of a response whose body is still to be read.
    pub(crate) fn close_provisionally(
        &mut self,
        sent_under: u16,
        closing: Closing,
        bits: u64,
    ) -> ProvisionalId {
        let closing = self.with_floor(closing);
        self.cooldown.close_provisionally(sent_under, closing, bits)
    }

    /// A refusal that names no time to speak of closes the gate for a round trip, twice that, and so on. A served answer
    /// closes it until the end of the declared window, if that is as good as the published one.
    fn with_floor(&self, closing: Closing) -> Closing {
        let round_trip = self.learner.round_trip();
        match closing.wait {
            Wait::Named(wait) if closing.refused && wait < round_trip => Closing {
                wait: Wait::Short(round_trip),
                ..closing
            },
            Wait::Named(wait) if !closing.refused => {
                let published = closing.received_at + wait;
                let end = self.declared_end.of(published).unwrap_or(published);
                Closing {
                    wait: Wait::Named(end.since(closing.received_at)),
                    ..closing
                }
            }
            _ => closing,
        }
    }

    /// Settles a provisional closing, now that the whole response is known.
    /// It stands, lasts longer, or is taken back.
    pub(crate) fn resolve(
        &mut self,
        id: ProvisionalId,
        closing: Option<Closing>,
        now: Moment,
    ) -> Option<OpensAt> {
        let closing = closing.map(|closing| self.with_floor(closing));
        self.cooldown.resolve(id, closing, now)
    }

    /// Lets a provisional closing stand, since the rest of its response will not be read.
    pub(crate) fn confirm(&mut self, id: ProvisionalId) {
        if self.cooldown.confirm(id) {
            self.learner.on_outage();
        }
    }

    /// Learns from a refusal that closes the gate, or has closed it by its head.
    /// `is_first` is one after calls were served: an outage is none.
    pub(crate) fn learn(&mut self, admitted: Admitted, closing: &Closing, is_first: bool) {
        if !closing.refused {
            return;
        }
        let (path, received_at) = (closing.path, closing.received_at);
        let of_one_path = closing.by_limit
            && path != PathHash::UNKNOWN
            && self
                .refused_paths
                .on_refusal(path, admitted.generation, received_at);
        if of_one_path {
            // It is no limit on all calls, and what its refusals have taught is wrong.
            self.learner.forget();
        }
        self.declared_end.on_refusal(admitted.sent, received_at);
        if closing.by_limit && is_first {
            self.limits.on_refusal();
        }
        let may_be_outage = closing.wait == Wait::SHED && !self.shedding_paths.is_proven(path);
        if !closing.by_limit || of_one_path || may_be_outage || self.limits.explains_refusals() {
            return self.learner.on_outage();
        }
        let wait = match closing.wait {
            Wait::Named(wait) => {
                RefusalWait::Named(closing.max_wait.map_or(wait, |most| wait.min(most)))
            }
            Wait::Bare(least) | Wait::Short(least) => RefusalWait::Floor(least),
        };
        self.learner
            .on_refusal(admitted.ticket, admitted.sent, wait, received_at);
    }

    /// Opens the gate now, whatever has closed it. The first call through it is a probe.
    pub(crate) fn reopen(&mut self) {
        self.cooldown.reopen();
        self.breaker.reopen();
        // What was learned from a wait that was wrong is wrong, too.
        self.learner.reopen();
        self.fleet_wait.wake();
    }

    /// The closing that holds now, provisional ones included.
    pub(crate) fn closed(&self, now: Moment) -> Option<&ClosedUntil> {
        self.cooldown.closed(now)
    }

    /// The closing that holds now whatever is still to be read.
    pub(crate) fn settled(&self, now: Moment) -> Option<&ClosedUntil> {
        self.cooldown.settled(now)
    }

    /// Closings in a row without a served response between.
    pub(crate) fn closings_in_a_row(&self) -> u32 {
        self.cooldown.streak()
    }

    /// When the last closing ends that holds whatever is still to be read.
    pub(crate) fn last_settled(&self) -> Option<Moment> {
        self.cooldown.last_settled()
    }
}
