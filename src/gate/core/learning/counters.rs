//! The counters of a server as a bound on the calls that may be sent.

use std::time::Duration;

use crate::hint::Remaining;
use crate::time::Moment;

/// What the counters leave: the lowest of a window, less the calls in flight, which it may not count.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counters {
    known: Option<Known>,
    /// The longest time until a reset that an answer has named: about as long as a window.
    period: Duration,
    /// How many more answers are not believed, after a refusal that the counters had excluded.
    distrusted: u32,
    /// For how many answers they are not believed after the next such refusal.
    distrust: u32,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    /// The lowest counter of this window. All calls that were answered are counted in it.
    lowest: i64,
    /// The lowest counter, less what was sent since.
    most: i64,
    limit: Option<u32>,
    /// Calls of this number and later ones were sent when the lowest counter was known.
    since: u32,
    resets: Option<Moment>,
    /// Whether an answer has spoken of this window.
    told: bool,
    /// Whether a call may have been counted of which no answer tells that.
    has_gaps: bool,
}

/// Two resets this close together are one: servers round them to seconds.
const SAME: Duration = Duration::from_millis(1_200);

impl Known {
    /// How many calls are left at least, while `in_flight` are on their way.
    #[inline]
    fn left(&self, in_flight: u32) -> i64 {
        if self.told {
            self.most.min(self.lowest - i64::from(in_flight))
        } else {
            self.most
        }
    }

    /// Whether a counter of a call with this number speaks of a window after the one that is known.
    fn is_before(&self, new: &Self, sequence: u32) -> bool {
        let knew = sequence.wrapping_sub(self.since) < u32::MAX / 2;
        let is_later = self
            .resets
            .zip(new.resets)
            .is_some_and(|(known, new)| new > known + SAME);
        // Within a window counters only fall.
        !self.told || is_later || knew && new.lowest > self.lowest && self.resets.is_none()
    }

    /// Whether a counter speaks of a window before the one that is known, or of one that was a mistake.
    fn is_after(&self, new: &Self) -> bool {
        let resets = self.resets.zip(new.resets);
        resets.is_some_and(|(known, new)| new + SAME < known)
    }
}

impl Counters {
    const FIRST_DISTRUST: u32 = 200;

    /// Whether an answer has said that one more call will be served. One from before the call of this number, with which
    /// a cycle began, says so only if its window is not over.
    pub(crate) fn promises(&self, in_flight: u32, first: u32) -> bool {
        self.known.as_ref().is_some_and(|known| {
            let is_of_cycle = || known.since.wrapping_sub(first).wrapping_sub(1) < u32::MAX / 2;
            let is_current = known.resets.is_some() || is_of_cycle();
            known.told && is_current && known.left(in_flight) > 0
        })
    }

    /// Whether the server has not said that nothing is left, nor that there is less than this in a window.
    pub(crate) fn leaves_some_of(&self, declared: u32) -> bool {
        self.known.as_ref().is_none_or(|known| {
            let is_spent = known.told && known.lowest <= 0;
            (!is_spent || known.resets.is_none())
                && known.limit.is_none_or(|limit| limit >= declared)
        })
    }

    /// How much there is in a window, if a counter says so.
    pub(crate) fn limit(&self) -> Option<u32> {
        self.known.as_ref().and_then(|known| known.limit)
    }

    /// How many more calls may be sent, if a counter says so.
    #[inline]
    pub(crate) fn left(&self, in_flight: u32) -> Option<i64> {
        self.known.as_ref().map(|known| known.left(in_flight))
    }

    /// When all is back, if an answer has said when.
    pub(crate) fn resets(&self) -> Option<Moment> {
        self.known.as_ref().and_then(|known| known.resets)
    }

    /// Forgets a window that has ended, and begins the next one if it is known what that holds.
    #[inline]
    pub(crate) fn roll(&mut self, in_flight: u32, sequence: u32, now: Moment) {
        let Some(known) = &mut self.known else { return };
        if known.resets.is_none_or(|resets| resets > now) {
            return;
        }
        self.known = match known.limit {
            Some(limit) if known.told => Some(Known {
                lowest: i64::from(limit),
                // Always one: a call that hangs must not hold the others up for ever.
                most: (i64::from(limit) - i64::from(in_flight)).max(1),
                limit: Some(limit),
                since: sequence,
                resets: None,
                told: false,
                has_gaps: false,
            }),
            _ => None,
        };
    }

    /// Notes that a call is sent.
    #[inline]
    pub(crate) fn on_admit(&mut self, cost: u32) {
        if let Some(known) = &mut self.known {
            known.most -= i64::from(cost);
        }
    }

    /// Gives back what a call has spent that was never sent.
    pub(crate) fn on_abort(&mut self, cost: u32) {
        if let Some(known) = &mut self.known {
            known.most += i64::from(cost);
        }
    }

    /// Notes that a call was dropped, which the server may count all the same.
    pub(crate) fn on_cancel(&mut self) {
        if let Some(known) = &mut self.known {
            known.lowest -= 1;
            known.has_gaps = true;
        }
    }

    /// Notes that a call was answered without a word of what is left.
    #[inline]
    pub(crate) fn on_silence(&mut self) {
        if let Some(known) = &mut self.known {
            known.has_gaps = true;
        }
    }

    /// Whether there is something left for one more call in the window that runs, if one is known.
    #[inline]
    pub(crate) fn has_slot(&self, cost: u32, in_flight: u32, now: Moment) -> bool {
        self.known.as_ref().is_none_or(|known| {
            known.left(in_flight) >= i64::from(cost)
                && known.resets.is_none_or(|resets| resets > now)
        })
    }

    /// How much is used, and of how much.
    pub(crate) fn usage(&self, in_flight: u32) -> Option<(u32, u32)> {
        let known = self.known.as_ref()?;
        let limit = known.limit?;
        let used = (i64::from(limit) - known.left(in_flight)).clamp(0, limit.into());
        Some((used as u32, limit))
    }

    /// Notes what the answer says to the call with this number. `sent` is how many were sent by now.
    /// `is_quiet` says that no other call is in flight: all are counted by one answer or another. Where costs are counted,
    /// `is_settled` says the same: by the answer to the last one, all are counted at their true cost.
    pub(crate) fn on_counter(
        &mut self,
        counter: Remaining,
        sequence: u32,
        sent: u32,
        is_settled: bool,
        is_quiet: bool,
        now: Moment,
    ) {
        if self.distrusted > 0 {
            self.distrusted -= 1;
            return;
        }
        if counter.limit.is_some_and(|limit| counter.remaining > limit) {
            return; // a counter that cannot be true
        }
        let new = Known {
            lowest: counter.remaining.into(),
            most: counter.remaining.into(),
            limit: counter.limit,
            since: sent,
            resets: counter.resets_in.map(|resets_in| now + resets_in),
            told: true,
            has_gaps: false,
        };
        self.period = self.period.max(counter.resets_in.unwrap_or_default());
        let is_over = counter
            .resets_in
            .is_some_and(|resets_in| resets_in.is_zero());
        let Some(known) = self.known.as_mut().filter(|_| !is_over) else {
            // Of a window that is over nothing is left but what the next answer says.
            self.known = Some(new).filter(|_| !is_over);
            return;
        };
        let is_another = known
            .limit
            .zip(new.limit)
            .is_some_and(|(one, other)| one != other);
        let knew = sequence.wrapping_sub(known.since) < u32::MAX / 2;
        if is_another || known.is_before(&new, sequence) || knew && known.is_after(&new) {
            *known = Known {
                limit: new.limit.or(known.limit),
                ..new
            };
        } else if !known.is_after(&new) {
            if new.lowest <= known.lowest {
                (known.lowest, known.since) = (new.lowest, new.since);
            }
            let is_last = sequence.wrapping_add(1) == sent;
            known.most = match is_settled && is_last {
                true => new.most,
                false => known.most.min(new.most),
            };
            if is_quiet && !known.has_gaps {
                // Where places become free one by one, more is left than what was left less what was sent since. One is
                // kept back: some counters lag by one.
                known.most = known.most.max(known.lowest - 1);
            }
            known.has_gaps &= !(is_quiet && is_last);
            known.resets = known.resets.into_iter().chain(new.resets).min();
            known.limit = known.limit.or(new.limit);
        }
    }

    /// Notes that the call with this number was served, without a word of what is left.
    /// A window that is only guessed is forgotten: the server speaks of it in refusals alone.
    #[inline]
    pub(crate) fn on_silent_success(&mut self, sequence: u32) {
        let is_guess =
            |known: &Known| !known.told && sequence.wrapping_sub(known.since) < u32::MAX / 2;
        if self.known.as_ref().is_some_and(is_guess) {
            self.known = None;
        }
    }

    /// Notes what the answer to a call will say that was sent then, as far as it can be foreseen.
    pub(crate) fn on_foreseen_answer(&mut self, sent: Moment) {
        let period = self.period;
        let Some(known) = self.known.as_mut().filter(|_| !period.is_zero()) else {
            return;
        };
        known.lowest -= 1;
        if !known.told {
            (known.told, known.resets) = (true, Some(sent + period));
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
