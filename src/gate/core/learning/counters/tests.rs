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
    counters.roll(in_flight, now);
    while counters.has_slot(1, now) && count < 1_000 {
        counters.on_admit(1);
        count += 1;
    }
    count
}

#[test]
fn calls_in_flight_are_counted() {
    let now = Moment::now();
    let mut counters = Counters::default();
    counters.on_counter(counter(100, 99, MINUTE), now, 63, now);
    assert_eq!(may_send(&mut counters, 63, now), 36);
}

#[test]
fn a_window_that_is_spent_opens_at_its_reset() {
    let now = Moment::now();
    let mut counters = Counters::default();
    counters.on_counter(counter(20, 0, MINUTE), now, 0, now);
    let reset = now + Duration::from_secs(MINUTE);
    assert_eq!(may_send(&mut counters, 0, now), 0);
    assert_eq!(counters.resets(), Some(reset));
    assert_eq!(may_send(&mut counters, 0, reset), 20);
}

#[test]
fn other_users_of_the_key_are_noticed() {
    let now = Moment::now();
    let mut counters = Counters::default();
    counters.on_counter(counter(100, 99, MINUTE), now, 0, now);
    counters.on_counter(counter(100, 3, MINUTE), now, 0, now);
    assert_eq!(may_send(&mut counters, 0, now), 3);
}

#[test]
fn an_answer_to_an_earlier_call_is_ignored() {
    let (earlier, now) = (Moment::now(), Moment::now() + Duration::from_secs(1));
    let mut counters = Counters::default();
    counters.on_counter(counter(10, 9, MINUTE), now, 0, now);
    counters.on_counter(counter(10, 0, 5), earlier, 0, now);
    assert_eq!(may_send(&mut counters, 0, now), 9);
}

#[test]
fn a_counter_above_its_own_limit_is_not_believed() {
    let now = Moment::now();
    let mut counters = Counters::default();
    counters.on_counter(counter(10, 4_000_000_000, MINUTE), now, 0, now);
    assert_eq!(counters.left(), None);
}

#[test]
fn within_a_window_counters_only_fall() {
    let now = Moment::now();
    let mut counters = Counters::default();
    for _ in 0..3 {
        counters.on_counter(counter(10, 1, MINUTE), now, 0, now);
    }
    assert_eq!(may_send(&mut counters, 0, now), 1);
    counters.on_counter(counter(10, 1, MINUTE), now, 0, now);
    assert_eq!(may_send(&mut counters, 0, now), 0, "it was sent since");
}

#[test]
fn a_counter_without_a_reset_that_rises_speaks_of_another_window() {
    let now = Moment::now();
    let mut counters = Counters::default();
    counters.on_counter(without_reset(20, 1), now, 0, now);
    assert_eq!(may_send(&mut counters, 0, now), 1);
    counters.on_counter(without_reset(20, 19), now, 0, now);
    assert_eq!(may_send(&mut counters, 0, now), 19);
}

#[test]
fn counters_that_were_contradicted_are_not_believed_for_a_while_and_longer_each_time() {
    let now = Moment::now();
    let mut counters = Counters::default();
    for answers in [200, 800] {
        counters.on_counter(counter(10, 5, MINUTE), now, 0, now);
        assert!(counters.promises());
        counters.on_contradiction();
        for _ in 0..answers {
            assert_eq!(counters.left(), None);
            counters.on_counter(counter(10, 5, MINUTE), now, 0, now);
        }
        assert_eq!(counters.left(), None);
    }
}

#[test]
fn where_only_refusals_speak_of_a_window_the_next_one_is_not_bounded_by_a_guess() {
    let now = Moment::now();
    let mut counters = Counters::default();
    counters.on_counter(counter(20, 0, 10), now, 0, now);
    let reset = now + Duration::from_secs(10);
    counters.roll(0, reset);
    counters.on_admit(1);
    counters.on_silent_success(reset);
    assert_eq!(counters.left(), None);
}

proptest! {
    /// Against a server that counts exactly, answers in any order and tells what is left.
    #[test]
    fn a_window_is_never_overspent_whatever_the_order_of_answers(
        limit in 1u32..60,
        first in 1usize..60,
        order in prop::collection::vec(any::<prop::sample::Index>(), 200),
    ) {
        let start = Moment::now();
        let mut counters = Counters::default();
        let mut counted = 0;
        // When each call was sent, and how many the server had counted by then; not answered yet.
        let mut on_their_way: Vec<(Moment, u32)> = Vec::new();
        let mut send = |counters: &mut Counters, on_their_way: &mut Vec<(Moment, u32)>| {
            counted += 1;
            counters.on_admit(1);
            let sent = start + Duration::from_millis(counted.into());
            on_their_way.push((sent, counted));
            counted
        };
        (0..first).for_each(|_| { send(&mut counters, &mut on_their_way); });
        let blind = first as u32;
        for index in order {
            if on_their_way.is_empty() {
                break;
            }
            let (sent, nth) = on_their_way.swap_remove(index.index(on_their_way.len()));
            let others = on_their_way.len() as u32;
            if nth <= limit {
                counters.on_counter(counter(limit, limit - nth, MINUTE), sent, others, start);
            }
            while counters.left().is_some() && counters.has_slot(1, start) {
                let nth = send(&mut counters, &mut on_their_way);
                prop_assert!(nth <= limit.max(blind), "{nth} of {limit}");
            }
        }
    }
}
