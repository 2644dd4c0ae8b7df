//! Slow start after a refusal: one probe, then one more in flight with every call that is served.
//!
//! Where a window was seen to hold a number of calls, it lets as many through in each window, and now and then one
//! more, to see whether the limit has grown.

use super::blocked::Reason;
use crate::time::Moment;
use std::time::Duration;

/// If no call in flight is answered for this long, one more may go.
/// A probe that hangs must not hold the others up.
const SILENCE: Duration = Duration::from_secs(2);

/// After 10 windows that could have held more, without a refusal, what a window held is forgotten.
const FORGOTTEN_AFTER: u32 = 10;

/// One call in 10 may be refused, to see whether a window holds more.
const WORTH: u32 = 10;

/// Before the first refusal, served calls are counted over windows of this length.
const UNKNOWN: Duration = Duration::from_secs(60);

/// A scope without a call for this long is idle: the window that a refusal speaks of began after that.
const IDLE: Duration = Duration::from_secs(1);

/// The number of calls that a window of the server was seen to hold, and its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LearnedWindow {
    pub(crate) calls: u32,
    pub(crate) length: Duration,
    /// Whether the server names its waits, so that the length is more than a guess.
    pub(crate) named: bool,
}

/// Counts the calls admitted since the gate opened last, and bounds those in flight.
#[derive(Debug)]
pub(crate) struct SlowStart {
    held: Option<LearnedWindow>,
    /// How many may be in flight, as long as nothing is known. `None` bounds nothing, and only counts.
    allowed: Option<u32>,
    in_flight: u32,
    accepted: u32,
    probed: bool,
    since: Option<Moment>,
    /// When the window ends that began at `since`.
    over: Moment,
    last_let: Option<Moment>,
    /// Since when no call is in flight, if none is.
    idle_since: Moment,
    /// Windows since the last refusal, the one after it included.
    windows: u32,
    /// Those of the windows that could have held more, and were not refused.
    calm: u32,
}

impl SlowStart {
    /// Begins without a bound: the gate was never refused.
    pub(crate) fn open() -> Self {
        Self::new(None, None)
    }

    /// Begins with one probe: the gate reopens.
    pub(crate) fn one_probe(held: Option<LearnedWindow>) -> Self {
        Self::new(Some(1), held)
    }

    /// Begins with this many calls in flight.
    pub(crate) fn cold(allowed: u32) -> Self {
        Self::new(Some(allowed), None)
    }

    const fn new(allowed: Option<u32>, held: Option<LearnedWindow>) -> Self {
        Self {
            held,
            allowed,
            in_flight: 0,
            accepted: 0,
            probed: false,
            since: None,
            over: Moment::FAR,
            last_let: None,
            idle_since: Moment::START,
            windows: 1,
            calm: 0,
        }
    }

    /// Whether it bounds nothing, whatever comes.
    #[inline]
    pub(crate) fn is_open(&self) -> bool {
        self.allowed.is_none() && self.held.is_none()
    }

    /// From when one more call may go.
    #[inline]
    pub(crate) fn next(&mut self, now: Moment) -> Moment {
        if self.is_open() {
            return now;
        }
        self.roll(now);
        match self.last_let {
            Some(last) if self.in_flight >= self.most_in_flight() => {
                let over = (self.probed && self.since.is_some()).then_some(self.over);
                let silence = (self.in_flight > 0).then(|| last + SILENCE);
                let earlier = over.into_iter().chain(silence).min();
                earlier.unwrap_or(last + SILENCE)
            }
            _ => now,
        }
    }

    fn most_in_flight(&self) -> u32 {
        match (self.held, self.allowed) {
            (Some(held), _) if self.probed => {
                held.calls.saturating_sub(self.accepted) + u32::from(self.goes_beyond(held))
            }
            (_, allowed) => allowed.unwrap_or(u32::MAX),
        }
    }

    /// Whether one call more than a window was seen to hold is worth a refusal.
    /// Where a window held only a few and its length is known, that is so in one window in 10 and not in every one.
    fn goes_beyond(&self, held: LearnedWindow) -> bool {
        !held.named || self.windows % (WORTH / held.calls.max(1)).max(1) == 0
    }

    #[inline]
    pub(crate) fn on_admit(&mut self, now: Moment) {
        self.roll(now);
        if self.in_flight == 0 && self.held.is_none() && self.has_rested(now) {
            self.begin_after_a_rest();
        }
        self.in_flight += 1;
        self.last_let = Some(now);
        if self.since.is_none() {
            self.since = Some(now);
            self.over = now + self.held.map_or(UNKNOWN, |held| held.length);
        }
    }

    /// Notes that no call is in flight.
    #[inline]
    pub(crate) fn idle_since(&mut self, now: Moment) {
        self.idle_since = now;
    }

    #[inline]
    fn has_rested(&self, now: Moment) -> bool {
        let last = self
            .last_let
            .map_or(Moment::FAR, |last| last.max(self.idle_since));
        now >= last + IDLE
    }

    /// Forgets what was counted before the scope was idle: it says nothing about what a window holds.
    #[cold]
    fn begin_after_a_rest(&mut self) {
        self.accepted = 0;
        (self.since, self.over) = (None, Moment::FAR);
    }

    /// The reason of a wait, if this keeps calls.
    pub(crate) fn reason(&self) -> Reason {
        if self.held.is_some() && self.probed {
            Reason::LearnedWindow
        } else {
            Reason::SlowStart
        }
    }

    #[inline]
    pub(crate) fn on_finish(&mut self, accepted: bool, others_wait: bool) {
        self.in_flight = self.in_flight.saturating_sub(1);
        if self.is_open() {
            self.accepted = self.accepted.saturating_add(u32::from(accepted));
            self.probed |= accepted;
            return;
        }
        if accepted {
            self.allowed = self.allowed.map(|allowed| allowed.saturating_add(1));
            self.accepted = self.accepted.saturating_add(1);
            self.probed = true;
        }
        if self.held.is_none() && !others_wait {
            // With nothing left to bound, the bound goes.
            let is_reached = |allowed: &u32| *allowed <= self.in_flight.saturating_add(1);
            self.allowed = self.allowed.filter(is_reached);
        }
    }

    /// What a window was seen to hold.
    pub(crate) fn learned(&self) -> Option<LearnedWindow> {
        self.held
    }

    /// Forgets what a window was seen to hold: it was no limit on all calls.
    pub(crate) fn forget_learned(&mut self) {
        self.held = None;
    }

    /// Counts the calls of a slow start that should not have interrupted this one.
    pub(crate) fn take_over(&mut self, since: &Self) {
        self.in_flight += since.in_flight;
        self.accepted = self.accepted.saturating_add(since.accepted);
        self.last_let = self.last_let.max(since.last_let);
    }

    /// Notes that a call from before the last closing was served.
    /// It belongs to the window that was refused.
    pub(crate) fn on_late_success(&mut self) {
        if let Some(held) = self.held.as_mut().filter(|_| !self.probed) {
            held.calls = held.calls.saturating_add(1);
        }
    }

    /// What this window held, if it was refused now and ends after `wait`, which the server `named` or not.
    pub(crate) fn learn(
        &self,
        refused: Moment,
        wait: Duration,
        named: bool,
    ) -> Option<LearnedWindow> {
        let Some(since) = self.since else {
            return self.held;
        };
        let length = refused.since(since) + wait;
        let too_soon = named && self.windows > 1 && self.accepted == 0;
        match self.held {
            // It began before the one before had ended: both together are as long as one is.
            Some(held) if too_soon => Some(LearnedWindow {
                length: held.length + length,
                ..held
            }),
            held if self.accepted == 0 => held,
            _ => Some(LearnedWindow {
                calls: self.accepted,
                length,
                named,
            }),
        }
    }

    /// Begins a new window. One that passed without a refusal holds at least what was served in it.
    #[inline]
    fn roll(&mut self, now: Moment) {
        if now >= self.over && self.probed {
            self.begin_anew();
        }
    }

    fn begin_anew(&mut self) {
        self.calm += u32::from(self.held.is_none_or(|held| self.goes_beyond(held)));
        self.windows += 1;
        if let Some(held) = &mut self.held {
            held.calls = held.calls.max(self.accepted);
        }
        if self.calm >= FORGOTTEN_AFTER {
            self.held = None;
        }
        self.accepted = 0;
        (self.since, self.over) = (None, Moment::FAR);
    }
}

#[cfg(test)]
mod tests;
