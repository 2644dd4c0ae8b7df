//! What a counter teaches that falls to nothing and names no reset.

use super::*;
use crate::gate::core::learning::cycle::Cycle;
use crate::gate::core::learning::price::Price;
use crate::hint::Remaining;

const NAMED: Price = Price::Rest {
    whole_seconds: true,
};

impl LearningGate {
    /// A round trip later these calls are served, and the last answer says that so much is left.
    fn serve_leaving(&mut self, sent: &[Ticket], left: usize) {
        let then = self.now;
        self.now += ROUND_TRIP;
        for (nth, ticket) in sent.iter().enumerate() {
            self.in_flight -= 1;
            let remaining = (left + sent.len() - 1 - nth) as u32;
            let counter = Remaining {
                limit: None,
                remaining,
                resets_in: None,
                coarseness: Duration::ZERO,
            };
            let (is_quiet, ticket) = (self.in_flight == 0, *ticket);
            self.learner
                .on_counter(counter, ticket, false, is_quiet, self.now);
            self.learner.on_success(ticket, then, true, self.now);
        }
    }

    /// Sends all that may go, of which counters leave this much before the first, and returns how many were sent.
    fn serve_of(&mut self, left: usize) -> usize {
        let mut served = 0;
        loop {
            let sent = self.send(1_000);
            if sent.is_empty() {
                return served;
            }
            served += sent.len();
            self.serve_leaving(&sent, left - served);
        }
    }

    /// It knows that 20 calls are served in 10 s. Of a cycle that begins now, five are left.
    fn spent_after_5_of_20() -> (Self, Moment) {
        let mut gate = Self::refused_after_20();
        let start = gate.now;
        assert_eq!(gate.serve_of(5), 5);
        (gate, start)
    }
}

#[test]
fn one_call_asks_when_as_much_of_the_cycle_is_over_as_was_sent_of_its_calls() {
    let (mut gate, start) = LearningGate::spent_after_5_of_20();
    gate.now = start + SECOND * 5 / 2;
    assert_eq!(gate.send(1_000).len(), 0);
    gate.now += SECOND / 10;
    let asks = gate.send(1_000);
    assert_eq!(asks.len(), 1, "a quarter of the cycle is over");
    gate.serve_leaving(&asks, 3);
    let more = gate.serve_of(3);
    assert!((2..=3).contains(&more), "{more}");
    gate.now = start + SECOND * 4;
    assert_eq!(gate.send(1_000).len(), 0, "nine were sent, or eight");
    gate.now = start + SECOND * 5;
    assert_eq!(gate.send(1_000).len(), 1);
    assert_eq!(gate.learned().0, 20);
}

#[test]
fn if_it_is_refused_a_cycle_holds_what_is_sent_until_nothing_is_left() {
    let (mut gate, start) = LearningGate::spent_after_5_of_20();
    gate.now = start + 3 * SECOND;
    let asks = gate.send(1_000);
    gate.answer(&asks, 0, RefusalWait::Named(7 * SECOND));
    gate.now += 7 * SECOND;
    let start = gate.now;
    assert_eq!(gate.serve_of(5), 5);
    assert_eq!(gate.learned().0, 5);
    gate.now = start + 9 * SECOND;
    assert_eq!(gate.send(1_000).len(), 0, "no call asks");
}

#[test]
fn a_call_that_is_never_sent_has_asked_nothing() {
    let (mut gate, start) = LearningGate::spent_after_5_of_20();
    gate.now = start + 3 * SECOND;
    let asks = gate.send(1_000);
    gate.learner.on_abort(1, asks[0], gate.now);
    gate.in_flight = 0;
    gate.now = start + 11 * SECOND;
    assert_eq!(gate.send(1_000).len(), 1);
    assert_eq!(gate.learned().0, 5, "what was sent until nothing was left");
}

#[test]
fn if_all_came_back_at_once_a_cycle_begins_with_it() {
    let (mut gate, start) = LearningGate::spent_after_5_of_20();
    gate.now = start + 3 * SECOND;
    let asks = gate.send(1_000);
    gate.serve_leaving(&asks, 19);
    assert!(gate.learner.cycle.start > start + 3 * SECOND);
    assert_eq!(gate.serve_of(19), 14, "20 in any 10 s");
}

/// A pattern of 20 calls in 10 s, of which five were sent in a cycle that began just now.
fn five_of_20(price: Price) -> (Pattern, Cycle) {
    let now = Moment::now();
    let mut pattern = Pattern::new(Cycle::default(), None, now);
    (pattern.limit, pattern.length, pattern.price) = (Some(20), 10 * SECOND, price);
    let cycle = Cycle {
        sent: 5,
        ..Cycle::beginning(0, now)
    };
    (pattern, cycle)
}

#[test]
fn where_a_refusal_costs_more_than_the_server_names_no_call_asks() {
    let (mut pattern, mut cycle) = five_of_20(Price::Floor(60 * SECOND));
    let end = cycle.start + 10 * SECOND;
    assert_eq!(
        pattern.on_counter_spent(&mut cycle, RoundTrip::default()),
        end
    );
    assert_eq!(pattern.limit, Some(5));
}

#[test]
fn of_a_few_calls_none_asks_and_of_nearly_all_none_either() {
    let (mut pattern, mut cycle) = five_of_20(NAMED);
    pattern.limit = Some(7);
    assert_eq!(
        pattern.on_counter_spent(&mut cycle, RoundTrip::default()),
        cycle.start + 10 * SECOND
    );
    pattern.limit = Some(20);
    cycle.sent = 15;
    assert_eq!(
        pattern.on_counter_spent(&mut cycle, RoundTrip::default()),
        cycle.start + 10 * SECOND
    );
}

#[test]
fn after_each_refusal_no_call_asks_for_twice_as_many_cycles_until_one_is_served() {
    let (mut pattern, mut cycle) = five_of_20(NAMED);
    let soon = cycle.start + SECOND * 5 / 2;
    let begin = |pattern: &mut Pattern, last: &Cycle| {
        let mut next = Cycle::default();
        pattern.begin(last, &mut next, 0, 0, RoundTrip::default(), last.start);
    };
    for cycles in [2, 4, 8] {
        assert_eq!(
            pattern.on_counter_spent(&mut cycle, RoundTrip::default()),
            soon
        );
        pattern.on_useless_ask();
        for _ in 0..cycles {
            pattern.limit = Some(20);
            assert_ne!(
                pattern.on_counter_spent(&mut cycle, RoundTrip::default()),
                soon,
                "{cycles}"
            );
            begin(&mut pattern, &cycle);
        }
        pattern.limit = Some(20);
    }
    pattern.on_useful_ask();
    pattern.on_useless_ask();
    begin(&mut pattern, &cycle);
    begin(&mut pattern, &cycle);
    pattern.limit = Some(20);
    assert_eq!(
        pattern.on_counter_spent(&mut cycle, RoundTrip::default()),
        soon,
        "the first in a row"
    );
}

#[test]
fn a_cycle_that_begins_since_all_is_back_tries_no_shorter_length() {
    let (mut gate, start) = LearningGate::spent_after_5_of_20();
    gate.learner.cycle.ends_early = Some(8 * SECOND);
    gate.now = start + 3 * SECOND;
    let asks = gate.send(1_000);
    gate.serve_leaving(&asks, 19);
    assert!(gate.learner.cycle.start > start, "another cycle");
    assert_eq!(gate.learner.cycle.trial, None);
}

#[test]
fn while_a_refusal_is_not_learned_from_no_counter_begins_a_cycle() {
    let (mut gate, start) = LearningGate::spent_after_5_of_20();
    gate.now = start + 3 * SECOND;
    let first = gate.send(1_000);
    gate.now += 3 * SECOND;
    let second = gate.send(1_000);
    assert_eq!((first.len(), second.len()), (1, 1), "the first one hangs");
    gate.answer(&first, 0, RefusalWait::Named(SECOND));
    gate.serve_leaving(&second, 19);
    assert_eq!(gate.learner.cycle.start, start);
}

#[test]
fn after_a_call_that_asked_was_served_another_may_ask_at_once() {
    let (mut gate, start) = LearningGate::spent_after_5_of_20();
    gate.now = start + 3 * SECOND;
    let asks = gate.send(1_000);
    gate.learner.pattern.as_mut().unwrap().on_useless_ask();
    gate.serve_leaving(&asks, 3);
    assert_eq!(gate.learner.pattern.unwrap().early_asks.useless, 0);
}

#[test]
fn none_asks_before_the_first_call_of_the_last_window_is_back() {
    let (mut pattern, mut cycle) = five_of_20(NAMED);
    let before = cycle.start;
    cycle.start = before + 5 * SECOND;
    (0..20).for_each(|_| pattern.on_admit(0, before));
    let asks = pattern.on_counter_spent(&mut cycle, RoundTrip::default());
    assert!(asks >= before + 10 * SECOND, "it is 7.5 s by the part");
    assert!(asks < before + SECOND * 101 / 10);
}

/// 20 calls in 2 s are declared, of which two may be sent at once, and a call takes this long.
fn may_send_beside_another(round_trip: Duration, published: u32) -> bool {
    let rate = DeclaredRate {
        calls: 20,
        length: 2 * SECOND,
        burst: 2,
        refills_in: SECOND / 5,
        is_alone: true,
    };
    let mut learner = Learner::new(None, Some(rate));
    let sent = Moment::now();
    let then = sent + round_trip;
    let ticket = learner.on_admit(1, 0, 0, sent);
    let counter = Remaining {
        limit: Some(published),
        remaining: published - 1,
        resets_in: None,
        coarseness: Duration::ZERO,
    };
    learner.on_counter(counter, ticket, false, true, then);
    learner.on_success(ticket, sent, true, then);
    for in_flight in 0..published {
        learner.on_admit(1, in_flight, 0, then);
    }
    learner.blocked(1, published, then).is_none()
}

#[test]
fn a_declared_bucket_that_refills_while_calls_are_on_their_way_is_not_held_by_its_counter() {
    assert!(may_send_beside_another(SECOND / 10, 2));
    assert!(!may_send_beside_another(SECOND / 11, 2), "it does not");
    assert!(!may_send_beside_another(SECOND / 10, 1), "it is smaller");
}
