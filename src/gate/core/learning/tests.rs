//! What refusals, waits and counters teach, as conversations.

mod answers;
mod calls_at_once;
mod drains;
mod limiters;
mod liveness;
mod questions;
mod spent;
mod unsteady;
mod world;

use super::*;

const SECOND: Duration = Duration::from_secs(1);
const ROUND_TRIP: Duration = Duration::from_millis(50);

/// A gate that knows nothing else, and its calls in flight.
struct LearningGate {
    learner: Learner,
    in_flight: u32,
    now: Moment,
}

impl LearningGate {
    fn new() -> Self {
        Self {
            learner: Learner::new(None, None),
            in_flight: 0,
            now: Moment::now(),
        }
    }

    /// Sends as many calls as may go now, and at most `most`.
    fn send(&mut self, most: u32) -> Vec<Ticket> {
        let mut sent = Vec::new();
        while (sent.len() as u32) < most
            && self.learner.blocked(1, self.in_flight, self.now).is_none()
        {
            sent.push(self.learner.on_admit(1, self.in_flight, 100, self.now));
            self.in_flight += 1;
        }
        sent
    }

    /// A round trip later, the first `served` of the calls are served and the others are refused for `wait`.
    fn answer(&mut self, sent: &[Ticket], served: usize, wait: RefusalWait) {
        let then = self.now;
        self.now += ROUND_TRIP;
        for (nth, ticket) in sent.iter().enumerate() {
            self.in_flight -= 1;
            if nth < served {
                self.learner.on_success(*ticket, then, true, self.now);
            } else {
                self.learner.on_answer(*ticket, self.now);
                self.learner.on_refusal(*ticket, then, wait, self.now);
            }
        }
    }

    /// Sends what may go and has it served, until nothing may go or 200 were. Returns how many were.
    fn serve_all(&mut self) -> u32 {
        let mut served = 0;
        loop {
            let sent = self.send(1_000);
            if sent.is_empty() || served >= 200 {
                self.answer(&sent, sent.len(), RefusalWait::Floor(SECOND));
                return served;
            }
            served += sent.len() as u32;
            self.answer(&sent, sent.len(), RefusalWait::Floor(SECOND));
        }
    }

    /// The gate was refused: 20 of 64 calls were served, and the others have to wait for 10 s.
    fn refused_after_20() -> Self {
        let mut gate = Self::new();
        let sent = gate.send(64);
        gate.answer(&sent, 20, RefusalWait::Named(10 * SECOND));
        gate.now += 10 * SECOND;
        gate
    }

    fn learned(&self) -> (u32, Duration) {
        let learned = self.learner.learned().expect("something was learned");
        (learned.calls, learned.window.expect("a window"))
    }
}

#[test]
fn an_unknown_server_is_asked_64_times_and_then_with_each_answer_once_more() {
    let mut gate = LearningGate::new();
    let first = gate.send(1_000);
    assert_eq!(first.len(), 64);
    gate.answer(&first[..31], 31, RefusalWait::Floor(SECOND));
    assert!(gate.send(1_000).is_empty(), "half are answered first");
    gate.answer(&first[31..32], 1, RefusalWait::Floor(SECOND));
    assert_eq!(gate.send(1_000).len(), 32);
}

#[test]
fn not_more_than_256_are_in_flight_as_long_as_nothing_is_known() {
    let mut gate = LearningGate::new();
    for _ in 0..10 {
        let sent = gate.send(1_000);
        assert!(gate.in_flight <= 256, "{}", gate.in_flight);
        gate.answer(&sent, sent.len(), RefusalWait::Floor(SECOND));
    }
    while gate.learner.served < KNOWN_AFTER {
        let sent = gate.send(1_000);
        gate.answer(&sent, sent.len(), RefusalWait::Floor(SECOND));
    }
    assert_eq!(gate.send(1_000).len(), 1_000);
}

#[test]
fn after_a_refusal_one_call_goes_and_then_twice_as_many() {
    let mut gate = LearningGate::refused_after_20();
    for round in [1, 2, 4, 8] {
        let sent = gate.send(1_000);
        assert_eq!(sent.len(), round);
        gate.answer(&sent, round, RefusalWait::Floor(SECOND));
    }
}

#[test]
fn a_probe_that_hangs_holds_no_call_up_for_ever() {
    let mut gate = LearningGate::refused_after_20();
    assert_eq!(gate.send(1_000).len(), 1);
    for _ in 0..5 {
        gate.now += deciding::SILENCE;
        assert_eq!(gate.send(1_000).len(), 1);
    }
}

#[test]
fn a_refusal_says_how_many_calls_a_window_holds_and_when_it_ends() {
    let mut gate = LearningGate::refused_after_20();
    gate.send(1);
    let (calls, length) = gate.learned();
    assert_eq!(calls, 20);
    assert!(length >= 10 * SECOND && length < 11 * SECOND, "{length:?}");
}

#[test]
fn what_was_learned_is_let_through_in_each_window_and_one_call_more_asks_for_more() {
    let mut gate = LearningGate::refused_after_20();
    let mut served = 0;
    while served < 20 {
        let sent = gate.send(1_000);
        served += sent.len();
        gate.answer(&sent, sent.len(), RefusalWait::Floor(SECOND));
    }
    let asks = gate.send(1_000);
    assert_eq!(asks.len(), 1, "beyond the limit");
    gate.answer(&asks, 0, RefusalWait::Named(9 * SECOND));
    gate.now += 10 * SECOND;
    assert_eq!(gate.send(1_000).len(), 20, "all at once, without a probe");
    assert_eq!(gate.learned().0, 20);
}

#[test]
fn a_limit_that_has_grown_is_found() {
    let mut gate = LearningGate::refused_after_20();
    let mut most = 0;
    for _ in 0..20 {
        most = gate.serve_all().max(most);
        gate.now += 11 * SECOND;
    }
    assert!(most > 100, "{most} in a window of a server without a limit");
}

#[test]
fn a_shorter_window_is_tried_with_one_call() {
    let mut gate = LearningGate::new();
    let sent = gate.send(64);
    gate.answer(&sent, 20, RefusalWait::Floor(60 * SECOND));
    gate.now += 60 * SECOND;
    let minute = RefusalWait::Floor(60 * SECOND);
    let mut lengths = Vec::new();
    let mut left = 20;
    // A server that serves 20 calls every 5 s at least.
    for _ in 0..1_000 {
        let sent = gate.send(1_000);
        let served = sent.len().min(left);
        gate.answer(&sent, served, minute);
        left -= served;
        if served < sent.len() {
            gate.now += 60 * SECOND;
            left = 20;
        }
        if sent.is_empty() {
            gate.now += 5 * SECOND;
            left = 20;
        }
        lengths.extend(gate.learner.learned().and_then(|learned| learned.window));
    }
    let shortest = lengths.iter().min().expect("many");
    assert!(*shortest <= 20 * SECOND, "{shortest:?}");
}

/// A gate whose calls came one by one at first, and then more and more at once, until some of nine were refused.
fn refused_at_nine_at_once(times: u32, served_of_nine: usize, wait: RefusalWait) -> LearningGate {
    let mut gate = LearningGate::new();
    for _ in 0..100 {
        let sent = gate.send(1);
        gate.answer(&sent, 1, wait);
    }
    for _ in 0..times {
        for at_once in 1..=9 {
            let sent = gate.send(at_once);
            let served = match sent.len() {
                9 => served_of_nine,
                fewer => fewer,
            };
            gate.answer(&sent, served, wait);
        }
        gate.now += 2 * SECOND;
    }
    gate
}

#[test]
fn calls_at_once_are_to_blame_if_far_fewer_were_sent_than_before_but_more_at_once() {
    let mut gate = refused_at_nine_at_once(3, 8, RefusalWait::Floor(SECOND));
    gate.send(1);
    let pattern = gate.learner.pattern.as_deref().unwrap();
    assert_eq!(pattern.at_once(), 8);
    assert!(pattern.limit.is_some_and(|limit| limit > 100));
}

#[test]
fn a_window_that_is_spent_blames_no_calls_at_once() {
    let mut gate = refused_at_nine_at_once(3, 0, RefusalWait::Floor(SECOND));
    gate.send(1);
    assert!(gate.learner.pattern.as_deref().unwrap().at_once() > 8);
}

#[test]
fn one_refusal_of_many_at_once_is_not_enough_to_blame_them() {
    // The first one teaches the window.
    let mut gate = refused_at_nine_at_once(2, 8, RefusalWait::Floor(SECOND));
    gate.send(1);
    assert_ne!(gate.learner.pattern.as_deref().unwrap().at_once(), 8);
}

#[test]
fn calls_at_once_that_are_to_blame_become_fewer() {
    let now = Moment::now();
    let mut pattern = Pattern::new(Cycle::default(), None, now);
    (pattern.limit, pattern.crowd) = (Some(100), Some(9));
    pattern.at_once = at_once::AtOnce::of(9);
    let cycle = Cycle {
        refused: 1,
        ..Cycle::beginning(0, now)
    };
    let wait = RefusalWait::Floor(SECOND);
    let mut lesson = Lesson::of(Ticket::default(), now, wait, 9, &cycle, &pattern);
    lesson.is_crowded = true;
    assert!(pattern.learn_from_crowd(&lesson, &cycle, 20));
    assert_eq!(pattern.at_once(), 8);
}

#[test]
fn a_refusal_that_names_its_wait_blames_no_calls_at_once() {
    let mut gate = refused_at_nine_at_once(3, 8, RefusalWait::Named(SECOND));
    gate.send(1);
    assert_ne!(gate.learner.pattern.as_deref().unwrap().at_once(), 8);
}

#[test]
fn a_limit_on_calls_at_once_is_told_from_a_window() {
    let mut gate = LearningGate::new();
    let sent = gate.send(64);
    gate.answer(&sent, 5, RefusalWait::Named(SECOND));
    gate.now += SECOND;
    // Whatever is sent five at once is served.
    for _ in 0..40 {
        let sent = gate.send(5);
        gate.answer(&sent, sent.len(), RefusalWait::Floor(SECOND));
    }
    let learned = gate.learner.learned().expect("something was learned");
    assert_eq!((learned.calls, learned.window), (5, None));
    assert_eq!(gate.send(1_000).len(), 5);
}

#[test]
fn an_outage_teaches_nothing() {
    let mut gate = LearningGate::refused_after_20();
    gate.serve_all();
    let before = gate.learned();
    gate.now += 12 * SECOND;
    for _ in 0..20 {
        gate.learner.on_outage();
        let sent = gate.send(1_000);
        assert!(sent.len() <= 1);
        sent.iter()
            .for_each(|ticket| gate.learner.on_answer(*ticket, gate.now));
        gate.in_flight -= sent.len() as u32;
        gate.now += 30 * SECOND;
    }
    assert_eq!(gate.learned(), before);
}

#[test]
fn refusals_that_no_length_explains_are_forgotten() {
    let mut gate = LearningGate::refused_after_20();
    for _ in 0..200 {
        let sent = gate.send(1);
        gate.answer(&sent, 0, RefusalWait::Named(SECOND));
        gate.now += SECOND;
        let sent = gate.send(1);
        gate.answer(&sent, sent.len(), RefusalWait::Floor(SECOND));
        gate.now += 60 * SECOND;
    }
    let length = gate.learner.learned().and_then(|learned| learned.window);
    let length = length.unwrap_or_default();
    assert!(length < 300 * SECOND, "{length:?}");
}
