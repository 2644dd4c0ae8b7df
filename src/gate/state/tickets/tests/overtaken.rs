//! Tickets do not say just when a call was sent: nothing follows from that for those that were sent about then.

use std::time::Duration;

use super::side::{End, Side};
use super::{start, warm};
use crate::gate::words::Pass;
use crate::moment::Moment;

/// A gate, and a call on its way.
fn with_a_slow_one(start: Moment) -> (Side, Pass) {
    let mut side = Side::new(&[], true);
    assert!(side.comes(1, start));
    let slow = side.on_their_way.remove(0);
    (side, slow)
}

#[test]
fn an_answer_that_calls_with_tickets_have_overtaken_is_old() {
    let start = start();
    let (mut side, slow) = with_a_slow_one(start);
    let later = start + Duration::from_secs(1);
    for _ in 0..20 {
        assert!(side.comes(1, start));
        side.served(start);
    }
    assert!(!side.state.is_stale(slow));
    side.with_tickets = 0;
    assert!(side.comes(1, later), "looked at, since a second has passed");
    let looked_at = side.on_their_way.remove(0);
    assert!(side.comes(1, later));
    assert!(side.comes(1, later));
    assert_eq!(side.with_tickets, 1);
    side.served(later);
    side.state.settle(|| later);
    assert!(side.state.is_stale(slow));
    assert!(!side.state.is_stale(looked_at));
}

#[test]
fn what_is_sent_with_tickets_overtakes_nothing_that_was_sent_just_before() {
    let start = start();
    let (mut side, just_before) = with_a_slow_one(start);
    let later = start + Duration::from_millis(499);
    for _ in 0..40 {
        assert!(side.comes(1, later));
        side.served(later);
    }
    assert!(side.with_tickets > 0);
    side.state.settle(|| later);
    assert!(!side.state.is_stale(just_before));
}

#[test]
fn a_call_of_a_bucket_that_is_known_late_is_not_overtaken_by_those_just_after_it() {
    let start = start();
    let mut side = warm(&[], true, start);
    let sent = start + Duration::from_millis(20);
    let later = sent + Duration::from_millis(2);
    for _ in 0..3 {
        assert!(side.comes(1, later));
    }
    let answered = later + Duration::from_millis(5);
    side.state.settle(|| answered);
    (0..3).for_each(|_| side.served(answered));
    let alone = Pass {
        sent,
        ..Pass::default()
    };
    let pass = side.state.was_sent(1, alone, answered);
    assert!(!side.state.is_stale(pass));
    let with_a_ticket = Pass {
        ticket: true,
        ..alone
    };
    let pass = side.state.was_sent(1, with_a_ticket, answered);
    assert_eq!(pass.sent_after(), with_a_ticket.sent_after());
}

#[test]
fn failures_of_calls_that_were_sent_before_an_outage_was_sure_make_it_no_surer() {
    let millis = Duration::from_millis;
    for opens_books in [false, true] {
        let start = start();
        let mut side = warm(&[], opens_books, start);
        (0..5).for_each(|_| assert!(side.comes(1, start)));
        let slow = std::mem::take(&mut side.on_their_way);
        // The heads of five 503 are here, and their bodies are still to come.
        let heard = start + millis(110);
        let meanwhile = heard + millis(900);
        for wait in 0..4 {
            assert!(side.comes(1, meanwhile + millis(wait)));
            side.served(meanwhile + millis(wait));
        }
        for _ in 0..10 {
            assert!(side.comes(1, meanwhile + millis(4)));
        }
        side.on_their_way.splice(0..0, slow);
        (0..5).for_each(|_| side.ends(0, End::Failed, heard));
        let fails = heard + millis(1_050);
        (0..9).for_each(|_| side.ends(0, End::Failed, fails));
        assert!(!side.state.outage.is_sure(fails));
        assert!(side.comes(1, fails), "one asks");
        let next = side.state.outage.next(fails);
        side.ends(0, End::Dropped, fails);
        assert_eq!(side.state.outage.next(fails), next, "it is not that one");
    }
}
