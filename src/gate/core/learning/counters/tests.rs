//! Published counters, in and out of order.

use super::*;
use proptest::prelude::*;

const MINUTE: u64 = 60;

fn counter(limit: u32, remaining: u32, seconds: u64) -> Remaining {
    Remaining {
        limit: Some(limit),
        remaining,
        resets_in: Some(Duration::from_secs(seconds)),
        coarseness: Duration::ZERO,
    }
}

/// What a server says of what is left, and not of when that changes.
fn without_reset(limit: u32, remaining: u32) -> Remaining {
    Remaining {
        resets_in: None,
        ..counter(limit, remaining, 0)
    }
}

/// Sends as many calls as may go, and 1,000 at most.
fn may_send(counters: &mut Counters, in_flight: u32, now: Moment) -> u32 {
    let mut count = 0;
    counters.roll(in_flight, 0, now);
    while counters.has_slot(1, in_flight + count, now) && count < 1_000 {
        counters.on_admit(1);
        count += 1;
    }
    count
}

#[test]
fn calls_in_flight_are_counted() {
    let now = Moment::now();
    let mut counters = Counters::default();
    counters.on_counter(counter(100, 99, MINUTE), 0, 64, false, false, now);
    assert_eq!(may_send(&mut counters, 63, now), 36);
}

#[test]
fn a_window_that_is_spent_opens_at_its_reset() {
    let now = Moment::now();
    let mut counters = Counters::default();
    counters.on_counter(counter(20, 0, MINUTE), 0, 1, false, false, now);
    let reset = now + Duration::from_secs(MINUTE);
    assert_eq!(may_send(&mut counters, 0, now), 0);
    assert_eq!(counters.resets(), Some(reset));
    assert_eq!(may_send(&mut counters, 0, reset), 20);
}

#[test]
fn other_users_of_the_key_are_noticed() {
    let now = Moment::now();
    let mut counters = Counters::default();
    counters.on_counter(counter(100, 99, MINUTE), 0, 1, false, false, now);
    counters.on_counter(counter(100, 3, MINUTE), 0, 1, false, false, now);
    assert_eq!(may_send(&mut counters, 0, now), 3);
}

#[test]
fn an_answer_to_an_earlier_call_is_ignored() {
    let now = Moment::now();
    let mut counters = Counters::default();
    counters.on_counter(counter(10, 9, MINUTE), 1, 2, false, false, now);
    counters.on_counter(counter(10, 0, 5), 0, 1, false, false, now);
    assert_eq!(may_send(&mut counters, 0, now), 9);
}

#[test]
fn a_counter_above_its_own_limit_is_not_believed() {
    let now = Moment::now();
    let mut counters = Counters::default();
    counters.on_counter(counter(10, 4_000_000_000, MINUTE), 0, 1, false, false, now);
    assert_eq!(counters.left(0), None);
}

#[test]
fn within_a_window_counters_only_fall() {
    let now = Moment::now();
    let mut counters = Counters::default();
    for _ in 0..3 {
        counters.on_counter(counter(10, 1, MINUTE), 0, 1, false, false, now);
    }
    assert_eq!(may_send(&mut counters, 0, now), 1);
    counters.on_counter(counter(10, 1, MINUTE), 0, 1, false, false, now);
    assert_eq!(may_send(&mut counters, 0, now), 0, "it was sent since");
}

#[test]
fn when_all_calls_are_answered_the_lowest_counter_is_left_but_for_one() {
    let now = Moment::now();
    let mut counters = Counters::default();
    counters.on_counter(counter(60, 30, 4), 0, 1, false, false, now);
    assert_eq!(may_send(&mut counters, 0, now), 30);
    // Places of a sliding log have become free meanwhile: what was left falls more slowly than calls are sent.
    counters.on_counter(counter(60, 25, 4), 30, 31, false, false, now);
    assert_eq!(may_send(&mut counters, 1, now), 0);
    counters.on_counter(counter(60, 26, 4), 29, 31, false, true, now);
    assert_eq!(may_send(&mut counters, 0, now), 24, "one is kept back");
}

#[test]
fn what_calls_have_spent_of_which_no_answer_tells_is_not_left() {
    let now = Moment::now();
    for drops in [false, true] {
        let mut counters = Counters::default();
        counters.on_counter(counter(60, 6, 4), 0, 1, false, true, now);
        (0..3).for_each(|_| counters.on_admit(1));
        for _ in 0..2 {
            if drops {
                counters.on_cancel();
            } else {
                counters.on_silence();
            }
        }
        counters.on_counter(counter(60, 5, 4), 1, 4, false, true, now);
        assert!(may_send(&mut counters, 0, now) <= 3);
    }
}

#[test]
fn a_counter_without_a_reset_that_rises_speaks_of_another_window() {
    let now = Moment::now();
    let mut counters = Counters::default();
    counters.on_counter(without_reset(20, 1), 0, 1, false, false, now);
    assert_eq!(may_send(&mut counters, 0, now), 1);
    counters.on_counter(without_reset(20, 19), 1, 2, false, false, now);
    assert_eq!(may_send(&mut counters, 0, now), 19);
}

#[test]
fn counters_that_were_contradicted_are_not_believed_for_a_while_and_longer_each_time() {
    let now = Moment::now();
    let mut counters = Counters::default();
    for answers in [200, 800] {
        counters.on_counter(counter(10, 5, MINUTE), 0, 1, false, false, now);
        assert!(counters.promises(0, 0));
        counters.on_contradiction();
        for _ in 0..answers {
            assert_eq!(counters.left(0), None);
            counters.on_counter(counter(10, 5, MINUTE), 0, 1, false, false, now);
        }
        assert_eq!(counters.left(0), None);
    }
}

#[test]
fn where_only_refusals_speak_of_a_window_the_next_one_is_not_bounded_by_a_guess() {
    let now = Moment::now();
    let mut counters = Counters::default();
    counters.on_counter(counter(20, 0, 10), 0, 1, false, false, now);
    let reset = now + Duration::from_secs(10);
    counters.roll(0, 1, reset);
    counters.on_admit(1);
    counters.on_silent_success(1);
    assert_eq!(counters.left(0), None);
}

proptest! {
    /// Against a server that counts calls that are in flight together in any order, answers in any order, and mostly
    /// tells what is left. Some calls are dropped.
    #[test]
    fn a_window_is_never_overspent_whatever_the_order_of_answers(
        limit in 1u32..60,
        workers in 1u32..40,
        order in prop::collection::vec((any::<bool>(), 0_u32..20, any::<prop::sample::Index>()), 400),
    ) {
        let now = Moment::now();
        let mut counters = Counters::default();
        let (mut sent, mut counted, mut is_told_all) = (0, 0, true);
        // The numbers of calls that are not counted; and of those that are not answered, with what is left.
        let mut going = Vec::new();
        let mut coming = Vec::new();
        for (arrives, fate, index) in order {
            loop {
                let in_flight = (going.len() + coming.len()) as u32;
                let may_go = match counters.left(in_flight) {
                    Some(_) => counters.has_slot(1, in_flight, now),
                    None => sent == 0,
                };
                if in_flight >= workers || !may_go {
                    break;
                }
                counters.on_admit(1);
                going.push(sent);
                sent += 1;
            }
            prop_assert!(sent <= limit, "{sent} of {limit}");
            if arrives && !going.is_empty() {
                counted += 1;
                coming.push((going.swap_remove(index.index(going.len())), limit - counted));
            } else if !coming.is_empty() {
                let (sequence, left) = coming.swap_remove(index.index(coming.len()));
                let is_quiet = going.is_empty() && coming.is_empty();
                match fate {
                    0 => counters.on_cancel(),
                    1 => counters.on_silence(),
                    _ => {
                        let counter = counter(limit, left, MINUTE);
                        counters.on_counter(counter, sequence, sent, false, is_quiet, now);
                    }
                }
                is_told_all &= fate > 1;
            }
        }
        let is_idle = going.is_empty() && coming.is_empty();
        prop_assert!(!is_idle || !is_told_all || sent == limit, "{sent} of {limit}");
    }
}
