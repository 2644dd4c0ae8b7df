//! The closing of a scope that all members share, and the slow start after it.

use super::terms::DeclaredWindow;

/// A probe that is silent for this long is followed by another one.
const PROBE_PATIENCE: u64 = 2_000_000;
/// The slow start is over with this many in flight, where no window tells a better number.
const FULL_SPEED: u64 = 64;
/// After this many windows without a refusal the learned limit is forgotten.
const CAP_WINDOWS: u64 = 10;
/// In at most as many steps is it raised to the declared limit: too much for a few calls at a time, not for a burst.
const RAISES: u64 = 16;

/// Until when a scope is closed, what the last refusal has taught, and how many probes may be out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "file", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct SharedCooldown {
    until: u64,
    cap: Option<LearnedCap>,
    slow_start: Option<SharedSlowStart>,
}

/// A limit that a refusal has taught: it takes the place of the declared one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "file", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct LearnedCap {
    /// The index of its window.
    pub(super) window: usize,
    pub(super) limit: u64,
    pub(super) learned_at: u64,
}

/// After a refusal one probe may be out, and one more with each served call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "file", derive(serde::Serialize, serde::Deserialize))]
struct SharedSlowStart {
    /// How much may be lent to all members.
    allow: u64,
    /// How much was granted since, and is not known to be served.
    probes: u64,
    /// When a probe was granted last. Zero: none was.
    granted_at: u64,
}

impl SharedSlowStart {
    /// One probe may be granted, at once.
    const PROBE: Self = Self {
        allow: 1,
        probes: 0,
        granted_at: 0,
    };
}

impl LearnedCap {
    /// How much more may be tried: after ten windows without a refusal, a sixteenth of the limit with each window.
    fn raised(&self, declared: &DeclaredWindow, now: u64) -> u64 {
        let windows = now.saturating_sub(self.learned_at) / declared.length.max(1);
        let raises = (windows + 1).saturating_sub(CAP_WINDOWS);
        raises.min(RAISES) * declared.limit.div_ceil(RAISES)
    }
}

impl SharedCooldown {
    /// For how much longer the scope is closed.
    pub(super) fn closed_for(&self, now: u64) -> u64 {
        self.until.saturating_sub(now)
    }

    pub(super) fn is_slow_start(&self) -> bool {
        self.slow_start.is_some()
    }

    /// The limit that was learned for this window, which is declared with another one.
    pub(super) fn cap_of(&self, window: usize, declared: &DeclaredWindow, now: u64) -> Option<u64> {
        let cap = self.cap.filter(|cap| cap.window == window)?;
        Some(cap.limit + cap.raised(declared, now))
    }

    #[cfg(test)]
    pub(super) fn cap(&self, window: usize) -> Option<u64> {
        let cap = self.cap.filter(|cap| cap.window == window)?;
        Some(cap.limit)
    }

    /// Forgets a learned limit that has been raised to the declared one, or whose window is not declared any more.
    pub(super) fn forget_cap(&mut self, windows: &[DeclaredWindow], now: u64) {
        self.cap = self.cap.filter(|cap| {
            let window = windows.get(cap.window);
            window.is_some_and(|window| cap.limit + cap.raised(window, now) < window.limit)
        });
    }

    /// Closes the scope for this long. Never shortens a closing.
    pub(super) fn close(&mut self, remaining: u64, now: u64) {
        self.until = self.until.max(now + remaining);
    }

    /// A call was refused. A refusal while the scope is closed belongs to that closing.
    ///
    /// `learned` is what the fleet had in its fullest window.
    pub(super) fn on_refusal(&mut self, learned: Option<LearnedCap>, now: u64) {
        if now < self.until {
            return;
        }
        // A probe that is refused says nothing about how much the server serves: the fleet was silent.
        let was_probe = self.slow_start.is_some_and(|start| start.allow == 1);
        match &mut self.cap {
            Some(cap) if was_probe => cap.learned_at = now,
            cap => *cap = learned,
        }
        self.slow_start = Some(SharedSlowStart::PROBE);
    }

    /// Opens the scope with one probe, and forgets the learned limit.
    pub(super) fn reopen(&mut self) {
        *self = Self {
            slow_start: Some(SharedSlowStart::PROBE),
            ..Self::default()
        };
    }

    /// Some calls were served: for each that was granted since the closing, one more may be in flight.
    pub(super) fn on_served(&mut self, served: u64, now: u64) {
        let enough = self.cap.map_or(FULL_SPEED, |cap| cap.limit);
        let Some(start) = self.slow_start.as_mut().filter(|_| now >= self.until) else {
            return;
        };
        let served = served.min(start.probes);
        start.probes -= served;
        start.allow += served;
        if start.allow >= enough && served > 0 {
            self.slow_start = None;
        }
    }

    /// How much may be granted to a member whose first call costs `first`, while `lent` is out.
    pub(super) fn room(&self, lent: u64, first: u64, now: u64) -> Option<u64> {
        let start = self.slow_start?;
        let room = start.allow.saturating_sub(lent);
        let is_silent = start.granted_at == 0 || now >= start.granted_at + PROBE_PATIENCE;
        Some(if is_silent || lent == 0 {
            room.max(first).max(1)
        } else {
            room
        })
    }

    /// This much was granted.
    pub(super) fn on_grant(&mut self, granted: u64, now: u64) {
        if let Some(start) = self.slow_start.as_mut().filter(|_| granted > 0) {
            start.probes += granted;
            start.granted_at = now;
        }
    }
}
