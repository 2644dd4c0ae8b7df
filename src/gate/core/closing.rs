//! Closing a gate, by the head of a response or by all of it, and the slow start that follows.

use super::cooldown::{ClosedUntil, Closing, OpensAt, ProvisionalId, Wait};
use super::slow_start::SlowStart;
use super::{Admitted, Core, PathHash};
use crate::time::Moment;

/// The slow start that a provisional closing has interrupted, as long as that may be taken back.
#[derive(Debug)]
pub(super) struct Interrupted {
    by: ProvisionalId,
    pub(super) slow_start: SlowStart,
    slow_start_generation: u16,
}

/// What of a closing matters to the slow start after it.
#[derive(Clone, Copy)]
struct Restart {
    refused: bool,
    by_limit: bool,
    named: bool,
    received_at: Moment,
}

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

    /// Closes the gate. The call that was refused belongs to the generation `sent_under`.
    pub(crate) fn close(&mut self, sent_under: u16, closing: Closing, bits: u64) -> Closed {
        let restart = self.restart_after(sent_under, &closing);
        let before = self.cooldown.generation();
        let opens = self.cooldown.close(sent_under, closing, bits);
        // This refusal stands: the slow start after it is not undone for the sake of another one.
        self.interrupted = self.interrupted.take().filter(|_| !restart.refused);
        let is_new = before != self.cooldown.generation();
        if is_new {
            self.restart(restart, opens.gate);
        }
        Closed { opens, is_new }
    }

    /// Closes the gate by the head of a response whose body is still to be read.
    pub(crate) fn close_provisionally(
        &mut self,
        sent_under: u16,
        closing: Closing,
        bits: u64,
    ) -> ProvisionalId {
        let restart = self.restart_after(sent_under, &closing);
        let before = self.cooldown.generation();
        let id = self.cooldown.close_provisionally(sent_under, closing, bits);
        if before != self.cooldown.generation() {
            let closed = self.cooldown.closed(restart.received_at);
            let opens = closed.map_or(restart.received_at, |closed| closed.until);
            if let Some((slow_start, slow_start_generation)) = self.restart(restart, opens) {
                self.interrupted = Some(Box::new(Interrupted {
                    by: id,
                    slow_start,
                    slow_start_generation,
                }));
            }
        }
        id
    }

    /// Settles a provisional closing, now that the whole response is known.
    /// It stands, lasts longer, or is taken back.
    pub(crate) fn resolve(
        &mut self,
        id: ProvisionalId,
        closing: Option<Closing>,
        now: Moment,
    ) -> Option<OpensAt> {
        let refused = closing.as_ref().is_some_and(|closing| closing.refused);
        let opens = self.cooldown.resolve(id, closing, now);
        let heir = self.cooldown.another_refusal();
        match (self.interrupted.take().filter(|_| !refused), heir) {
            (Some(mut before), Some(heir)) if before.by == id => {
                before.by = heir;
                self.interrupted = Some(before);
            }
            (Some(before), None) if before.by == id => self.resume(*before),
            (before, _) => self.interrupted = before,
        }
        opens
    }

    /// Lets a provisional closing stand, since the rest of its response will not be read.
    pub(crate) fn confirm(&mut self, id: ProvisionalId) {
        self.cooldown.confirm(id);
        self.interrupted = None;
    }

    /// Opens the gate now, whatever has closed it. The first call through it is a probe.
    pub(crate) fn reopen(&mut self) {
        self.cooldown.reopen();
        self.limits.reopen();
        self.breaker.reopen();
        self.interrupted = None;
        // What was learned from a wait that was wrong is wrong, too.
        self.slow_start = SlowStart::one_probe(None);
        self.slow_start_generation = self.cooldown.generation();
    }

    /// The closing that holds now, provisional ones included.
    pub(crate) fn closed(&self, now: Moment) -> Option<&ClosedUntil> {
        self.cooldown.closed(now)
    }

    /// The closing that holds now whatever is still to be read.
    pub(crate) fn settled(&self, now: Moment) -> Option<&ClosedUntil> {
        self.cooldown.settled(now)
    }

    /// When the last closing ends that holds whatever is still to be read.
    pub(crate) fn last_settled(&self) -> Option<Moment> {
        self.cooldown.last_settled()
    }

    /// What matters to the slow start after a closing.
    /// Nothing is learned from the limit of one path, and what was learned before is forgotten.
    fn restart_after(&mut self, sent_under: u16, closing: &Closing) -> Restart {
        let (path, received_at) = (closing.path, closing.received_at);
        let of_one_path = closing.by_limit
            && path != PathHash::UNKNOWN
            && self.refused_paths.on_refusal(path, sent_under, received_at);
        if of_one_path {
            self.slow_start.forget_learned();
        }
        Restart {
            refused: closing.refused,
            by_limit: closing.by_limit && !of_one_path,
            named: matches!(closing.wait, Wait::Named(_)),
            received_at,
        }
    }

    /// Begins slowly after a refusal.
    /// Returns the slow start that this one replaces, and its first generation.
    fn restart(&mut self, restart: Restart, opens: Moment) -> Option<(SlowStart, u16)> {
        if !restart.refused || self.limits.has_server_quota() {
            return None;
        }
        let learned = if restart.by_limit {
            let wait = opens.since(restart.received_at);
            self.slow_start
                .learn(restart.received_at, wait, restart.named)
        } else {
            self.slow_start.learned()
        };
        let before = std::mem::replace(&mut self.slow_start, SlowStart::one_probe(learned));
        let generation = self.cooldown.generation();
        let generation_before = std::mem::replace(&mut self.slow_start_generation, generation);
        Some((before, generation_before))
    }

    /// Goes on with the slow start that a refusal interrupted which was none.
    fn resume(&mut self, before: Interrupted) {
        let since = std::mem::replace(&mut self.slow_start, before.slow_start);
        self.slow_start.take_over(&since);
        self.slow_start_generation = before.slow_start_generation;
    }
}
