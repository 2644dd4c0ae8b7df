//! A user opens the scope: the way out of a wait that was sent by mistake.

use super::said::{Says, Told, granted, millis, said};
use crate::fleet::ledger::{Counter, Exchange, ReplyState, ScopeClosing};

const DAY: u64 = 86_400_000;

fn reopens(mut exchange: Exchange) -> Exchange {
    exchange.reopens = true;
    exchange
}

/// A user has opened it so long ago.
fn reopened_ago(mut exchange: Exchange, ago: u64) -> Exchange {
    exchange.reopened_ago = millis(ago);
    reopens(exchange)
}

/// A counter with nothing left, as it was heard so long ago.
fn used_up(age: u64) -> Counter {
    Counter {
        limit: 500,
        remaining: 0,
        resets_in: millis(DAY),
        settled_by_all: 0,
        cost: 1,
        age: millis(age),
    }
}

/// A refusal that was heard so long ago.
fn refused(mut exchange: Exchange, wait: u64, age: u64) -> Exchange {
    exchange.closing = Some(ScopeClosing {
        remaining: millis(wait),
        is_refusal: true,
        age: millis(age),
    });
    exchange
}

#[test]
fn a_scope_that_a_user_opens_lets_one_probe_of_the_fleet_go() {
    let mut told = Told::new();
    told.tell(said(1, 1).settled(8, 8, 0).refused(DAY));
    assert_eq!(told.tell(said(2, 1).needs(3)).closed_for, millis(DAY));
    told.now += 2_000;
    let reply = told.tell(reopens(said(1, 2).settled(8, 0, 0).needs(3)));
    assert_eq!((reply.closed_for, reply.reopened), (millis(0), 1));
    assert_eq!(granted(&reply), [(0, 1)]);
    let other = told.tell(said(2, 2).needs(3));
    assert_eq!((other.closed_for, other.reopened), (millis(0), 1));
    assert_eq!(granted(&other), []);
    assert_eq!(told.state.cooldown.cap(0), None);
}

#[test]
fn a_counter_that_closed_a_scope_is_forgotten_when_a_user_opens_it() {
    let mut told = Told::with(Vec::new());
    let mut exhausted = said(1, 1);
    exhausted.counter = Some(used_up(0));
    told.tell(exhausted);
    assert_eq!(granted(&told.tell(said(1, 2).needs(3))), []);
    assert_eq!(granted(&told.tell(reopens(said(1, 3).needs(3)))), [(0, 1)]);
}

#[test]
fn a_refusal_after_that_closes_again_in_the_same_exchange_or_a_later_one() {
    let mut told = Told::new();
    told.tell(said(1, 1).refused(DAY));
    let reply = told.tell(reopens(said(1, 2).refused(3_000)));
    assert_eq!(reply.closed_for, millis(3_000));
    told.tell(reopens(said(1, 3)));
    assert_eq!(
        told.tell(said(2, 1).refused(2_000)).closed_for,
        millis(2_000)
    );
}

#[test]
fn an_exchange_that_comes_twice_opens_once() {
    let mut told = Told::new();
    told.tell(said(1, 1).refused(DAY));
    told.tell(reopens(said(1, 2)));
    told.tell(said(2, 1).refused(5_000));
    let again = told.tell(reopens(said(1, 2)));
    assert_eq!(
        (again.state, again.closed_for),
        (ReplyState::Late, millis(5_000))
    );
}

#[test]
fn a_closing_from_before_an_opening_that_is_told_late_closes_nothing() {
    let mut told = Told::new();
    told.tell(said(1, 1).refused(DAY));
    told.tell(reopens(said(1, 2)));
    told.now += 60_000;
    let late = told.tell(refused(said(2, 1), DAY, 60_001));
    assert_eq!((late.state, late.closed_for), (ReplyState::Done, millis(0)));
    let younger = told.tell(refused(said(2, 2), 3_000, 60_000));
    assert_eq!(younger.closed_for, millis(3_000));
    // In the exchange that opens, it is what was heard since.
    let own = told.tell(reopened_ago(refused(said(1, 3), 2_000, 5_000), 5_000));
    assert_eq!(own.closed_for, millis(2_000));
    let own = told.tell(reopened_ago(refused(said(1, 4), 4_000, 0), 0));
    assert_eq!(own.closed_for, millis(4_000));
}

#[test]
fn a_closing_from_before_an_opening_is_not_noted_where_all_has_to_be_told_either() {
    let mut told = Told::new();
    told.tell(reopens(said(1, 1)));
    told.now += 60_000;
    let forgotten = refused(said(2, 1).settled(3, 0, 0), DAY, 60_001);
    let reply = told.tell(forgotten);
    assert_eq!(
        (reply.state, reply.closed_for),
        (ReplyState::TellAll, millis(0))
    );
}

#[test]
fn a_counter_from_before_an_opening_that_is_told_late_is_not_noted() {
    let mut told = Told::with(Vec::new());
    told.tell(reopens(said(1, 1)));
    told.now += 1_000;
    let counted = |sequence, age| {
        let mut exchange = said(1, sequence).needs(3);
        exchange.counter = Some(used_up(age));
        exchange
    };
    assert!(!told.tell(counted(2, 1_001)).is_published);
    assert!(told.tell(counted(3, 999)).is_published);
}

#[test]
fn a_closing_that_is_younger_than_an_opening_stands_when_that_is_told_late() {
    let mut told = Told::new();
    told.tell(said(1, 1).refused(DAY));
    told.tell(reopens(said(1, 2)));
    // The reply is lost. Another member sends the probe, and is refused for a day.
    told.now += 400;
    told.tell(said(2, 1).refused(DAY));
    told.now += 100;
    let again = told.tell(reopened_ago(said(1, 3), 500));
    assert_eq!((again.closed_for, again.reopened), (millis(DAY - 100), 2));
    // The user opens it once more.
    let once_more = told.tell(reopened_ago(said(1, 4), 50));
    assert_eq!(once_more.closed_for, millis(0));
    assert_eq!(granted(&told.tell(said(1, 5).needs(3))), [(0, 1)]);
}

#[test]
fn a_counter_that_is_younger_than_an_opening_stands_when_that_is_told_late() {
    let mut told = Told::with(Vec::new());
    told.now += 1_000;
    let mut exhausted = said(2, 1);
    exhausted.counter = Some(used_up(100));
    told.tell(exhausted);
    let late = told.tell(reopened_ago(said(1, 1).needs(3), 200));
    assert!(late.is_published);
    assert_eq!(granted(&late), []);
    assert!(!told.tell(reopened_ago(said(1, 2), 50)).is_published);
}

#[test]
fn a_clock_that_is_set_back_makes_no_closing_older_than_an_opening() {
    let mut told = Told::new();
    told.tell(reopens(said(1, 1)));
    // The ledger is away for ten minutes, and its clock is set back by as much.
    told.tell(said(1, 2));
    told.now -= 1;
    let refused_meanwhile = told.tell(refused(said(1, 3), DAY, 300_000));
    assert_eq!(refused_meanwhile.closed_for, millis(0), "by a millisecond");
    told.now -= 600_000;
    let refused_meanwhile = told.tell(refused(said(1, 4), DAY, 300_000));
    assert_eq!(refused_meanwhile.closed_for, millis(DAY));
}
