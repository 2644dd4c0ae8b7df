//! Published counters, in and out of order.

use super::*;
use proptest::prelude::*;

fn counter(limit: u32, remaining: u32, seconds: u64) -> Counter {
    Counter {
        limit: Some(limit),
        remaining,
        resets_in: Some(Duration::from_secs(seconds)),
    }
}

/// The answer of a call that was sent after `answered_then` answers.
fn hear(published: &mut Published, counter: Counter, answered_then: u32, now: Moment) {
    let told = Told {
        counter,
        answered_then,
        price: 1,
        believed_for: Duration::MAX,
    };
    published.hear(told, now);
}

#[track_caller]
fn may_send(published: &mut Published, now: Moment) -> u32 {
    let mut count = 0;
    while published.next(1, now) <= now && count < 1_000 {
        published.send(1);
        count += 1;
    }
    count
}

#[test]
fn calls_in_flight_are_counted() {
    let now = Moment::now();
    let mut published = Published::default();
    let tickets: Vec<_> = (0..64).map(|_| published.send(1)).collect();
    hear(&mut published, counter(100, 99, 60), tickets[0], now);
    published.over(1);
    assert_eq!(may_send(&mut published, now), 36);
}

#[test]
fn a_window_that_is_spent_opens_at_its_reset() {
    let now = Moment::now();
    let mut published = Published::default();
    let ticket = published.send(1);
    hear(&mut published, counter(20, 0, 60), ticket, now);
    published.over(1);
    let reset = now + Duration::from_secs(60);
    assert_eq!(published.next(1, now), reset);
    assert_eq!(may_send(&mut published, reset), 20);
}

#[test]
fn other_users_of_the_key_are_noticed() {
    let now = Moment::now();
    let mut published = Published::default();
    let ticket = published.send(1);
    hear(&mut published, counter(100, 99, 60), ticket, now);
    published.over(1);
    let ticket = published.send(1);
    hear(&mut published, counter(100, 3, 60), ticket, now);
    published.over(1);
    assert_eq!(may_send(&mut published, now), 3);
}

#[test]
fn a_response_from_before_the_window_rolled_over_is_ignored() {
    let now = Moment::now();
    let mut published = Published::default();
    let late = published.send(1);
    let ticket = published.send(1);
    hear(&mut published, counter(10, 9, 60), ticket, now);
    published.over(1);
    hear(&mut published, counter(10, 0, 5), late, now);
    published.over(1);
    assert!(may_send(&mut published, now) >= 8);
}

#[test]
fn a_counter_above_its_own_limit_is_not_believed() {
    let now = Moment::now();
    let mut published = Published::default();
    let ticket = published.send(1);
    hear(&mut published, counter(10, 4_000_000_000, 60), ticket, now);
    assert!(published.window.is_none());
}

#[test]
fn a_server_that_refills_bit_by_bit_is_asked_one_call_at_a_time() {
    let mut now = Moment::now();
    let mut published = Published::default();
    let ticket = published.send(1);
    hear(&mut published, counter(100, 0, 1), ticket, now);
    published.over(1);
    now += Duration::from_secs(1);
    assert_eq!(may_send(&mut published, now), 100, "a window, it seems");
    published.contradicted(1);
    published.over(100);
    now += Duration::from_secs(1);
    assert_eq!(may_send(&mut published, now), 1);
    let answered = published.answered;
    hear(&mut published, counter(100, 2, 1), answered, now);
    published.over(1);
    assert_eq!(
        may_send(&mut published, now),
        2,
        "as many as the answer says"
    );
    published.over(2);
    now += Duration::from_secs(1);
    assert_eq!(may_send(&mut published, now), 1);
    let answered = published.answered;
    hear(&mut published, counter(100, 99, 60), answered, now);
    published.over(1);
    now += Duration::from_secs(60);
    assert_eq!(may_send(&mut published, now), 100, "a window after all");
}

proptest! {
    /// Against a server that counts exactly, answers in any order and tells what is left.
    #[test]
    fn a_window_is_never_overspent_whatever_the_order_of_answers(
        limit in 1u32..60,
        first in 1usize..60,
        order in prop::collection::vec(any::<prop::sample::Index>(), 200),
    ) {
        let now = Moment::now();
        let mut published = Published::default();
        let mut counted = 0;
        // Sent, counted by the server in the order of sending, not answered yet.
        let mut on_their_way: Vec<(u32, u32)> = Vec::new();
        let mut send = |published: &mut Published, on_their_way: &mut Vec<(u32, u32)>| {
            counted += 1;
            on_their_way.push((published.send(1), counted));
            counted
        };
        (0..first).for_each(|_| { send(&mut published, &mut on_their_way); });
        let blind = first as u32;
        for index in order {
            if on_their_way.is_empty() {
                break;
            }
            let (ticket, nth) = on_their_way.swap_remove(index.index(on_their_way.len()));
            if nth <= limit {
                hear(&mut published, counter(limit, limit - nth, 60), ticket, now);
            }
            published.over(1);
            while published.window.is_some() && published.next(1, now) <= now {
                let nth = send(&mut published, &mut on_their_way);
                prop_assert!(nth <= limit.max(blind), "{nth} of {limit}");
            }
        }
    }
}
