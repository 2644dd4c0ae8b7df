//! Published counters, in and out of order.

use super::*;
use proptest::prelude::*;

fn counter(limit: u32, remaining: u32, seconds: u64) -> Remaining {
    Remaining {
        limit: Some(limit),
        remaining,
        resets_in: Some(Duration::from_secs(seconds)),
    }
}

/// The answer of a call that was sent after `answered_then` answers.
fn on_counter(server_quota: &mut ServerQuota, counter: Remaining, answered_then: u32, now: Moment) {
    let told = CounterReading {
        counter,
        answered_then,
        cost: 1,
        max_reset: Duration::MAX,
    };
    server_quota.on_counter(told, now);
}

#[track_caller]
fn may_send(server_quota: &mut ServerQuota, now: Moment) -> u32 {
    let mut count = 0;
    while server_quota.next(1, now) <= now && count < 1_000 {
        server_quota.on_admit(1);
        count += 1;
    }
    count
}

#[test]
fn calls_in_flight_are_counted() {
    let now = Moment::now();
    let mut server_quota = ServerQuota::default();
    let answered_then: Vec<_> = (0..64).map(|_| server_quota.on_admit(1)).collect();
    on_counter(
        &mut server_quota,
        counter(100, 99, 60),
        answered_then[0],
        now,
    );
    server_quota.on_finish(1);
    assert_eq!(may_send(&mut server_quota, now), 36);
}

#[test]
fn a_window_that_is_spent_opens_at_its_reset() {
    let now = Moment::now();
    let mut server_quota = ServerQuota::default();
    let answered_then = server_quota.on_admit(1);
    on_counter(&mut server_quota, counter(20, 0, 60), answered_then, now);
    server_quota.on_finish(1);
    let reset = now + Duration::from_secs(60);
    assert_eq!(server_quota.next(1, now), reset);
    assert_eq!(may_send(&mut server_quota, reset), 20);
}

#[test]
fn other_users_of_the_key_are_noticed() {
    let now = Moment::now();
    let mut server_quota = ServerQuota::default();
    let answered_then = server_quota.on_admit(1);
    on_counter(&mut server_quota, counter(100, 99, 60), answered_then, now);
    server_quota.on_finish(1);
    let answered_then = server_quota.on_admit(1);
    on_counter(&mut server_quota, counter(100, 3, 60), answered_then, now);
    server_quota.on_finish(1);
    assert_eq!(may_send(&mut server_quota, now), 3);
}

#[test]
fn a_response_from_before_the_window_rolled_over_is_ignored() {
    let now = Moment::now();
    let mut server_quota = ServerQuota::default();
    let late = server_quota.on_admit(1);
    let answered_then = server_quota.on_admit(1);
    on_counter(&mut server_quota, counter(10, 9, 60), answered_then, now);
    server_quota.on_finish(1);
    on_counter(&mut server_quota, counter(10, 0, 5), late, now);
    server_quota.on_finish(1);
    assert!(may_send(&mut server_quota, now) >= 8);
}

#[test]
fn a_counter_above_its_own_limit_is_not_believed() {
    let now = Moment::now();
    let mut server_quota = ServerQuota::default();
    let answered_then = server_quota.on_admit(1);
    on_counter(
        &mut server_quota,
        counter(10, 4_000_000_000, 60),
        answered_then,
        now,
    );
    assert!(server_quota.window.is_none());
}

#[test]
fn a_server_that_refills_bit_by_bit_is_asked_one_call_at_a_time() {
    let mut now = Moment::now();
    let mut server_quota = ServerQuota::default();
    let answered_then = server_quota.on_admit(1);
    on_counter(&mut server_quota, counter(100, 0, 1), answered_then, now);
    server_quota.on_finish(1);
    now += Duration::from_secs(1);
    assert_eq!(may_send(&mut server_quota, now), 100, "a window, it seems");
    server_quota.on_refusal(1);
    server_quota.on_finish(100);
    now += Duration::from_secs(1);
    assert_eq!(may_send(&mut server_quota, now), 1);
    let answered = server_quota.answered;
    on_counter(&mut server_quota, counter(100, 2, 1), answered, now);
    server_quota.on_finish(1);
    assert_eq!(
        may_send(&mut server_quota, now),
        2,
        "as many as the answer says"
    );
    server_quota.on_finish(2);
    now += Duration::from_secs(1);
    assert_eq!(may_send(&mut server_quota, now), 1);
    let answered = server_quota.answered;
    on_counter(&mut server_quota, counter(100, 99, 60), answered, now);
    server_quota.on_finish(1);
    now += Duration::from_secs(60);
    assert_eq!(may_send(&mut server_quota, now), 100, "a window after all");
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
        let mut server_quota = ServerQuota::default();
        let mut counted = 0;
        // Sent, counted by the server in the order of sending, not answered yet.
        let mut on_their_way: Vec<(u32, u32)> = Vec::new();
        let mut send = |server_quota: &mut ServerQuota, on_their_way: &mut Vec<(u32, u32)>| {
            counted += 1;
            on_their_way.push((server_quota.on_admit(1), counted));
            counted
        };
        (0..first).for_each(|_| { send(&mut server_quota, &mut on_their_way); });
        let blind = first as u32;
        for index in order {
            if on_their_way.is_empty() {
                break;
            }
            let (answered_then, nth) = on_their_way.swap_remove(index.index(on_their_way.len()));
            if nth <= limit {
                on_counter(&mut server_quota, counter(limit, limit - nth, 60), answered_then, now);
            }
            server_quota.on_finish(1);
            while server_quota.window.is_some() && server_quota.next(1, now) <= now {
                let nth = send(&mut server_quota, &mut on_their_way);
                prop_assert!(nth <= limit.max(blind), "{nth} of {limit}");
            }
        }
    }
}
