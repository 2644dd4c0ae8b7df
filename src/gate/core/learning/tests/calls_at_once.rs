//! How a limit on calls at once that is too low is given up.

use super::*;
use crate::gate::core::learning::at_once::AtOnce;
use crate::gate::core::learning::cycle::Cycle;
use crate::gate::core::learning::price::Price;

/// How long it takes until 64 calls of 50 ms each may be in flight, where all are served and two were believed to be too many.
fn until_64_at_once(floor: Duration) -> Duration {
    let start = Moment::now();
    let mut pattern = Pattern::new(Cycle::default(), None, start);
    pattern.price = Price::Floor(floor);
    pattern.at_once = AtOnce::of(2);
    let mut now = start;
    while pattern.at_once() < 64 {
        let limit = pattern.at_once();
        (0..limit).for_each(|_| pattern.on_admit(limit - 1, now));
        now += ROUND_TRIP;
    }
    now.since(start)
}

#[test]
fn too_low_a_limit_on_calls_at_once_is_given_up_within_some_hundred_floors() {
    assert!(until_64_at_once(SECOND) < 100 * SECOND);
    assert!(until_64_at_once(60 * SECOND) < 1_200 * SECOND);
}

#[test]
fn steps_become_larger_while_all_are_served_and_begin_with_one_after_a_refusal() {
    let mut at_once = AtOnce::of(40);
    let mut steps = Vec::new();
    for _ in 0..6 {
        steps.push(at_once.next_step());
        at_once.raise(at_once.next_step());
    }
    assert_eq!(steps, [1, 2, 4, 8, 13, 17]);
    at_once.failures = 1;
    assert_eq!(at_once.next_step(), 1);
}
