//! Closings, probes, the limit that a refusal teaches, and quotas that the server publishes.

use super::said::{LIMIT, Says, Told, granted, millis, said, window};
use crate::fleet::ledger::{Counter, Exchange, QuotaUnit};

#[test]
fn a_closing_is_never_shortened_and_grants_nothing() {
    let mut told = Told::new();
    assert_eq!(
        told.tell(said(1, 1).refused(3_000)).closed_for,
        millis(3_000)
    );
    told.now += 1_000;
    let reply = told.tell(said(2, 1).refused(500).needs(2));
    assert_eq!(reply.closed_for, millis(2_000));
    assert_eq!(
        (granted(&reply), reply.ask_again_in),
        (vec![], millis(2_000))
    );
    assert_eq!(
        told.tell(said(2, 2).refused(2_500)).closed_for,
        millis(2_500)
    );
}

#[test]
fn after_a_refusal_one_probe_goes_and_then_one_more_with_each_served_call() {
    let mut told = Told::new();
    told.tell(said(1, 1).settled(8, 8, 0).refused(1_100));
    told.now += 1_100;
    let probe = told.tell(said(1, 2).settled(8, 0, 0).needs(5));
    assert_eq!(
        (granted(&probe), probe.ask_again_in),
        (vec![(0, 1)], millis(0))
    );
    let waits = told.tell(said(2, 1).needs(5));
    assert_eq!((granted(&waits), waits.ask_again_in), (vec![], millis(100)));
    let mut served = said(1, 3).settled(9, 1, 0).needs(5);
    served.served = 1;
    assert_eq!(granted(&told.tell(served)), [(0, 1)]);
    assert_eq!(granted(&told.tell(said(2, 2).needs(5))), [(0, 1)]);
    assert_eq!(granted(&told.tell(said(2, 3).holds(1).needs(5))), []);
}

#[test]
fn a_silent_probe_is_followed_by_another_after_two_seconds() {
    let mut told = Told::new();
    told.tell(said(1, 1).settled(8, 8, 0).refused(1_100));
    told.now += 1_100;
    assert_eq!(
        granted(&told.tell(said(1, 2).settled(8, 0, 0).needs(5))),
        [(0, 1)]
    );
    told.now += 1_000;
    assert_eq!(
        granted(&told.tell(said(1, 3).settled(8, 0, 0).holds(1).needs(5))),
        []
    );
    told.now += 999;
    assert_eq!(granted(&told.tell(said(2, 1).needs(5))), []);
    told.now += 1;
    assert_eq!(granted(&told.tell(said(2, 2).needs(5))), [(0, 1)]);
}

#[test]
fn calls_from_before_the_closing_that_are_served_let_no_more_probes_go() {
    let mut told = Told::new();
    told.tell(said(1, 1).refused(100));
    told.now += 100;
    let mut served = said(1, 2).needs(5);
    served.served = 7;
    assert_eq!(granted(&told.tell(served)), [(0, 1)]);
    assert_eq!(granted(&told.tell(said(2, 1).needs(5))), []);
}

#[test]
fn a_refusal_caps_the_window_for_ten_windows_and_then_less_and_less() {
    let mut told = Told::new();
    told.tell(said(1, 1).needs(8));
    // 4 spent and half of 4 lent.
    told.tell(said(1, 2).holds(4).settled(4, 4, 0).refused(10));
    assert_eq!(told.state.cooldown.cap(0), Some(6));
    told.tell(said(1, 3).settled(4, 0, 0));
    told.now += 9_999;
    assert_eq!(told.tell(said(1, 4).settled(4, 0, 0)).free, 6);
    told.now += 1;
    assert_eq!(told.tell(said(1, 5).settled(4, 0, 0)).free, 7);
    told.now += 1_000;
    assert_eq!(told.tell(said(1, 6).settled(4, 0, 0)).free, 8);
    told.now += 8_000;
    assert_eq!(told.tell(said(1, 7).settled(4, 0, 0)).free, LIMIT);
    assert_eq!(told.state.cooldown.cap(0), None);
}

#[test]
fn what_is_booked_again_was_spent_when_a_refusal_teaches() {
    let mut told = Told::with(vec![window(QuotaUnit::Cost, 16, 1_000)]);
    told.tell(said(1, 1).needs(16));
    told.tell(said(1, 2).settled(16, 16, 0));
    // All 16 are lent again, and half of that is not what the server has served in a second.
    for member in 2..10 {
        told.tell(said(member, 1).needs(2));
    }
    told.tell(said(1, 3).settled(16, 0, 0).refused(10));
    assert_eq!(told.state.cooldown.cap(0), Some(16));
}

#[test]
fn a_refusal_while_closed_belongs_to_that_closing() {
    let mut told = Told::new();
    told.tell(said(1, 1).settled(8, 8, 0).refused(5_000));
    told.now += 2_000;
    told.tell(said(2, 1).settled(2, 2, 0).refused(4_000));
    assert_eq!(told.state.cooldown.cap(0), Some(8));
}

#[test]
fn a_probe_that_is_refused_does_not_lower_the_cap() {
    let mut told = Told::new();
    told.tell(said(1, 1).settled(8, 8, 0).refused(2_000));
    told.now += 2_000;
    told.tell(said(1, 2).settled(8, 0, 0).needs(1));
    told.tell(said(1, 3).settled(9, 1, 0).refused(2_000));
    assert_eq!(told.state.cooldown.cap(0), Some(8));
}

#[test]
fn a_plan_that_is_spent_only_closes() {
    let mut told = Told::new();
    told.tell(said(1, 1).settled(8, 8, 0).plan_is_spent(1_100));
    assert_eq!(granted(&told.tell(said(2, 1).needs(5))), []);
    told.now += 1_100;
    assert_eq!(granted(&told.tell(said(2, 2).needs(5))), [(0, 4)]);
    assert_eq!(told.state.cooldown.cap(0), None);
}

fn counter(limit: u32, remaining: u32, resets_in: u64, settled_by_all: u64) -> Counter {
    Counter {
        limit,
        remaining,
        resets_in: millis(resets_in),
        settled_by_all,
        cost: 1,
        age: millis(0),
    }
}

fn reads(mut exchange: Exchange, counter: Counter) -> Exchange {
    exchange.counter = Some(counter);
    exchange
}

fn left(told: &Told) -> Option<u64> {
    Some(told.state.published.as_ref()?.left)
}

#[test]
fn grants_come_out_of_what_the_server_says_is_left() {
    let mut told = Told::with(Vec::new());
    let reply = told.tell(reads(
        said(1, 1).settled(1, 1, 0),
        counter(500, 9, 5_000, 0),
    ));
    assert!(reply.is_published);
    assert_eq!((left(&told), reply.free), (Some(9), 9));
    // An eighth of the limit is a portion, and so all that is left.
    let reply = told.tell(said(1, 2).settled(1, 0, 0).needs(20));
    assert_eq!(
        (granted(&reply), reply.ask_again_in),
        (vec![(0, 9)], millis(0))
    );
    let waits = told.tell(said(2, 1).needs(1));
    assert_eq!(
        (granted(&waits), waits.ask_again_in),
        (vec![], millis(5_000))
    );
    // What comes back unused can be granted again.
    told.tell(said(1, 3).settled(1, 0, 0).holds(5));
    assert_eq!(left(&told), Some(4));
}

#[test]
fn after_the_reset_the_limit_less_what_is_lent_is_left() {
    let mut told = Told::with(Vec::new());
    told.tell(reads(said(1, 1), counter(50, 20, 1_000, 0)));
    told.tell(said(1, 2).needs(3));
    told.now += 1_000;
    let reply = told.tell(said(1, 3).holds(3));
    assert_eq!((left(&told), reply.is_published), (Some(47), false));
    // For one more period, if no counter of the next window is heard.
    told.now += 999;
    told.tell(said(1, 4).holds(3));
    assert_eq!(left(&told), Some(47));
    told.now += 1;
    told.tell(said(1, 5).holds(3));
    assert_eq!(left(&told), None);
}

#[test]
fn an_older_counter_is_dropped_and_one_of_the_same_window_only_corrects() {
    let mut told = Told::with(Vec::new());
    told.tell(reads(said(1, 1), counter(500, 100, 60_000, 0)));
    told.tell(reads(said(1, 2), counter(500, 90, 3_000, 0)));
    assert_eq!(left(&told), Some(100));
    // Two answers that overtake each other: the smaller number is the younger one.
    told.tell(reads(
        said(1, 3).holds(1).settled(1, 1, 0),
        counter(500, 98, 60_300, 0),
    ));
    assert_eq!(left(&told), Some(98));
    told.tell(reads(
        said(1, 4).settled(2, 1, 0),
        counter(500, 99, 60_000, 0),
    ));
    assert_eq!(left(&told), Some(98));
    // Another window.
    told.tell(reads(
        said(1, 5).settled(2, 0, 0),
        counter(500, 400, 90_000, 0),
    ));
    assert_eq!(left(&told), Some(400));
}

#[test]
fn what_others_were_granted_since_the_call_is_not_left() {
    let mut told = Told::with(Vec::new());
    told.tell(reads(said(1, 1), counter(500, 20, 60_000, 0)));
    told.tell(said(2, 1).needs(15));
    assert_eq!(left(&told), Some(5));
    // 20 of which 15 are lent to others: the server may not have counted them.
    told.tell(reads(
        said(1, 2).settled(1, 1, 0),
        counter(500, 20, 60_000, 0),
    ));
    assert_eq!(left(&told), Some(5));
    // The server has counted fewer than the ledger thought.
    told.tell(reads(
        said(1, 3).settled(2, 1, 0),
        counter(500, 30, 60_000, 1),
    ));
    assert_eq!(left(&told), Some(15));
}

#[test]
fn a_plan_does_not_bind_while_the_server_publishes_its_quota() {
    let mut plan = window(QuotaUnit::Cost, 4, 1_000);
    plan.is_plan = true;
    let mut told = Told::with(vec![plan]);
    assert_eq!(told.tell(said(1, 1)).free, 4);
    assert_eq!(
        told.tell(reads(said(1, 2), counter(500, 300, 800, 0))).free,
        300
    );
    told.now += 801;
    assert_eq!(told.tell(said(1, 3)).free, 4);
}

#[test]
fn a_cap_does_not_outlive_the_windows_it_was_learned_in() {
    let mut told = Told::with(vec![
        window(QuotaUnit::Cost, 100, 1_000),
        window(QuotaUnit::Cost, 10, 100),
    ]);
    told.tell(said(1, 1).settled(9, 9, 0).refused(10));
    assert_eq!(
        (told.state.cooldown.cap(0), told.state.cooldown.cap(1)),
        (None, Some(9))
    );
    // One more with each window after ten: as many as are declared.
    told.now += 1_000;
    told.tell(said(1, 2).settled(9, 0, 0));
    assert_eq!(told.state.cooldown.cap(1), None);
}

#[test]
fn a_call_that_is_dearer_than_the_cap_goes_when_the_window_is_empty() {
    let mut told = Told::new();
    told.tell(said(1, 1).settled(6, 6, 0).refused(10));
    assert_eq!(told.state.cooldown.cap(0), Some(6));
    let dear = |member, sequence| {
        let mut exchange = said(member, sequence).needs(10);
        exchange.accounts[0].first = 10;
        exchange
    };
    told.now += 20;
    assert_eq!(granted(&told.tell(dear(2, 1))), []);
    // The ledger has known all for a lease, too.
    told.now += 2_000;
    assert_eq!(granted(&told.tell(dear(2, 2))), [(0, 10)]);
    // No other goes beside it, and the cap holds for those that are not dear.
    told.tell(dear(2, 3).needs(0).holds(10));
    assert_eq!(granted(&told.tell(said(3, 1).needs(1))), []);
    told.tell(said(2, 4).settled(10, 10, 0));
    told.now += 1_004;
    assert_eq!(told.tell(said(3, 2)).free, 6);
    // Nor does one that costs more than is declared.
    let mut dearest = said(4, 1).needs(LIMIT + 1);
    dearest.accounts[0].first = LIMIT + 1;
    assert_eq!(granted(&told.tell(dearest)), []);
}
