//! Questions for more, after a limit that may have fallen too far.

use super::*;

const WAIT: RefusalWait = RefusalWait::Named(Duration::from_secs(10));

impl LearningGate {
    /// It knew of a limit for 10 s, and has asked for more in vain so often that it may not ask again. Then one call of a
    /// cycle was served, twice.
    fn fallen_from(limit: usize) -> Self {
        let mut gate = Self::new();
        let sent = gate.send(64);
        gate.answer(&sent, limit, WAIT);
        gate.now += 10 * SECOND;
        gate.pattern().extras_refused = 1_000;
        for _ in 0..2 {
            gate.now += 12 * SECOND;
            let first = gate.send(1);
            gate.answer(&first, 1, WAIT);
            let sent = gate.send(20);
            gate.answer(&sent, 0, WAIT);
        }
        gate.now += 12 * SECOND;
        let first = gate.send(1);
        gate.answer(&first, 1, WAIT);
        let pattern = gate.pattern();
        assert_eq!(pattern.limit, Some(1));
        pattern.too_short.length = pattern.length; // or a shorter cycle would tell as much
        gate
    }

    fn pattern(&mut self) -> &mut Pattern {
        self.learner.pattern.as_mut().expect("a limit was learned")
    }

    /// Has one call a cycle served for five minutes, and the calls beyond it as is said. Returns how many there were of these.
    fn asked_in_five_minutes(&mut self, served: bool) -> usize {
        let end = self.now + 300 * SECOND;
        let mut asked = 0;
        while self.now < end {
            let first = self.send(1);
            self.answer(&first, first.len(), WAIT);
            let beyond = self.send(1_000);
            asked += beyond.len();
            self.answer(&beyond, if served { beyond.len() } else { 0 }, WAIT);
            self.now += SECOND;
        }
        asked
    }
}

#[test]
fn a_limit_that_fell_by_more_than_half_is_questioned_twice_whatever_that_has_cost_before() {
    let mut gate = LearningGate::fallen_from(20);
    assert_eq!(gate.asked_in_five_minutes(false), 2);
    assert_eq!(gate.learned().0, 1);
}

#[test]
fn a_limit_of_a_few_calls_is_not() {
    let mut gate = LearningGate::fallen_from(7);
    assert_eq!(gate.asked_in_five_minutes(false), 0);
}

#[test]
fn if_there_is_more_the_limit_grows_again_within_minutes() {
    let mut gate = LearningGate::fallen_from(20);
    gate.asked_in_five_minutes(true);
    assert!(gate.learned().0 >= 20, "{:?}", gate.learned());
}
