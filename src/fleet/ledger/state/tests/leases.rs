//! Lost replies, late exchanges, leases that end, members that return, and ledgers that forget.

use super::super::LedgerState;
use super::super::terms::COST;
use super::said::{LIMIT, Says, Told, granted, millis, said, window};
use crate::fleet::ledger::{QuotaUnit, ReplyState, Settled};

fn lent(told: &Told) -> u64 {
    told.state.accounts[COST].lent
}

fn spent(told: &Told) -> u64 {
    told.state.logs[0].sum()
}

#[test]
fn a_grant_whose_reply_was_lost_is_taken_back() {
    let mut told = Told::new();
    told.tell(said(1, 1).needs(8));
    assert_eq!((lent(&told), spent(&told)), (8, 0));
    let mut exchange = said(1, 2);
    exchange.last_reply = 0;
    told.tell(exchange);
    assert_eq!((lent(&told), spent(&told)), (0, 0));
}

#[test]
fn a_booking_whose_reply_was_lost_is_not_free_before_its_time() {
    let mut told = Told::with(vec![window(QuotaUnit::Cost, 2, 1_000)]);
    told.tell(said(1, 1).needs(2));
    told.tell(said(1, 2).settled(2, 2, 0));
    assert_eq!(granted(&told.tell(said(2, 1).needs(1))).len(), 1);
    let mut exchange = said(2, 2);
    exchange.last_reply = 0;
    told.tell(exchange);
    assert_eq!((lent(&told), spent(&told)), (0, 2));
}

#[test]
fn a_booked_place_that_is_given_back_after_its_time_is_free() {
    let mut told = Told::with(vec![window(QuotaUnit::Cost, 2, 1_000)]);
    told.tell(said(1, 1).needs(2));
    told.tell(said(1, 2).settled(2, 2, 0));
    told.tell(said(2, 1).needs(1));
    told.now += 1_100;
    let mut exchange = said(2, 2);
    exchange.last_reply = 0;
    told.tell(exchange);
    assert_eq!((lent(&told), spent(&told)), (0, 0));
}

#[test]
fn a_late_exchange_changes_nothing() {
    let mut told = Told::new();
    told.tell(said(1, 5).needs(2));
    let before = told.state.clone();
    for sequence in [4, 5] {
        let reply = told.tell(said(1, sequence).holds(9).needs(3).refused(1_000));
        assert_eq!((reply.state, granted(&reply)), (ReplyState::Late, vec![]));
    }
    assert_eq!(told.state, before);
}

#[test]
fn what_was_settled_is_counted_once_though_its_reply_was_lost() {
    let mut told = Told::new();
    told.tell(said(1, 1).needs(8));
    told.tell(said(1, 2).holds(5).settled(3, 3, 0));
    // That reply was lost: two more are settled, and all five are told.
    let mut exchange = said(1, 3).holds(3).settled(5, 5, 0);
    exchange.last_reply = 1;
    let reply = told.tell(exchange);
    assert_eq!((lent(&told), spent(&told), reply.settled_by_all), (3, 5, 5));
}

#[test]
fn the_newest_of_a_log_is_what_the_ledger_does_not_know() {
    let mut told = Told::new();
    told.tell(said(1, 1).needs(8));
    told.tell(said(1, 2).settled(3, 3, 0));
    told.now += 500;
    let mut exchange = said(1, 3).settled(5, 0, 0);
    exchange.accounts[0].confirmed = 0;
    let settled = |age, count| Settled {
        age: millis(age),
        count,
    };
    exchange.accounts[0].log = vec![settled(500, 3), settled(100, 2)];
    told.tell(exchange);
    told.now += 510;
    told.tell(said(1, 4).settled(5, 0, 0));
    assert_eq!(spent(&told), 2);
}

#[test]
fn what_a_member_held_when_its_lease_ended_counts_as_settled_then() {
    let mut told = Told::new();
    told.tell(said(1, 1).needs(8));
    told.now += 2_000;
    told.tell(said(2, 1));
    assert_eq!((lent(&told), spent(&told)), (0, 8));
    told.now += 1_010;
    let reply = told.tell(said(2, 2));
    assert_eq!((lent(&told), spent(&told), reply.members), (0, 0, 1));
}

#[test]
fn a_member_that_returns_is_not_counted_twice() {
    let mut told = Told::new();
    told.tell(said(1, 1).needs(8));
    told.now += 2_000;
    told.tell(said(2, 1));
    // Three were settled before its lease ended, two are on their way, three were stock and are void.
    let reply = told.tell(said(1, 2).holds(2).settled(3, 3, 300));
    assert_eq!((lent(&told), spent(&told), reply.settled_by_all), (0, 8, 8));
    told.tell(said(1, 3).settled(5, 2, 0).needs(1));
    assert_eq!((lent(&told), spent(&told)), (1, 8));
    // Nothing is void any more.
    told.tell(said(1, 4).settled(6, 1, 0));
    assert_eq!((lent(&told), spent(&told)), (0, 9));
}

#[test]
fn a_member_that_does_not_return_is_forgotten() {
    let mut told = Told::new();
    told.tell(said(1, 1).needs(8));
    told.now += 2_000;
    told.tell(said(2, 1));
    assert_eq!(told.state.members.known(), 2);
    told.now += 1_000 + 2 * 2_000;
    told.tell(said(2, 2));
    assert_eq!(told.state.members.known(), 1);
}

#[test]
fn a_member_that_leaves_gives_back_and_settles_the_rest() {
    let mut told = Told::new();
    told.tell(said(1, 1).needs(8));
    let mut exchange = said(1, 2).holds(3);
    exchange.leaves = true;
    let reply = told.tell(exchange);
    assert_eq!((lent(&told), spent(&told), reply.members), (0, 3, 0));
}

#[test]
fn a_flushed_ledger_asks_for_all_and_counts_it() {
    let mut told = Told::new();
    told.tell(said(1, 1).needs(8));
    told.tell(said(1, 2).settled(8, 8, 0));
    told.state = LedgerState::new();
    let reply = told.tell(said(1, 3).settled(9, 1, 0).needs(1));
    assert_eq!(
        (reply.state, granted(&reply), spent(&told)),
        (ReplyState::TellAll, vec![], 0)
    );
    let mut exchange = said(1, 4).settled(9, 0, 0);
    exchange.accounts[0].log = vec![Settled {
        age: millis(100),
        count: 6,
    }];
    exchange.tells_all = true;
    let reply = told.tell(exchange);
    // The other three were settled longer ago than the longest window.
    assert_eq!((reply.state, spent(&told)), (ReplyState::Done, 6));
}

#[test]
fn a_ledger_that_has_lost_the_last_writes_counts_what_is_missing() {
    let mut told = Told::new();
    told.tell(said(1, 1).needs(8));
    told.tell(said(1, 2).holds(5).settled(3, 3, 0));
    let copy = told.state.clone();
    told.tell(said(1, 3).holds(1).settled(7, 4, 0));
    told.state = copy;
    assert_eq!(
        told.tell(said(1, 4).settled(8, 1, 0)).state,
        ReplyState::TellAll
    );
    let mut exchange = said(1, 5).settled(8, 8, 0);
    exchange.tells_all = true;
    told.tell(exchange);
    assert_eq!((lent(&told), spent(&told)), (0, 8));
}

#[test]
fn a_ledger_that_has_forgotten_grants_shares() {
    let mut told = Told::new();
    let mut first = said(1, 1).needs(10);
    first.members_known = 4;
    first.accounts[0].in_window = 1;
    // The others may have had nearly all. All that are alive are heard of within a quarter of a lease or so.
    assert_eq!(granted(&told.tell(first.clone())), []);
    told.now += 625;
    first.sequence = 2;
    assert_eq!(granted(&told.tell(first)), [(0, LIMIT / 4 - 1)]);
    // Also to those that know nothing.
    assert_eq!(granted(&told.tell(said(2, 1).needs(10))), [(0, 3)]);
    assert_eq!(granted(&told.tell(said(2, 2).holds(3).needs(10))), [(0, 1)]);
    assert_eq!(granted(&told.tell(said(2, 3).holds(4).needs(10))), []);
    // A lease is longer than the window here: as long may others use what was lent before.
    told.now += 1_999 - 625;
    assert_eq!(granted(&told.tell(said(2, 4).holds(4).needs(10))), []);
    told.now += 1;
    assert!(!granted(&told.tell(said(2, 5).holds(4).needs(10))).is_empty());
}

#[test]
fn a_newcomer_is_not_taken_for_a_member_that_has_to_return() {
    let mut told = Told::new();
    let mut first = said(1, 1).needs(10);
    first.members_known = 2;
    assert_eq!(granted(&told.tell(first.clone())), []);
    // The other one may have had nearly all, and is not this one.
    assert_eq!(granted(&told.tell(said(3, 1).needs(10))), []);
    first.sequence = 2;
    assert_eq!(granted(&told.tell(first)), []);
    let mut second = said(2, 1).needs(10);
    second.members_known = 2;
    assert!(!granted(&told.tell(second)).is_empty());
}
