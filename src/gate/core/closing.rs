//! A gate closes, by the head of a response or by all of it, and begins slowly after that.

use super::Core;
use crate::gate::admission::{Admitted, WakeList};
use crate::gate::breaker::PathHash;
use crate::gate::cooldown::{Closing, Cooldown, OpensAt, ProvisionalId, Wait};
use crate::gate::slow_start::SlowStart;
use crate::time::Moment;

/// The slow start that a closing by a head has interrupted, while that may still be taken back.
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

impl Core {
    /// Whether a call was sent after the last closing, and none has been served since.
    pub(crate) fn was_probe(&self, admitted: Admitted) -> bool {
        self.cooldown.is_probe(admitted.generation)
    }

    /// Closes the gate; calls whose patience ends before it opens are told at once.
    pub(crate) fn close(
        &mut self,
        sent_under: u16,
        closing: Closing,
        bits: u64,
    ) -> (OpensAt, WakeList) {
        let restart = self.restart_after(sent_under, &closing);
        let before = self.cooldown.generation();
        let opening = self.cooldown.close(sent_under, closing, bits);
        // This refusal stands: the slow start after it is not undone for the sake of another one.
        self.interrupted = self.interrupted.take().filter(|_| !restart.refused);
        let mut wake = self.wake_expiring();
        if before != self.cooldown.generation() {
            self.restart(restart, opening.gate);
            // What it has waited for may have ended later than this.
            wake.first = self.waiters.first();
        }
        (opening, wake)
    }

    /// Closes the gate by the head of a response whose body is still to be read. No call is rejected for that yet.
    pub(crate) fn close_provisionally(
        &mut self,
        sent_under: u16,
        closing: Closing,
        bits: u64,
    ) -> ProvisionalId {
        let restart = self.restart_after(sent_under, &closing);
        let before = self.cooldown.generation();
        let id = self.cooldown.close_provisionally(sent_under, closing, bits);
        self.due = None;
        if before != self.cooldown.generation() {
            let closed = self.cooldown.closed(restart.received_at);
            let opens = closed.map_or(restart.received_at, |closed| closed.until);
            if let Some((slow_start, slow_start_generation)) = self.restart(restart, opens) {
                let by = id;
                self.interrupted = Some(Box::new(Interrupted {
                    by,
                    slow_start,
                    slow_start_generation,
                }));
            }
        }
        id
    }

    /// The whole response is known: what its head closed stands, lasts longer, or is taken back.
    pub(crate) fn resolve(
        &mut self,
        id: ProvisionalId,
        closing: Option<Closing>,
        now: Moment,
    ) -> (Option<OpensAt>, WakeList) {
        let refused = closing.as_ref().is_some_and(|closing| closing.refused);
        let opens = |cooldown: &Cooldown| cooldown.closed(now).map(|closed| closed.until);
        let before = opens(&self.cooldown);
        let opening = self.cooldown.resolve(id, closing, now);
        let mut wake = self.wake_expiring();
        let heir = self.cooldown.another_refusal();
        match (self.interrupted.take().filter(|_| !refused), heir) {
            (Some(mut before), Some(heir)) if before.by == id => {
                before.by = heir;
                self.interrupted = Some(before);
            }
            (Some(before), None) if before.by == id => self.resume(*before),
            (before, _) => self.interrupted = before,
        }
        let after = opens(&self.cooldown);
        if after < before {
            // Waiting calls believe that it opens when the head said: those that look after the others have to know.
            wake.others.extend(self.waiters.wakers_by_timer(true));
        }
        wake.first = self.waiters.first();
        (opening, wake)
    }

    /// The rest of the response will not be read: what its head closed stands.
    pub(crate) fn confirm(&mut self, id: ProvisionalId) -> WakeList {
        self.cooldown.confirm(id);
        self.interrupted = None;
        WakeList {
            first: self.waiters.first(),
            ..self.wake_expiring()
        }
    }

    /// How the gate is to begin after this closing. The limit of one path teaches nothing, and what it has taught is
    /// forgotten.
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

    /// Begins slowly after a refusal. Returns the slow start, and its first generation, that this one replaces.
    fn restart(&mut self, restart: Restart, opens: Moment) -> Option<(SlowStart, u16)> {
        if !restart.refused || self.limits.has_server_quota() {
            return None;
        }
        let held = if restart.by_limit {
            let wait = opens.since(restart.received_at);
            self.slow_start
                .learn(restart.received_at, wait, restart.named)
        } else {
            self.slow_start.learned()
        };
        let before = std::mem::replace(&mut self.slow_start, SlowStart::one_probe(held));
        let slow_start_generation =
            std::mem::replace(&mut self.slow_start_generation, self.cooldown.generation());
        Some((before, slow_start_generation))
    }

    /// The refusal that interrupted this slow start was none.
    fn resume(&mut self, before: Interrupted) {
        let since = std::mem::replace(&mut self.slow_start, before.slow_start);
        self.slow_start.take_over(&since);
        self.slow_start_generation = before.slow_start_generation;
    }

    /// Those whose patience ends before the gate opens.
    fn wake_expiring(&mut self) -> WakeList {
        self.due = None;
        let opens = self.cooldown.last_settled();
        let others = opens.map(|opens| self.waiters.expiring_before(opens));
        WakeList {
            others: others.unwrap_or_default(),
            ..WakeList::default()
        }
    }
}
