//! Closings by the head of a response, which its body may still lengthen or take back.

use super::{ClosedUntil, Closing, Cooldown, OpensAt, Wait, lengthen};
use crate::time::{Moment, later};

/// Names a provisional closing: one by the head of a response whose body is still being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ProvisionalId(u32);

/// The provisional closings, which a body may still lengthen or take back.
#[derive(Clone, Debug, Default)]
pub(super) struct Provisional {
    pub(super) closings: Vec<ByHead>,
    /// The latest closing that holds whatever becomes of these.
    pub(super) settled: Option<ClosedUntil>,
}

#[derive(Clone, Debug)]
pub(super) struct ByHead {
    id: ProvisionalId,
    closed: ClosedUntil,
    named: bool,
    refused: bool,
    /// The generation that it began.
    pub(super) began: Option<u16>,
    pub(super) counted: bool,
    /// The start and the random bits of the generation before.
    before: (Moment, u64),
}

impl Cooldown {
    /// Closes by the head of a response whose body is still to be read.
    /// The body [resolves](Self::resolve) it.
    pub(crate) fn close_provisionally(
        &mut self,
        sent_under: u16,
        closing: Closing,
        bits: u64,
    ) -> ProvisionalId {
        let before = (self.since, self.bits);
        let (news, began) = self.begin(sent_under, &closing, bits);
        let counted = news && closing.refused;
        self.count(counted);
        let until = later(closing.received_at, self.wait_length(&closing));
        let closed = ClosedUntil {
            until,
            decided_by: closing.decided_by,
        };
        let settled = self.closed.as_deref().cloned();
        let provisional = self.provisional.get_or_insert_with(|| {
            Box::new(Provisional {
                settled,
                ..Provisional::default()
            })
        });
        self.last_head = self.last_head.wrapping_add(1);
        let id = ProvisionalId(self.last_head);
        provisional.closings.push(ByHead {
            id,
            closed: closed.clone(),
            named: matches!(closing.wait, Wait::Named(_)),
            refused: closing.refused,
            began,
            counted,
            before,
        });
        lengthen(&mut self.closed, closed);
        id
    }

    /// Settles a provisional closing, now that the whole response is known.
    /// It stands, lasts longer, or is taken back. A wait that the head named is never shortened; one that it did not
    /// name gives way to what the body says.
    pub(crate) fn resolve(
        &mut self,
        id: ProvisionalId,
        closing: Option<Closing>,
        now: Moment,
    ) -> Option<OpensAt> {
        let head = self.remove(id)?;
        let Some(closing) = closing else {
            self.take_back(&head, now);
            self.closed = self.latest();
            self.forget_settled();
            return None;
        };
        if closing.refused {
            // By its head it was served, and its body makes it a refusal.
            self.count(!head.refused && head.began == Some(self.generation));
            self.confirm_streak();
        }
        let named = head.named.then_some(head.closed);
        let opening = self.settle(closing);
        let own = named
            .as_ref()
            .map_or(opening.own, |named| named.until.max(opening.own));
        if let Some(named) = named {
            self.hold(named);
        }
        self.closed = self.latest();
        self.forget_settled();
        let gate = self.closed.as_ref().map_or(own, |closed| closed.until);
        Some(OpensAt { own, gate })
    }

    /// Lets a provisional closing stand: the rest of its response will not be read.
    /// Returns whether it was a refusal.
    pub(crate) fn confirm(&mut self, id: ProvisionalId) -> bool {
        let Some(head) = self.remove(id) else {
            return false;
        };
        let refused = head.refused;
        if refused {
            self.confirm_streak();
        }
        self.hold(head.closed);
        self.forget_settled();
        refused
    }

    /// Whether all closings since this generation are by heads of served responses whose bodies are still being read.
    pub(super) fn was_closed_by_served_heads_since(&self, sent_under: u16) -> bool {
        let Some(provisional) = &self.provisional else {
            return false;
        };
        let is_by_served = |generation| {
            let mut heads = provisional.closings.iter();
            heads.any(|head| !head.refused && head.began == Some(generation))
        };
        let mut generation = self.generation;
        while generation != sent_under && is_by_served(generation) {
            generation = generation.wrapping_sub(1);
        }
        generation == sent_under
    }

    fn remove(&mut self, id: ProvisionalId) -> Option<ByHead> {
        let closings = &mut self.provisional.as_mut()?.closings;
        let at = closings.iter().position(|head| head.id == id)?;
        Some(closings.swap_remove(at))
    }

    /// Undoes what a closing did to the generation and the streak.
    /// Not if another of the same generation did the same.
    fn take_back(&mut self, head: &ByHead, now: Moment) {
        let others = self
            .provisional
            .iter_mut()
            .flat_map(|rest| &mut rest.closings);
        let heir = others.into_iter().find(|other| other.refused);
        if let Some(heir) = heir.filter(|_| head.refused) {
            self.streak -= u32::from(heir.counted && head.counted).min(self.streak);
            heir.counted |= head.counted;
            if heir.began.is_none() {
                (heir.began, heir.before) = (head.began, head.before);
            }
            return;
        }
        if head.counted {
            self.streak = self.streak.saturating_sub(1);
        }
        // As long as it held, no call was admitted in its generation.
        if head.began == Some(self.generation) && head.closed.until > now {
            self.generation = self.generation.wrapping_sub(1);
            (self.since, self.bits) = head.before;
        }
    }

    /// The latest of all closings that hold.
    fn latest(&self) -> Option<Box<ClosedUntil>> {
        let Some(provisional) = &self.provisional else {
            return self.closed.clone();
        };
        let by_head = provisional.closings.iter().map(|head| &head.closed);
        let all = provisional.settled.iter().chain(by_head);
        all.max_by_key(|closed| closed.until).cloned().map(Box::new)
    }

    fn forget_settled(&mut self) {
        if self
            .provisional
            .as_ref()
            .is_some_and(|provisional| provisional.closings.is_empty())
        {
            self.provisional = None;
        }
    }
}
