//! The counters of a server as a bound on the calls that may be sent.

use std::time::Duration;

use crate::hint::Remaining;
use crate::time::Moment;

/// What the latest counters leave: what the call sent last was told, less the calls that it may not have counted.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    known: Option<Known>,
    /// How many more answers are not believed, after a refusal that the counters had excluded.
    distrusted: u32,
    /// For how many answers they are not believed after the next such refusal.
    distrust: u32,
}

#[derive(Debug)]
struct Known {
    /// At least this many calls are left.
    left: i64,
    /// At most this many calls are left.
    most: i64,
    limit: Option<u32>,
    /// When the call was sent that was told so.
    as_of: Moment,
    resets: Option<Moment>,
    /// Whether an answer has spoken of this window.
    told: bool,
}

/// Two resets this close together are one: servers round them to seconds.
const SAME: Duration = Duration::from_millis(1_200);

impl Known {
    /// Whether a counter speaks of the window that is known.
    fn is_same_window(&self, new: &Self) -> bool {
        match (self.resets, new.resets) {
            (Some(known), Some(new)) => known.max(new) <= known.min(new) + SAME,
            // Without a reset, more left than was possible shows that another window runs.
            (None, None) => self.told && new.most <= self.most,
            _ => false,
        }
    }
}

impl Counters {
    const FIRST_DISTRUST: u32 = 200;

    /// Whether an answer has said that one more call will be served.
    pub(crate) fn promises(&self) -> bool {
        let left = |known: &Known| known.told && known.left > 0;
        self.known.as_ref().is_some_and(left)
    }

    /// How many more calls may be sent, if a counter says so.
    #[inline]
    pub(crate) fn left(&self) -> Option<i64> {
        self.known.as_ref().map(|known| known.left)
    }

    /// When all is back, if nothing is left and an answer has said when.
    pub(crate) fn resets(&self) -> Option<Moment> {
        self.known.as_ref().and_then(|known| known.resets)
    }

    /// Forgets a window that has ended, and begins the next one if it is known what that holds.
    #[inline]
    pub(crate) fn roll(&mut self, in_flight: u32, now: Moment) {
        let Some(known) = &mut self.known else { return };
        if known.resets.is_none_or(|resets| resets > now) {
            return;
        }
        match known.limit {
            Some(limit) if known.told => {
                // Always one: a call that hangs must not hold the others up for ever.
                known.left = (i64::from(limit) - i64::from(in_flight)).max(1);
                known.most = i64::from(limit);
                (known.resets, known.told, known.as_of) = (None, false, now);
            }
            _ => self.known = None,
        }
    }

    #[inline]
    pub(crate) fn on_admit(&mut self, cost: u32) {
        if let Some(known) = &mut self.known {
            known.left -= i64::from(cost);
            known.most -= i64::from(cost);
        }
    }

    /// Gives back what a call has spent that was never sent.
    pub(crate) fn on_abort(&mut self, cost: u32) {
        if let Some(known) = &mut self.known {
            known.left += i64::from(cost);
            known.most += i64::from(cost);
        }
    }

    /// Whether there is something left for one more call in the window that runs, if one is known.
    #[inline]
    pub(crate) fn has_slot(&self, cost: u32, now: Moment) -> bool {
        self.known.as_ref().is_none_or(|known| {
            known.left >= i64::from(cost) && known.resets.is_none_or(|resets| resets > now)
        })
    }

    /// How much is used, and of how much.
    pub(crate) fn usage(&self) -> Option<(u32, u32)> {
        let known = self.known.as_ref()?;
        let limit = known.limit?;
        let used = (i64::from(limit) - known.left).clamp(0, limit.into());
        Some((used as u32, limit))
    }

    /// Notes what an answer says to a call that was sent then, while `others` are in flight.
    ///
    /// Within a window counters only fall. So what is left is bounded on both sides: by what an answer said, less what
    /// was sent since; and by the same, less all that the server may not have counted by then.
    pub(crate) fn on_counter(
        &mut self,
        counter: Remaining,
        sent: Moment,
        others: u32,
        now: Moment,
    ) {
        if self.distrusted > 0 {
            self.distrusted -= 1;
            return;
        }
        if counter.limit.is_some_and(|limit| counter.remaining > limit) {
            return; // a counter that cannot be true
        }
        let is_over = counter.resets_in.is_some_and(|reset| reset.is_zero());
        let most = i64::from(counter.remaining);
        let mut new = Known {
            left: most - i64::from(others),
            most,
            limit: counter.limit,
            as_of: sent,
            resets: counter.resets_in.map(|resets_in| now + resets_in),
            told: true,
        };
        if let Some(known) = &self.known {
            let is_another = known
                .limit
                .zip(new.limit)
                .is_some_and(|(one, other)| one != other);
            if sent < known.as_of && !is_another {
                return; // a later call knows better
            }
            if !is_another && known.is_same_window(&new) {
                new.most = most.min(known.most);
                new.left = new.left.max(known.left).min(new.most);
                new.resets = known.resets.into_iter().chain(new.resets).min();
            }
            new.limit = new.limit.or(known.limit);
        }
        // Of a window that is over nothing is left but what the next answer says.
        self.known = Some(new).filter(|_| !is_over);
    }

    /// Notes that a call was served that was sent then, without a word of what is left.
    /// A window that is only guessed is forgotten: the server speaks of it in refusals alone.
    #[inline]
    pub(crate) fn on_silent_success(&mut self, sent: Moment) {
        if self
            .known
            .as_ref()
            .is_some_and(|known| !known.told && sent >= known.as_of)
        {
            self.known = None;
        }
    }

    /// Notes a refusal that the counters had excluded.
    pub(crate) fn on_contradiction(&mut self) {
        self.distrust = match self.distrust {
            0 => Self::FIRST_DISTRUST,
            before => before.saturating_mul(4),
        };
        self.distrusted = self.distrust;
        self.known = None;
    }
}

#[cfg(test)]
mod tests;
