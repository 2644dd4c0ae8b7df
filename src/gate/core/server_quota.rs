//! The quota that a server publishes in counters, spent before sending.

use std::time::Duration;

use super::quota::QuotaUsage;
use crate::hint::Remaining;
use crate::time::Moment;

/// Bounds how many more calls may be sent before the reset.
///
/// Responses come out of order, and calls are in flight while they do. So what is left is not known but bounded: at
/// most what a response said, less what was sent since it arrived; and at least what it said, less all that the
/// server may not have counted by then.
#[derive(Debug, Default)]
pub(crate) struct ServerQuota {
    window: Option<ServerWindow>,
    /// Both wrap around; only their difference counts.
    sent: u32,
    answered: u32,
    /// Calls that were sent after this many answers knew of the window.
    known_from: Option<u32>,
    /// Whether a reset does not bring back the whole limit: the server refills bit by bit.
    refills: bool,
}

/// A counter that a response has shown; its call was sent after `answered_then` answers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CounterReading {
    pub(crate) counter: Remaining,
    pub(crate) answered_then: u32,
    pub(crate) cost: u32,
    pub(crate) max_reset: Duration,
}

#[derive(Debug)]
struct ServerWindow {
    resets: Moment,
    /// Whether a response has named that moment. Else it is a guess, and one call finds out.
    reset_told: bool,
    /// How long it was until the reset when that was named last.
    told: Duration,
    /// Whether no response has spoken of this window yet.
    guessed: bool,
    /// Whether a response had said when it begins, so that all of its limit was spent.
    is_unused: bool,
    limit: Option<u32>,
    left: i64,
    most_left: i64,
    /// Calls that were sent after this many answers knew of it.
    known_from: u32,
    /// How many responses in a row to such calls named an earlier reset.
    earlier: u8,
}

impl ServerWindow {
    /// Three of those in a row are not late: the reset that is known was a mistake.
    const EARLIER: u8 = 3;

    /// Whether a response that names this reset speaks of a window that has ended.
    /// One to a call that was sent when this window was known does not.
    fn is_after(&mut self, resets: Moment, answered_then: u32) -> bool {
        if self.guessed || resets + SAME >= self.resets {
            return false;
        }
        let knew = answered_then.wrapping_sub(self.known_from) < u32::MAX / 2;
        self.earlier = self.earlier.saturating_add(u8::from(knew));
        self.earlier < Self::EARLIER
    }

    /// Whether no response has spoken of it, nor of the end of the one before.
    fn is_a_guess(&self) -> bool {
        self.guessed && !self.is_unused
    }

    /// Whether the counter is another one: its limit differs.
    fn is_another(&self, counter: Remaining) -> bool {
        let both = self.limit.zip(counter.limit);
        both.is_some_and(|(limit, other)| limit != other)
    }

    /// Whether less was left when it began than its limit.
    fn began_less_than_whole(&self, remaining: i64, usage: u32) -> bool {
        let whole = self.limit.map(|limit| i64::from(limit) - i64::from(usage));
        whole.is_none_or(|whole| remaining < whole)
    }

    /// Whether there is enough left. A call that costs more than the whole window needs all of it.
    fn affords(&self, cost: u32) -> bool {
        let most = self.limit.unwrap_or(u32::MAX).max(1);
        self.left >= i64::from(cost.min(most))
    }
}

/// Two resets this close together are one: servers round them to seconds.
const SAME: Duration = Duration::from_millis(1_200);

impl ServerQuota {
    /// From when one more call may go.
    #[inline]
    pub(crate) fn next(&mut self, cost: u32, now: Moment) -> Moment {
        if self.window.is_none() {
            return now;
        }
        self.roll(now);
        match &self.window {
            Some(window) if !window.affords(cost) => window.resets,
            _ => now,
        }
    }

    /// Whether one more call may go in the window that is known to run now, if one is.
    #[inline]
    pub(crate) fn has_slot(&self, cost: u32, now: Moment) -> bool {
        let has = |window: &ServerWindow| window.resets > now && window.left >= i64::from(cost);
        self.window.as_ref().is_none_or(has)
    }

    /// What is spent, as far as the server says how much there is.
    pub(crate) fn usage(&mut self, now: Moment) -> Option<QuotaUsage> {
        self.roll(now);
        let window = self.window.as_ref()?;
        let limit = window.limit?;
        let left = u32::try_from(window.left.max(0)).unwrap_or(limit);
        Some(QuotaUsage {
            used: limit.saturating_sub(left),
            limit,
            window: None,
        })
    }

    /// Whether the size of the window is known, so that a reopened gate needs no probe.
    pub(crate) fn is_known(&self) -> bool {
        self.window
            .as_ref()
            .is_some_and(|window| window.limit.is_some())
    }

    /// Spends a call that is sent.
    /// Returns how many had been answered by then, to be shown with its own answer.
    #[inline]
    pub(crate) fn on_admit(&mut self, cost: u32) -> u32 {
        self.sent = self.sent.wrapping_add(cost);
        if let Some(window) = &mut self.window {
            window.left -= i64::from(cost);
            window.most_left -= i64::from(cost);
        }
        self.answered
    }

    /// Notes that a call has ended, one way or the other.
    #[inline]
    pub(crate) fn on_finish(&mut self, cost: u32) {
        self.answered = self.answered.wrapping_add(cost);
    }

    /// Notes a refusal.
    /// If the call was sent when something seemed to be left, the server refills bit by bit.
    pub(crate) fn on_refusal(&mut self, answered_then: u32) {
        let knew = |from: u32| answered_then.wrapping_sub(from) < u32::MAX / 2;
        // A call that finds out whether a guessed end was right contradicts nothing.
        let asked = self.window.as_ref().is_some_and(ServerWindow::is_a_guess);
        self.refills |= self.known_from.is_some_and(knew) && !asked;
    }

    /// Notes that a call was served without a word of what is left.
    /// Where the end of the last window was a guess, two more may follow.
    pub(crate) fn on_silent_success(&mut self) {
        if let Some(window) = self.window.as_mut().filter(|window| window.is_a_guess()) {
            window.left = (window.left + 2).min(window.most_left);
        }
    }

    /// Forgets the window.
    pub(crate) fn forget(&mut self) {
        (self.window, self.known_from, self.refills) = (None, None, false);
    }

    /// Gives back a call that was never sent.
    pub(crate) fn abort(&mut self, cost: u32) {
        self.answered = self.answered.wrapping_add(cost);
        if let Some(window) = &mut self.window {
            window.left += i64::from(cost);
            window.most_left += i64::from(cost);
        }
    }

    /// Notes what the response of a call says.
    pub(crate) fn on_counter(&mut self, told: CounterReading, received_at: Moment) {
        let CounterReading {
            counter,
            answered_then,
            cost,
            max_reset,
        } = told;
        if counter.limit.is_some_and(|limit| counter.remaining > limit) {
            return; // a counter that cannot be true
        }
        // Sent by now, and perhaps not counted by the server when it wrote this.
        let unknown = self.sent.wrapping_sub(answered_then).saturating_sub(cost);
        let Some(resets_in) = counter.resets_in else {
            return self.on_counter_without_reset(counter, unknown, cost);
        };
        let reset_told = resets_in <= max_reset;
        let resets_in = resets_in.min(max_reset);
        let resets = received_at + resets_in;
        // Of a window that has ended nothing is left but what this says.
        let over = resets_in.is_zero();
        let remaining = i64::from(counter.remaining);
        let at_least = remaining - i64::from(unknown);
        let on_their_way = self.sent.wrapping_sub(self.answered).saturating_sub(cost);
        let known = self.window.as_ref();
        let other = known.is_some_and(|window| window.is_another(counter));
        let known_from = self.answered.wrapping_add(cost);
        if known.is_none() && !over {
            self.known_from = Some(known_from);
        }
        let known = self.window.as_mut().filter(|_| !over && !other);
        let is_over = known.is_some_and(|window| window.is_after(resets, answered_then));
        match &mut self.window {
            Some(window) if over && self.refills => {
                (window.left, window.most_left) = (at_least, remaining);
            }
            _ if over => {}
            _ if is_over => {}
            Some(window) if !other && window.guessed => {
                self.refills &= window.began_less_than_whole(remaining, unknown + cost);
                *window = ServerWindow {
                    resets,
                    reset_told,
                    told: resets_in,
                    guessed: false,
                    is_unused: false,
                    limit: counter.limit.or(window.limit),
                    left: at_least,
                    most_left: remaining,
                    known_from,
                    earlier: 0,
                };
            }
            Some(window) if !other && resets <= window.resets + SAME => {
                window.earlier = 0;
                window.resets = window.resets.min(resets);
                window.reset_told = reset_told;
                window.told = resets_in;
                window.limit = counter.limit.or(window.limit);
                window.most_left = window.most_left.min(remaining);
                window.left = window.left.max(at_least).min(window.most_left);
            }
            window => {
                *window = Some(ServerWindow {
                    resets,
                    reset_told,
                    told: resets_in,
                    guessed: false,
                    is_unused: false,
                    limit: counter.limit,
                    left: remaining - i64::from(on_their_way),
                    most_left: remaining,
                    known_from,
                    earlier: 0,
                });
            }
        }
    }

    /// Bounds a known window by a counter that does not say when it is reset.
    fn on_counter_without_reset(&mut self, counter: Remaining, unknown: u32, cost: u32) {
        let Some(window) = &mut self.window else {
            return;
        };
        if window.is_another(counter) {
            return;
        }
        let remaining = i64::from(counter.remaining);
        let at_least = remaining - i64::from(unknown);
        if window.guessed {
            self.refills &= window.began_less_than_whole(remaining, unknown + cost);
            (window.left, window.most_left, window.guessed) = (at_least, remaining, false);
        } else {
            window.most_left = window.most_left.min(remaining);
            window.left = window.left.max(at_least).min(window.most_left);
        }
    }

    /// Begins the next window after the reset: all of its limit, less what is in flight.
    /// If its size is not known, or no response has said that the last one has ended, one call finds out.
    fn roll(&mut self, now: Moment) {
        let Some(over) = self.window.take_if(|window| window.resets <= now) else {
            return;
        };
        let on_their_way = i64::from(self.sent.wrapping_sub(self.answered));
        let refills = self.refills;
        self.window = over
            .limit
            .filter(|limit| *limit > 0)
            .map(|limit| ServerWindow {
                resets: now + over.told.max(Duration::from_secs(1)),
                guessed: true,
                reset_told: false,
                is_unused: over.reset_told && !refills,
                // Always one: a call that hangs must not hold the others up for ever.
                left: if refills || !over.reset_told {
                    1
                } else {
                    (i64::from(limit) - on_their_way).max(1)
                },
                most_left: i64::from(limit),
                ..over
            });
    }
}

#[cfg(test)]
mod tests;
