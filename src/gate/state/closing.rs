//! A gate closes, by the head of a response or by all of it, and begins slowly after that.

use super::State;
use crate::gate::cooldown::{Closing, Cooldown, HeadId, Opening, Wait};
use crate::gate::outage::PathHash;
use crate::gate::ramp::Ramp;
use crate::gate::words::{Pass, Wake};
use crate::moment::Moment;

/// The slow start that a closing by a head has interrupted, while that may still be taken back.
#[derive(Debug)]
pub(super) struct Interrupted {
    by: HeadId,
    pub(super) ramp: Ramp,
    ramp_epoch: u16,
}

/// What of a closing matters to the slow start after it.
#[derive(Clone, Copy)]
struct Restart {
    refused: bool,
    by_a_limit: bool,
    named: bool,
    heard: Moment,
}

impl State {
    /// Whether a call was sent after the last closing, and none has been served since.
    pub(crate) fn was_probe(&self, pass: Pass) -> bool {
        self.cooldown.is_probe(pass.epoch)
    }

    /// Closes the gate; calls whose patience ends before it opens are told at once.
    pub(crate) fn close(
        &mut self,
        sent_under: u16,
        closing: Closing,
        roll: u64,
    ) -> (Opening, Wake) {
        let restart = self.restart_after(sent_under, &closing);
        let before = self.cooldown.epoch();
        let opening = self.cooldown.close(sent_under, closing, roll);
        // This refusal stands: the slow start after it is not undone for the sake of another one.
        self.interrupted = self.interrupted.take().filter(|_| !restart.refused);
        let mut wake = self.wake_ending();
        if before != self.cooldown.epoch() {
            self.restart(restart, opening.gate);
            // What it has waited for may have ended later than this.
            wake.first = self.queue.first();
        }
        (opening, wake)
    }

    /// Closes the gate by the head of a response whose body is still to be read. No call is rejected for that yet.
    pub(crate) fn close_by_head(&mut self, sent_under: u16, closing: Closing, roll: u64) -> HeadId {
        let restart = self.restart_after(sent_under, &closing);
        let before = self.cooldown.epoch();
        let id = self.cooldown.close_by_head(sent_under, closing, roll);
        self.due = None;
        if before != self.cooldown.epoch() {
            let shut = self.cooldown.shut(restart.heard);
            let opens = shut.map_or(restart.heard, |shut| shut.until);
            if let Some((ramp, ramp_epoch)) = self.restart(restart, opens) {
                let by = id;
                self.interrupted = Some(Box::new(Interrupted {
                    by,
                    ramp,
                    ramp_epoch,
                }));
            }
        }
        id
    }

    /// The whole response is known: what its head closed stands, lasts longer, or is taken back.
    pub(crate) fn decide(
        &mut self,
        id: HeadId,
        closing: Option<Closing>,
        now: Moment,
    ) -> (Option<Opening>, Wake) {
        let refused = closing.as_ref().is_some_and(|closing| closing.refused);
        let opens = |cooldown: &Cooldown| cooldown.shut(now).map(|shut| shut.until);
        let before = opens(&self.cooldown);
        let opening = self.cooldown.decide(id, closing, now);
        let mut wake = self.wake_ending();
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
            wake.others.extend(self.queue.with_timers(true));
        }
        wake.first = self.queue.first();
        (opening, wake)
    }

    /// The rest of the response will not be read: what its head closed stands.
    pub(crate) fn confirm(&mut self, id: HeadId) -> Wake {
        self.cooldown.confirm(id);
        self.interrupted = None;
        Wake {
            first: self.queue.first(),
            ..self.wake_ending()
        }
    }

    /// How the gate is to begin after this closing. The limit of one path teaches nothing, and what it has taught is
    /// forgotten.
    fn restart_after(&mut self, sent_under: u16, closing: &Closing) -> Restart {
        let (path, heard) = (closing.path, closing.heard);
        let of_one_path = closing.by_a_limit
            && path != PathHash::UNKNOWN
            && self.refused_paths.refused(path, sent_under, heard);
        if of_one_path {
            self.ramp.forget_held();
        }
        Restart {
            refused: closing.refused,
            by_a_limit: closing.by_a_limit && !of_one_path,
            named: matches!(closing.wait, Wait::Named(_)),
            heard,
        }
    }

    /// Begins slowly after a refusal. Returns the slow start, and its first generation, that this one replaces.
    fn restart(&mut self, restart: Restart, opens: Moment) -> Option<(Ramp, u16)> {
        if !restart.refused || self.allowance.is_published() {
            return None;
        }
        let held = if restart.by_a_limit {
            let wait = opens.since(restart.heard);
            self.ramp.held_until(restart.heard, wait, restart.named)
        } else {
            self.ramp.held()
        };
        let before = std::mem::replace(&mut self.ramp, Ramp::one_probe(held));
        let ramp_epoch = std::mem::replace(&mut self.ramp_epoch, self.cooldown.epoch());
        Some((before, ramp_epoch))
    }

    /// The refusal that interrupted this slow start was none.
    fn resume(&mut self, before: Interrupted) {
        let since = std::mem::replace(&mut self.ramp, before.ramp);
        self.ramp.take_over(&since);
        self.ramp_epoch = before.ramp_epoch;
    }

    /// Those whose patience ends before the gate opens.
    fn wake_ending(&mut self) -> Wake {
        self.due = None;
        let opens = self.cooldown.last_settled();
        let others = opens.map(|opens| self.queue.ending_before(opens));
        Wake {
            others: others.unwrap_or_default(),
            ..Wake::default()
        }
    }
}
