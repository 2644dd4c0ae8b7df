//! Reopening without a stampede: one probe, then twice as many with every round of answers, and never
//! more than one call beyond what a window was seen to hold.

use crate::moment::Moment;
use std::time::Duration;

/// If the calls let through keep silent for this long, one more may go: a probe that hangs must
/// not hold everybody up.
const SILENCE: Duration = Duration::from_secs(2);

/// After so many windows without a refusal, what one of them held is forgotten.
const FORGOTTEN_AFTER: u32 = 10;

/// Before anything was refused, what was accepted is counted over windows of this length.
const UNKNOWN: Duration = Duration::from_secs(60);

/// What a window of the server was seen to hold: so many calls in so long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) calls: u32,
    pub(crate) length: Duration,
}

/// The calls let through since the gate opened last.
#[derive(Debug)]
pub(crate) struct Ramp {
    held: Option<Held>,
    /// How many may be in flight, as long as nothing is known. `None`: it holds nobody back, and
    /// only counts.
    allowed: Option<u32>,
    in_flight: u32,
    accepted: u32,
    probed: bool,
    since: Option<Moment>,
    last_let: Option<Moment>,
    windows: u32,
}

impl Ramp {
    /// A gate that was never refused.
    pub(crate) fn open() -> Self {
        Self::new(None, None)
    }

    /// A gate that reopens: one probe first.
    pub(crate) fn one_probe(held: Option<Held>) -> Self {
        Self::new(Some(1), held)
    }

    /// A gate that begins with so many in flight.
    pub(crate) fn cold(allowed: u32) -> Self {
        Self::new(Some(allowed), None)
    }

    const fn new(allowed: Option<u32>, held: Option<Held>) -> Self {
        Self {
            held,
            allowed,
            in_flight: 0,
            accepted: 0,
            probed: false,
            since: None,
            last_let: None,
            windows: 0,
        }
    }

    /// From when one more may go.
    pub(crate) fn next(&mut self, now: Moment) -> Moment {
        self.roll(now);
        match self.last_let {
            Some(last) if self.in_flight >= self.most_in_flight() => {
                let over = self.window_over().filter(|_| self.probed);
                over.map_or(last + SILENCE, |over| over.min(last + SILENCE))
            }
            _ => now,
        }
    }

    fn most_in_flight(&self) -> u32 {
        match (self.held, self.allowed) {
            (Some(held), _) if self.probed => held.calls.saturating_sub(self.accepted) + 1,
            (_, allowed) => allowed.unwrap_or(u32::MAX),
        }
    }

    pub(crate) fn let_one(&mut self, now: Moment) {
        self.in_flight += 1;
        self.last_let = Some(now);
        self.since.get_or_insert(now);
    }

    pub(crate) fn left(&mut self, accepted: bool, others_wait: bool) {
        self.in_flight = self.in_flight.saturating_sub(1);
        if accepted {
            self.allowed = self.allowed.map(|allowed| allowed.saturating_add(1));
            self.accepted = self.accepted.saturating_add(1);
            self.probed = true;
        }
        if self.held.is_none() && !others_wait {
            let spare = |allowed: &u32| *allowed <= self.in_flight.saturating_add(1);
            self.allowed = self.allowed.filter(spare);
        }
    }

    /// A call from before the last closing was accepted: it belongs to the window that was refused.
    pub(crate) fn accepted_late(&mut self) {
        if let Some(held) = self.held.as_mut().filter(|_| !self.probed) {
            held.calls = held.calls.saturating_add(1);
        }
    }

    /// What this window held, if it was refused now and is over after `wait`.
    pub(crate) fn held_until(&self, refused: Moment, wait: Duration) -> Option<Held> {
        let since = self.since.filter(|_| self.accepted > 0);
        since.map_or(self.held, |since| {
            Some(Held {
                calls: self.accepted,
                length: refused.since(since) + wait,
            })
        })
    }

    fn window_over(&self) -> Option<Moment> {
        Some(self.since? + self.held.map_or(UNKNOWN, |held| held.length))
    }

    /// A window that passed without a refusal holds at least what was accepted in it.
    fn roll(&mut self, now: Moment) {
        if !self.probed || self.window_over().is_none_or(|over| over > now) {
            return;
        }
        self.windows += 1;
        if let Some(held) = &mut self.held {
            held.calls = held.calls.max(self.accepted);
        }
        if self.windows >= FORGOTTEN_AFTER {
            self.held = None;
        }
        self.accepted = 0;
        self.since = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn let_all(ramp: &mut Ramp, now: Moment) -> u32 {
        let mut count = 0;
        while ramp.next(now) <= now && count < 1_000 {
            ramp.let_one(now);
            count += 1;
        }
        count
    }

    fn held(calls: u32) -> Option<Held> {
        let length = Duration::from_secs(60);
        Some(Held { calls, length })
    }

    #[test]
    fn rounds_double_as_answers_come() {
        let now = Moment::now();
        let mut ramp = Ramp::one_probe(None);
        let mut rounds = Vec::new();
        for _ in 0..5 {
            let round = let_all(&mut ramp, now);
            rounds.push(round);
            (0..round).for_each(|_| ramp.left(true, true));
        }
        assert_eq!(rounds, [1, 2, 4, 8, 16]);
    }

    #[test]
    fn a_failed_probe_is_followed_by_one_more() {
        let now = Moment::now();
        let mut ramp = Ramp::one_probe(held(20));
        assert_eq!(let_all(&mut ramp, now), 1);
        ramp.left(false, true);
        assert_eq!(let_all(&mut ramp, now), 1);
    }

    #[test]
    fn a_probe_that_hangs_holds_nobody_up_for_ever() {
        let now = Moment::now();
        let mut ramp = Ramp::one_probe(None);
        ramp.let_one(now);
        assert_eq!(ramp.next(now), now + SILENCE);
        assert_eq!(let_all(&mut ramp, now + SILENCE), 1);
    }

    #[test]
    fn what_a_window_held_goes_at_once_and_one_call_beyond() {
        let now = Moment::now();
        let mut ramp = Ramp::one_probe(held(20));
        assert_eq!(let_all(&mut ramp, now), 1);
        ramp.left(true, true);
        assert_eq!(let_all(&mut ramp, now), 20, "nineteen more, and one beyond");
        (0..20).for_each(|_| ramp.left(true, true));
        assert_eq!(let_all(&mut ramp, now), 1, "beyond, one at a time");
    }

    #[test]
    fn a_refusal_says_what_the_window_held() {
        let now = Moment::now();
        let mut ramp = Ramp::one_probe(None);
        assert_eq!(ramp.held_until(now, Duration::from_secs(60)), None);
        ramp.let_one(now);
        ramp.left(true, true);
        let refused = now + Duration::from_secs(1);
        let seen = ramp.held_until(refused, Duration::from_secs(60)).unwrap();
        assert_eq!((seen.calls, seen.length), (1, Duration::from_secs(61)));
    }

    #[test]
    fn when_the_window_is_over_the_next_one_begins_without_a_refusal() {
        let mut now = Moment::now();
        let mut ramp = Ramp::one_probe(held(2));
        let_all(&mut ramp, now);
        ramp.left(true, true);
        for _ in 0..3 {
            let round = let_all(&mut ramp, now);
            (0..round).for_each(|_| ramp.left(true, true));
            now += Duration::from_secs(60);
        }
        assert!(let_all(&mut ramp, now) >= 3);
    }

    #[test]
    fn what_was_learned_is_forgotten_when_nothing_is_refused_any_more() {
        let mut now = Moment::now();
        let mut ramp = Ramp::one_probe(held(2));
        let_all(&mut ramp, now);
        ramp.left(true, true);
        for _ in 0..FORGOTTEN_AFTER {
            now += Duration::from_secs(60);
            ramp.next(now);
            ramp.let_one(now);
            ramp.left(true, true);
        }
        now += Duration::from_secs(60);
        ramp.let_one(now);
        ramp.left(true, false);
        assert!(let_all(&mut ramp, now) > 500, "it holds nobody back");
    }
}
