//! The cooldown of a gate: until when it is closed, and how that wait grows.

mod provisional;

pub(crate) use provisional::ProvisionalId;

use std::borrow::Cow;
use std::time::Duration;

use self::provisional::Provisional;
use super::blocked::Reason;
use super::breaker::PathHash;
use crate::retry::positive_jitter;
use crate::time::{Moment, later};

/// The wait after a bare 429 grows up to this.
const LONGEST_BARE: Duration = Duration::from_secs(15 * 60);
/// The wait after refusals that name none to speak of grows up to this, so that windows of a minute are found out.
const LONGEST_SHORT: Duration = Duration::from_secs(30);

/// After this many refused closings in a row, whatever wait each of them named, a named wait is taken for too short: calls
/// that come too early may lengthen a block. From then on the gate stays closed for at least 2 s, 4 s and so on.
const KEPT_IN_VAIN: u32 = 8;
/// That wait grows up to this, so that a block of a minute ends.
const LONGEST_BEYOND_NAMED: Duration = Duration::from_secs(64);

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
    /// A bare 429: at least this long.
    Bare(Duration),
    /// No time to speak of: at least this long, and not much longer.
    Short(Duration),
}

impl Wait {
    /// After a bare 503 of a limiter: nginx counts by the second.
    pub(crate) const SHED: Self = Self::Short(Duration::from_secs(1));
}

/// The moment from which the scope may be called, and which header or rule said so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ClosedUntil {
    pub(crate) until: Moment,
    pub(crate) decided_by: Cow<'static, str>,
}

impl ClosedUntil {
    /// Whether it is the circuit breaker that closes the gate.
    pub(crate) fn is_outage(&self) -> bool {
        self.decided_by == Reason::CircuitBreaker.text()
    }
}

/// When the gate opens after a closing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OpensAt {
    /// By this closing alone.
    pub(crate) own: Moment,
    /// By all closings that hold.
    pub(crate) gate: Moment,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Cooldown {
    /// The latest of all closings.
    closed: Option<Box<ClosedUntil>>,
    provisional: Option<Box<Provisional>>,
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
        if let Some(provisional) = &mut self.provisional {
            for head in &mut provisional.closings {
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
        if let Some(provisional) = &mut self.provisional {
            if provisional
                .settled
                .as_ref()
                .is_none_or(|settled| settled.until < closed.until)
            {
                provisional.settled = Some(closed.clone());
            }
        }
        lengthen(&mut self.closed, closed);
    }

    /// The header or the rule behind the last closing.
    pub(crate) fn last_decided_by(&self) -> Cow<'static, str> {
        let closed = self.closed.as_ref();
        closed.map_or(Cow::Borrowed("a refusal"), |closed| {
            closed.decided_by.clone()
        })
    }

    /// Closings in a row without a served response between.
    pub(crate) fn streak(&self) -> u32 {
        self.streak
    }

    /// When the last closing ends that is not provisional.
    pub(crate) fn last_settled(&self) -> Option<Moment> {
        match &self.provisional {
            Some(provisional) => provisional.settled.as_ref(),
            None => self.closed.as_deref(),
        }
        .map(|closed| closed.until)
    }

    /// The closing that holds now and is not provisional.
    pub(crate) fn settled(&self, now: Moment) -> Option<&ClosedUntil> {
        match &self.provisional {
            Some(provisional) => provisional
                .settled
                .as_ref()
                .filter(|closed| closed.until > now),
            None => self.closed(now),
        }
    }

    fn wait_length(&self, closing: &Closing) -> Duration {
        let wait = match closing.wait {
            Wait::Named(wait) => {
                let wait = wait.max(self.beyond_named(closing));
                closing.max_wait.map_or(wait, |most| wait.min(most))
            }
            Wait::Bare(least) => self.doubled(least, LONGEST_BARE),
            Wait::Short(least) => self.doubled(least, LONGEST_SHORT),
        };
        // A quota that was spent as planned is no refusal: its callers are not spread.
        let spread = if closing.refused { self.bits } else { 0 };
        wait.saturating_add(positive_jitter(wait, spread))
    }

    /// Doubled with each closing in a row, up to the longest.
    fn doubled(&self, least: Duration, longest: Duration) -> Duration {
        doubled(least, self.streak.saturating_sub(1), longest)
    }

    /// How long a refusal closes the gate at least whose named wait was kept in vain.
    fn beyond_named(&self, closing: &Closing) -> Duration {
        match self.streak.checked_sub(KEPT_IN_VAIN) {
            Some(more @ 1..) if closing.refused => {
                doubled(Duration::from_secs(1), more, LONGEST_BEYOND_NAMED)
            }
            _ => Duration::ZERO,
        }
    }

    /// Whether a call of this generation asks if the limit is lifted.
    pub(crate) fn is_probe(&self, sent_under: u16) -> bool {
        sent_under == self.generation && self.streak > 0
    }

    /// Notes that a call was served. If it was sent since the last refusal, the limit is lifted.
    #[inline]
    pub(crate) fn on_success(&mut self, sent_under: u16) {
        if sent_under == self.generation || self.was_closed_by_served_heads_since(sent_under) {
            self.streak = 0;
        }
    }

    /// Opens now.
    pub(crate) fn reopen(&mut self) {
        self.closed = None;
        self.provisional = None;
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

/// Doubled this number of times, up to the longest.
fn doubled(least: Duration, times: u32, longest: Duration) -> Duration {
    least
        .saturating_mul(1 << times.min(31))
        .min(longest.max(least))
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
