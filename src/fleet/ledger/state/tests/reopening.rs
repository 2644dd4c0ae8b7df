//! A user opens the scope: the way out of a wait that was sent by mistake.

use super::said::{Says, Told, granted, millis, said};
use crate::fleet::ledger::{Counter, Exchange, ReplyState};

const DAY: u64 = 86_400_000;

fn reopens(mut exchange: Exchange) -> Exchange {
    exchange.reopens = true;
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
    exhausted.counter = Some(Counter {
        limit: 500,
        remaining: 0,
        resets_in: millis(DAY),
        settled_by_all: 0,
        cost: 1,
    });
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
