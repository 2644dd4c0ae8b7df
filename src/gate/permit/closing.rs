//! A call closes its gate: by its response, or by the head of it.

use std::sync::Arc;
use std::task::Waker;

use super::{Permit, Stage, stage_after};
use crate::gate::core::{Closing, Completion, OpensAt};
use crate::gate::gate::WakeList;
use crate::gate::guards::ProvisionalClosing;
use crate::gate::member::tell_close;
use crate::time::Moment;

impl Permit {
    /// Notes how the call ended, and closes the gate, unless the head of the response did so already.
    /// Returns when it opens.
    pub(crate) fn complete_and_close(
        &mut self,
        completion: Completion,
        closing: Closing,
        provisional: Option<(ProvisionalClosing, Moment)>,
        bits: u64,
        now: Moment,
    ) -> Option<OpensAt> {
        let admitted = self.admitted_at(Stage::Sent)?;
        let provisional = provisional.and_then(|(head, now)| {
            if Arc::ptr_eq(&head.gate, &self.gate) {
                let was_probe = head.was_probe;
                return Some((head.id()?, was_probe, now));
            }
            head.take_back(now);
            None
        });
        let mut gate = self.gate.lock();
        let stale = gate.core.is_stale(admitted);
        self.stage = stage_after(&gate);
        let freed = gate.complete(admitted, completion, now);
        let refused = closing.refused;
        let is_news = refused || !stale;
        let was_probe = match provisional {
            Some((_, was_probe, _)) => was_probe,
            None => gate.core.was_probe(admitted),
        };
        let head_closed = provisional.is_some();
        if is_news {
            let is_first = !was_probe && (head_closed || gate.core.is_of_this_closing(admitted));
            gate.core.learn(admitted, &closing, is_first);
        }
        let goes_behind = closing.refused && was_probe && self.number != 0;
        let is_refused_again = gate.core.closings_in_a_row() > 1;
        let behind = goes_behind.then(|| gate.waiters.arrive_behind(self.number, is_refused_again));
        let (opens, wake) = match provisional {
            Some((id, _, now)) => gate.resolve(id, is_news.then_some(closing), now),
            None if is_news => {
                let (opens, wake) = gate.close(admitted.generation, closing, bits);
                (Some(opens), wake)
            }
            None => (None, WakeList::default()),
        };
        self.gate.set_watches_paths(gate.core.watches_paths());
        self.gate.note_low_news(&gate.core);
        drop(gate);
        freed.into_iter().for_each(Waker::wake);
        wake.wake();
        self.tell_outcome(completion);
        if let Some(opens) = opens {
            // Only what this response said: what else holds the gate, the fleet may have said itself.
            tell_close(&self.gate, opens.own.since(now), refused);
        }
        // A refused probe goes behind the others: an endpoint that is always refused must not starve its host.
        self.number = behind.unwrap_or(self.number);
        opens
    }

    /// Closes the gate by the head of a response whose body is still to be read.
    pub(crate) fn close_provisionally(
        &self,
        closing: Closing,
        bits: u64,
    ) -> Option<ProvisionalClosing> {
        let admitted = self.admitted_at(Stage::Sent)?;
        let mut gate = self.gate.lock();
        if !closing.refused && gate.core.is_stale(admitted) {
            return None;
        }
        let was_probe = gate.core.was_probe(admitted);
        let refused = closing.refused;
        let id = gate.close_provisionally(admitted.generation, closing, bits);
        self.gate.set_watches_paths(gate.core.watches_paths());
        drop(gate);
        Some(ProvisionalClosing {
            gate: Arc::clone(&self.gate),
            was_probe,
            id: Some(id),
            refused,
        })
    }
}
