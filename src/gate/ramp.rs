//! Reopening without a stampede: one probe, then twice as many with every round of answers.

use std::time::{Duration, Instant};

/// If the calls let through keep silent for this long, one more may go: a probe that hangs must
/// not hold everybody up.
const SILENCE: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(crate) struct Ramp {
    allowed: u32,
    in_flight: u32,
    last_let: Option<Instant>,
}

impl Ramp {
    pub(crate) fn one_probe() -> Self {
        Self {
            allowed: 1,
            in_flight: 0,
            last_let: None,
        }
    }

    /// From when one more may go. `None`: not before one of those in flight has answered or kept
    /// silent for too long.
    pub(crate) fn next(&self, now: Instant) -> Instant {
        match self.last_let {
            Some(last) if self.in_flight >= self.allowed => last + SILENCE,
            _ => now,
        }
    }

    pub(crate) fn let_one(&mut self, now: Instant) {
        self.in_flight += 1;
        self.last_let = Some(now);
    }

    pub(crate) fn left(&mut self, accepted: bool) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.allowed = self.allowed.saturating_add(u32::from(accepted));
    }

    /// Whether it has stopped holding anybody back.
    pub(crate) fn is_over(&self) -> bool {
        self.allowed > self.in_flight.saturating_add(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn let_all(ramp: &mut Ramp, now: Instant) -> u32 {
        let mut count = 0;
        while ramp.next(now) <= now {
            ramp.let_one(now);
            count += 1;
        }
        count
    }

    #[test]
    fn rounds_double_as_answers_come() {
        let now = Instant::now();
        let mut ramp = Ramp::one_probe();
        let mut rounds = Vec::new();
        for _ in 0..5 {
            let round = let_all(&mut ramp, now);
            rounds.push(round);
            (0..round).for_each(|_| ramp.left(true));
        }
        assert_eq!(rounds, [1, 2, 4, 8, 16]);
    }

    #[test]
    fn a_failed_probe_is_followed_by_one_more() {
        let now = Instant::now();
        let mut ramp = Ramp::one_probe();
        assert_eq!(let_all(&mut ramp, now), 1);
        ramp.left(false);
        assert_eq!(let_all(&mut ramp, now), 1);
    }

    #[test]
    fn a_probe_that_hangs_holds_nobody_up_for_ever() {
        let now = Instant::now();
        let mut ramp = Ramp::one_probe();
        ramp.let_one(now);
        assert_eq!(ramp.next(now), now + SILENCE);
        assert_eq!(let_all(&mut ramp, now + SILENCE), 1);
    }
}
