//! What is lent while no limit is known.

use super::said::{Says, Told, granted, millis, said, window};
use crate::fleet::ledger::{Counter, Exchange, QuotaUnit};

/// How much all of these members are granted now, one after the other.
fn granted_to(told: &mut Told, members: std::ops::Range<u64>, sequence: u64, need: u32) -> u32 {
    let counts = members.map(|member| {
        let reply = told.tell(said(member, sequence).needs(need));
        granted(&reply).iter().map(|(_, count)| count).sum::<u32>()
    });
    counts.sum()
}

fn publishes(mut exchange: Exchange, limit: u32, remaining: u32) -> Exchange {
    exchange.counter = Some(Counter {
        limit,
        remaining,
        resets_in: millis(10_000),
        settled_by_all: 0,
        cost: 1,
        age: millis(0),
    });
    exchange
}

#[test]
fn while_no_limit_is_known_sixteen_processes_are_lent_64_together() {
    let mut told = Told::with(Vec::new());
    assert_eq!(granted_to(&mut told, 0..16, 1, 25), 64);
    let waits = told.tell(said(16, 1).needs(25));
    assert_eq!((granted(&waits), waits.ask_again_in), (vec![], millis(100)));
}

#[test]
fn each_that_is_settled_lets_one_more_go() {
    let mut told = Told::with(Vec::new());
    assert_eq!(granted(&told.tell(said(1, 1).needs(40))), [(0, 40)]);
    assert_eq!(granted(&told.tell(said(2, 1).needs(40))), [(0, 24)]);
    // 10 were settled: 54 are lent, of 74.
    let reply = told.tell(said(1, 2).holds(30).settled(10, 10, 0).needs(40));
    assert_eq!(granted(&reply), [(0, 20)]);
}

#[test]
fn the_first_counter_says_how_much_is_left() {
    let mut told = Told::with(Vec::new());
    granted_to(&mut told, 0..16, 1, 25);
    // The first of 64 is answered, and the other 63 are on their way.
    let first = said(0, 2).holds(24).settled(1, 1, 0);
    let reply = told.tell(publishes(first, 500, 499));
    assert_eq!(reply.free, 499 - 63);
    assert!(granted_to(&mut told, 16..32, 1, 25) > 64);
}

#[test]
fn an_api_that_publishes_nothing_is_not_slowed_after_enough_was_settled() {
    let mut told = Told::with(Vec::new());
    let first = said(1, 1).settled(4_095, 4_095, 0).needs(70_000);
    assert_eq!(granted(&told.tell(first)), [(0, 64 + 4_095)]);
    let second = said(1, 2).settled(4_096, 1, 0).needs(70_000);
    assert_eq!(granted(&told.tell(second)), [(0, 70_000)]);
}

#[test]
fn nothing_more_is_lent_than_needed_while_no_limit_is_known() {
    let mut told = Told::with(Vec::new());
    let mut exchange = said(1, 1).needs(2);
    exchange.accounts[0].extra = 30;
    assert_eq!(granted(&told.tell(exchange)), [(0, 2)]);
}

#[test]
fn a_declared_window_is_a_known_limit_and_one_of_calls_in_flight_is_none() {
    let mut declared = Told::with(vec![window(QuotaUnit::Cost, 10_000, 1_000)]);
    assert_eq!(granted(&declared.tell(said(1, 1).needs(200))), [(0, 200)]);
    let mut at_once = Told::with(vec![window(QuotaUnit::InFlight, 10_000, 0)]);
    assert_eq!(granted(&at_once.tell(said(1, 1).needs(200))), [(0, 64)]);
}

#[test]
fn a_call_that_is_dearer_than_what_is_lent_at_first_goes_alone() {
    let mut told = Told::with(Vec::new());
    let dear = |member, sequence| {
        let mut exchange = said(member, sequence).needs(900);
        exchange.accounts[0].first = 300;
        exchange
    };
    assert_eq!(granted(&told.tell(dear(1, 1))), [(0, 300)]);
    assert_eq!(granted(&told.tell(dear(2, 1))), []);
    told.tell(said(1, 2).settled(300, 300, 0));
    assert_eq!(granted(&told.tell(dear(2, 2))), [(0, 364)]);
}

#[test]
fn it_begins_anew_when_a_published_quota_is_forgotten() {
    let mut told = Told::with(Vec::new());
    let first = said(1, 1).settled(5_000, 5_000, 0);
    told.tell(publishes(first, 500, 499));
    // A period after its reset.
    told.now += 20_000;
    assert_eq!(granted_to(&mut told, 2..18, 1, 25), 64);
}
