//! The cooldown of a gate: until when it is closed, and how that wait grows.

use std::borrow::Cow;
use std::time::Duration;

use super::breaker::PathHash;
use crate::retry::positive_jitter;
use crate::time::{Moment, later};

/// The wait after a bare 429 grows up to this.
const LONGEST_BARE: Duration = Duration::from_secs(15 * 60);

/// A closing, as a response asks for it.
#[derive(Clone, Debug)]
pub(crate) struct Closing {
    pub(crate) wait: Wait,
    /// When the head of the response arrived: the wait starts there.
    pub(crate) received_at: Moment,
    /// Whether it was a refusal, and not a served response that spent the last of a quota.
    pub(crate) refused: bool,
    /// Whether a limit refused the call, so that what was served before says what a window holds.
    pub(crate) by_limit: bool,
    /// What was asked for.
    pub(crate) path: PathHash,
    pub(crate) decided_by: Cow<'static, str>,
    /// A probe is sent after this long, whatever wait was named.
    pub(crate) max_wait: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    Named(Duration),
    Bare(Duration),
}

/// The moment from which the scope may be called, and which header or rule said so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ClosedUntil {
    pub(crate) until: Moment,
    pub(crate) decided_by: Cow<'static, str>,
}

/// When the gate opens after a closing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OpensAt {
    /// By this closing alone.
    pub(crate) own: Moment,
    /// By all closings that hold.
    pub(crate) gate: Moment,
}

/// Names a provisional closing: one by the head of a response whose body is still being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ProvisionalId(u32);

/// The provisional closings, which a body may still lengthen or take back.
#[derive(Debug, Default)]
struct Unsettled {
    closings: Vec<ByHead>,
    /// The latest closing that holds whatever becomes of these.
    settled: Option<ClosedUntil>,
}

#[derive(Debug)]
struct ByHead {
    id: ProvisionalId,
    closed: ClosedUntil,
    named: bool,
    refused: bool,
    /// The generation that it began.
    began: Option<u16>,
    counted: bool,
    /// The start and the random bits of the generation before.
    before: (Moment, u64),
}

#[derive(Debug, Default)]
pub(crate) struct Cooldown {
    /// The latest of all closings.
    closed: Option<Box<ClosedUntil>>,
    unsettled: Option<Box<Unsettled>>,
    /// The number of the last provisional closing.
    /// Reopening does not reset it: a body that began before it concerns no later closing.
    last_head: u32,
    /// Counts closings.
    /// A call remembers the generation it was sent under: a refusal of a call from before the last closing belongs to
    /// that closing and is not another one.
    generation: u16,
    /// Closings in a row without a served response between.
    streak: u32,
    /// The random bits of this closing, drawn once.
    bits: u64,
    /// When the response arrived that began this generation.
    since: Moment,
}

impl Cooldown {
    #[inline]
    pub(crate) fn generation(&self) -> u16 {
        self.generation
    }

    /// The generation in which a call was sent of which that is known only now.
    pub(crate) fn generation_at(&self, sent: Moment) -> u16 {
        let before = u16::from(sent < self.since);
        self.generation.wrapping_sub(before)
    }

    /// The closing that holds now.
    #[inline]
    pub(crate) fn closed(&self, now: Moment) -> Option<&ClosedUntil> {
        self.closed.as_deref().filter(|closed| closed.until > now)
    }

    /// Closes the gate, or keeps it closed for longer; never for shorter. Returns the moment of opening.
    ///
    /// A call from before the last closing tells nothing new, so the streak does not grow. But if the gate has opened
    /// since, it closes again, and that is another closing.
    pub(crate) fn close(&mut self, sent_under: u16, closing: Closing, bits: u64) -> OpensAt {
        let (news, _) = self.begin(sent_under, &closing, bits);
        self.count(news && closing.refused);
        if !news && closing.refused {
            self.confirm_streak();
        }
        self.settle(closing)
    }

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
        let unsettled = self.unsettled.get_or_insert_with(|| {
            Box::new(Unsettled {
                settled,
                ..Unsettled::default()
            })
        });
        self.last_head = self.last_head.wrapping_add(1);
        let id = ProvisionalId(self.last_head);
        unsettled.closings.push(ByHead {
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
    pub(crate) fn confirm(&mut self, id: ProvisionalId) -> Option<Moment> {
        let head = self.remove(id)?;
        if head.refused {
            self.confirm_streak();
        }
        let until = head.closed.until;
        self.hold(head.closed);
        self.forget_settled();
        Some(until)
    }

    /// Another refusal whose closing is still provisional.
    pub(crate) fn another_refusal(&self) -> Option<ProvisionalId> {
        let heads = self.unsettled.iter().flat_map(|rest| &rest.closings);
        heads
            .into_iter()
            .find(|head| head.refused)
            .map(|head| head.id)
    }

    /// Begins a generation if the closing is news.
    /// Its call was sent in the current one, or the gate is open.
    fn begin(&mut self, sent_under: u16, closing: &Closing, bits: u64) -> (bool, Option<u16>) {
        let news = sent_under == self.generation;
        let begins = news || self.closed(closing.received_at).is_none();
        if begins {
            self.generation = self.generation.wrapping_add(1);
            self.since = closing.received_at;
            self.bits = bits;
        }
        (news, begins.then_some(self.generation))
    }

    fn count(&mut self, refused: bool) {
        self.streak = self.streak.saturating_add(u32::from(refused));
    }

    /// Makes the growth of the streak final: another refusal of the same generation stands.
    fn confirm_streak(&mut self) {
        if let Some(unsettled) = &mut self.unsettled {
            for head in &mut unsettled.closings {
                (head.counted, head.began) = (false, None);
            }
        }
    }

    fn settle(&mut self, closing: Closing) -> OpensAt {
        let own = later(closing.received_at, self.wait_length(&closing));
        self.hold(ClosedUntil {
            until: own,
            decided_by: closing.decided_by,
        });
        let gate = self.closed.as_ref().map_or(own, |closed| closed.until);
        OpensAt { own, gate }
    }

    /// Stays closed until then whatever bodies say.
    fn hold(&mut self, closed: ClosedUntil) {
        if let Some(unsettled) = &mut self.unsettled {
            if unsettled
                .settled
                .as_ref()
                .is_none_or(|settled| settled.until < closed.until)
            {
                unsettled.settled = Some(closed.clone());
            }
        }
        lengthen(&mut self.closed, closed);
    }

    fn remove(&mut self, id: ProvisionalId) -> Option<ByHead> {
        let closings = &mut self.unsettled.as_mut()?.closings;
        let at = closings.iter().position(|head| head.id == id)?;
        Some(closings.swap_remove(at))
    }

    /// Undoes what a closing did to the generation and the streak.
    /// Not if another of the same generation did the same.
    fn take_back(&mut self, head: &ByHead, now: Moment) {
        let others = self
            .unsettled
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
        let Some(unsettled) = &self.unsettled else {
            return self.closed.clone();
        };
        let provisional = unsettled.closings.iter().map(|head| &head.closed);
        let all = unsettled.settled.iter().chain(provisional);
        all.max_by_key(|closed| closed.until).cloned().map(Box::new)
    }

    fn forget_settled(&mut self) {
        if self
            .unsettled
            .as_ref()
            .is_some_and(|unsettled| unsettled.closings.is_empty())
        {
            self.unsettled = None;
        }
    }

    /// The header or the rule behind the last closing.
    pub(crate) fn last_decided_by(&self) -> Cow<'static, str> {
        let closed = self.closed.as_ref();
        closed.map_or(Cow::Borrowed("a refusal"), |closed| {
            closed.decided_by.clone()
        })
    }

    /// When the last closing ends that is not provisional.
    pub(crate) fn last_settled(&self) -> Option<Moment> {
        match &self.unsettled {
            Some(unsettled) => unsettled.settled.as_ref(),
            None => self.closed.as_deref(),
        }
        .map(|closed| closed.until)
    }

    /// The closing that holds now and is not provisional.
    pub(crate) fn settled(&self, now: Moment) -> Option<&ClosedUntil> {
        match &self.unsettled {
            Some(unsettled) => unsettled
                .settled
                .as_ref()
                .filter(|closed| closed.until > now),
            None => self.closed(now),
        }
    }

    fn wait_length(&self, closing: &Closing) -> Duration {
        let wait = match closing.wait {
            Wait::Named(wait) => closing.max_wait.map_or(wait, |most| wait.min(most)),
            Wait::Bare(least) => self.bare_wait(least),
        };
        // A quota that was spent as planned is no refusal: its callers are not spread.
        let spread = if closing.refused { self.bits } else { 0 };
        wait.saturating_add(positive_jitter(wait, spread))
    }

    fn bare_wait(&self, least: Duration) -> Duration {
        let doublings = self.streak.saturating_sub(1).min(31);
        let longest = LONGEST_BARE.max(least);
        least.saturating_mul(1 << doublings).min(longest)
    }

    /// Whether a call of this generation asks if the limit is lifted.
    pub(crate) fn is_probe(&self, sent_under: u16) -> bool {
        sent_under == self.generation && self.streak > 0
    }

    /// Notes that a call was served. If it was sent since the last closing, the limit is lifted.
    #[inline]
    pub(crate) fn on_success(&mut self, sent_under: u16) {
        if sent_under == self.generation {
            self.streak = 0;
        }
    }

    /// Opens now.
    pub(crate) fn reopen(&mut self) {
        self.closed = None;
        self.unsettled = None;
        self.streak = 0;
    }

    /// Whether it can be forgotten: it is open, and no wait would still grow from here.
    pub(crate) fn is_idle(&self, now: Moment) -> bool {
        let grows = if self.streak > 0 {
            LONGEST_BARE
        } else {
            Duration::ZERO
        };
        let opened = self.closed.as_ref().map(|closed| closed.until + grows);
        opened.is_none_or(|forgotten| forgotten <= now)
    }
}

/// Closes until the later of both moments.
fn lengthen(closed: &mut Option<Box<ClosedUntil>>, by: ClosedUntil) {
    match closed {
        Some(closed) if closed.until >= by.until => {}
        closed => *closed = Some(Box::new(by)),
    }
}

#[cfg(test)]
mod tests;
