//! Until when a gate is shut, and how the wait grows when it shuts again and again.

use std::borrow::Cow;
use std::time::Duration;

use super::outage::PathHash;
use crate::backoff::upward;
use crate::clock::later;
use crate::moment::Moment;

/// The bare floor grows up to this.
const LONGEST_BARE: Duration = Duration::from_secs(15 * 60);

/// A closing, as a response asks for it.
#[derive(Clone, Debug)]
pub(crate) struct Closing {
    pub(crate) wait: Wait,
    /// When the head of the response arrived: the wait starts there.
    pub(crate) heard: Moment,
    /// Was it a refusal, or a served answer that spent the last of a quota?
    pub(crate) refused: bool,
    /// Whether a limit closes it, so that what was served before says what a window holds.
    pub(crate) by_a_limit: bool,
    /// What was asked for.
    pub(crate) path: PathHash,
    pub(crate) decided_by: Cow<'static, str>,
    /// A probe is sent after this long, whatever wait was named.
    pub(crate) at_most: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    Named(Duration),
    Bare(Duration),
}

/// The moment from which the scope may be called, and who said so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shut {
    pub(crate) until: Moment,
    pub(crate) decided_by: Cow<'static, str>,
}

/// When the gate opens after a closing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Opening {
    /// By this closing alone.
    pub(crate) own: Moment,
    /// By all that hold.
    pub(crate) gate: Moment,
}

/// Names a closing by the head of a response whose body is still being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HeadId(u32);

/// Closings that a body may still lengthen or take back.
#[derive(Debug, Default)]
struct Unsettled {
    closings: Vec<ByHead>,
    /// The closing that holds whatever becomes of these.
    settled: Option<Shut>,
}

#[derive(Debug)]
struct ByHead {
    id: HeadId,
    shut: Shut,
    named: bool,
    refused: bool,
    /// The generation that it began, and whether the streak grew by it.
    began: Option<u16>,
    counted: bool,
    /// What the generation before it was.
    before: (Moment, u64),
}

#[derive(Debug, Default)]
pub(crate) struct Cooldown {
    /// The latest of all closings.
    shut: Option<Box<Shut>>,
    unsettled: Option<Box<Unsettled>>,
    /// The last closing by a head. A reopened gate numbers on: a body that began before concerns no later closing.
    last_head: u32,
    /// Counts closings. A call remembers the number it was sent under: a refusal of a call from
    /// before the last closing belongs to that closing and is not another one.
    epoch: u16,
    /// Closings in a row without an accepted answer between.
    streak: u32,
    /// The dice of this closing, thrown once.
    roll: u64,
    /// When the response came that began this epoch.
    since: Moment,
}

impl Cooldown {
    #[inline]
    pub(crate) fn epoch(&self) -> u16 {
        self.epoch
    }

    /// The number of closings when a call was sent, of which it is known only now.
    pub(crate) fn epoch_at(&self, sent: Moment) -> u16 {
        let before = u16::from(sent < self.since);
        self.epoch.wrapping_sub(before)
    }

    /// The closing that still holds.
    #[inline]
    pub(crate) fn shut(&self, now: Moment) -> Option<&Shut> {
        self.shut.as_deref().filter(|shut| shut.until > now)
    }

    /// Shuts, or stays shut for longer; never for shorter. Returns the moment of opening.
    ///
    /// A call from before the last closing tells nothing new, so the streak does not grow; but if
    /// the gate has opened since, it shuts again, and that is another closing.
    pub(crate) fn close(&mut self, sent_under: u16, closing: Closing, roll: u64) -> Opening {
        let (news, _) = self.begin(sent_under, &closing, roll);
        self.count(news && closing.refused);
        if !news && closing.refused {
            self.vouch();
        }
        self.settle(closing)
    }

    /// Closes by the head of a response whose body is still to be read: the body
    /// [decides](Self::decide) what becomes of it.
    pub(crate) fn close_by_head(&mut self, sent_under: u16, closing: Closing, roll: u64) -> HeadId {
        let before = (self.since, self.roll);
        let (news, began) = self.begin(sent_under, &closing, roll);
        let counted = news && closing.refused;
        self.count(counted);
        let until = later(closing.heard, self.length(&closing));
        let shut = Shut {
            until,
            decided_by: closing.decided_by,
        };
        let settled = self.shut.as_deref().cloned();
        let unsettled = self.unsettled.get_or_insert_with(|| {
            Box::new(Unsettled {
                settled,
                ..Unsettled::default()
            })
        });
        self.last_head = self.last_head.wrapping_add(1);
        let id = HeadId(self.last_head);
        unsettled.closings.push(ByHead {
            id,
            shut: shut.clone(),
            named: matches!(closing.wait, Wait::Named(_)),
            refused: closing.refused,
            began,
            counted,
            before,
        });
        lengthen(&mut self.shut, shut);
        id
    }

    /// The whole response is known: its closing stands, is longer than its head said, or is taken back. A wait that
    /// the head named is never shortened; one that it did not name gives way to what the body says.
    pub(crate) fn decide(
        &mut self,
        id: HeadId,
        closing: Option<Closing>,
        now: Moment,
    ) -> Option<Opening> {
        let head = self.remove(id)?;
        let Some(closing) = closing else {
            self.take_back(&head, now);
            self.shut = self.latest();
            self.forget_settled();
            return None;
        };
        if closing.refused {
            // A served answer, by its head, that its body makes a refusal.
            self.count(!head.refused && head.began == Some(self.epoch));
            self.vouch();
        }
        let named = head.named.then_some(head.shut);
        let opening = self.settle(closing);
        let own = named
            .as_ref()
            .map_or(opening.own, |named| named.until.max(opening.own));
        if let Some(named) = named {
            self.hold(named);
        }
        self.shut = self.latest();
        self.forget_settled();
        let gate = self.shut.as_ref().map_or(own, |shut| shut.until);
        Some(Opening { own, gate })
    }

    /// The rest of the response will not be read: what its head said stands.
    pub(crate) fn confirm(&mut self, id: HeadId) -> Option<Moment> {
        let head = self.remove(id)?;
        if head.refused {
            self.vouch();
        }
        let until = head.shut.until;
        self.hold(head.shut);
        self.forget_settled();
        Some(until)
    }

    /// A refusal that closes the gate by its head, as long as its body may still take that back.
    pub(crate) fn another_refusal(&self) -> Option<HeadId> {
        let heads = self.unsettled.iter().flat_map(|rest| &rest.closings);
        heads
            .into_iter()
            .find(|head| head.refused)
            .map(|head| head.id)
    }

    /// Whether a closing begins a new generation and is news: sent by a call of the current one.
    fn begin(&mut self, sent_under: u16, closing: &Closing, roll: u64) -> (bool, Option<u16>) {
        let news = sent_under == self.epoch;
        let begins = news || self.shut(closing.heard).is_none();
        if begins {
            self.epoch = self.epoch.wrapping_add(1);
            self.since = closing.heard;
            self.roll = roll;
        }
        (news, begins.then_some(self.epoch))
    }

    fn count(&mut self, refused: bool) {
        self.streak = self.streak.saturating_add(u32::from(refused));
    }

    /// Another refusal of the same salvo stands: what the streak grew by can no longer be taken back.
    fn vouch(&mut self) {
        if let Some(unsettled) = &mut self.unsettled {
            for head in &mut unsettled.closings {
                (head.counted, head.began) = (false, None);
            }
        }
    }

    fn settle(&mut self, closing: Closing) -> Opening {
        let own = later(closing.heard, self.length(&closing));
        self.hold(Shut {
            until: own,
            decided_by: closing.decided_by,
        });
        let gate = self.shut.as_ref().map_or(own, |shut| shut.until);
        Opening { own, gate }
    }

    /// Stays shut until then whatever bodies say.
    fn hold(&mut self, shut: Shut) {
        if let Some(unsettled) = &mut self.unsettled {
            if unsettled
                .settled
                .as_ref()
                .is_none_or(|settled| settled.until < shut.until)
            {
                unsettled.settled = Some(shut.clone());
            }
        }
        lengthen(&mut self.shut, shut);
    }

    fn remove(&mut self, id: HeadId) -> Option<ByHead> {
        let closings = &mut self.unsettled.as_mut()?.closings;
        let at = closings.iter().position(|head| head.id == id)?;
        Some(closings.swap_remove(at))
    }

    /// Undoes what the closing did to the generation and the streak, unless another of its salvo has the same to show.
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
        // As long as it held, no call was let through in its generation.
        if head.began == Some(self.epoch) && head.shut.until > now {
            self.epoch = self.epoch.wrapping_sub(1);
            (self.since, self.roll) = head.before;
        }
    }

    /// The latest of all that hold.
    fn latest(&self) -> Option<Box<Shut>> {
        let Some(unsettled) = &self.unsettled else {
            return self.shut.clone();
        };
        let by_head = unsettled.closings.iter().map(|head| &head.shut);
        let all = unsettled.settled.iter().chain(by_head);
        all.max_by_key(|shut| shut.until).cloned().map(Box::new)
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

    /// What the last closing said for itself.
    pub(crate) fn last_words(&self) -> Cow<'static, str> {
        let shut = self.shut.as_ref();
        shut.map_or(Cow::Borrowed("a refusal"), |shut| shut.decided_by.clone())
    }

    /// When the last closing ends that holds whatever is still to be read.
    pub(crate) fn last_settled(&self) -> Option<Moment> {
        match &self.unsettled {
            Some(unsettled) => unsettled.settled.as_ref(),
            None => self.shut.as_deref(),
        }
        .map(|shut| shut.until)
    }

    /// The closing that holds whatever is still to be read.
    pub(crate) fn settled(&self, now: Moment) -> Option<&Shut> {
        match &self.unsettled {
            Some(unsettled) => unsettled.settled.as_ref().filter(|shut| shut.until > now),
            None => self.shut(now),
        }
    }

    fn length(&self, closing: &Closing) -> Duration {
        let wait = match closing.wait {
            Wait::Named(wait) => closing.at_most.map_or(wait, |most| wait.min(most)),
            Wait::Bare(least) => self.grown(least),
        };
        // A quota that was spent as planned is no refusal: nobody is to be spread.
        let spread = if closing.refused { self.roll } else { 0 };
        wait.saturating_add(upward(wait, spread))
    }

    fn grown(&self, least: Duration) -> Duration {
        let doublings = self.streak.saturating_sub(1).min(31);
        let longest = LONGEST_BARE.max(least);
        least.saturating_mul(1 << doublings).min(longest)
    }

    /// Whether a call that was sent under this number asks if the limit is lifted.
    pub(crate) fn is_probe(&self, sent_under: u16) -> bool {
        sent_under == self.epoch && self.streak > 0
    }

    /// An answer was accepted: if the call was sent since the last closing, the limit is lifted.
    #[inline]
    pub(crate) fn accepted(&mut self, sent_under: u16) {
        if sent_under == self.epoch {
            self.streak = 0;
        }
    }

    /// Somebody knows better: open now.
    pub(crate) fn reopen(&mut self) {
        self.shut = None;
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
        let opened = self.shut.as_ref().map(|shut| shut.until + grows);
        opened.is_none_or(|forgotten| forgotten <= now)
    }
}

/// Never for shorter.
fn lengthen(shut: &mut Option<Box<Shut>>, by: Shut) {
    match shut {
        Some(shut) if shut.until >= by.until => {}
        shut => *shut = Some(Box::new(by)),
    }
}

#[cfg(test)]
mod tests;
