//! A machine that is suspended: its monotonic clock stands still meanwhile.

use std::time::SystemTime;

use super::*;
use crate::time::{Clock, Instant};

/// What the clocks show after so much uptime, and so much of the wall clock.
fn clocks((uptime, wall): (Instant, SystemTime), up: u64, passed: u64) -> (Instant, SystemTime) {
    (uptime + millis(up), wall + millis(passed))
}

fn now() -> (Instant, SystemTime) {
    Clock::default().uptime_and_wall()
}

#[test]
fn a_lease_goes_on_while_the_machine_is_suspended() {
    let mut member = member();
    let start = now();
    member.note_clocks(start);
    exchange(&mut member, 1, &reply(&[(0, 5)]), at(0));
    member.note_clocks(clocks(start, 10, 4_400));
    granted(member.admit(1, at(10)));
    member.note_clocks(clocks(start, 20, 4_520));
    assert_eq!(
        member.admit(1, at(20)),
        Grant::Later,
        "4.5 s of the 5 are over"
    );
    let told = exchange(&mut member, 1, &reply(&[(0, 3)]), at(20));
    assert_eq!(told.accounts[0].held, 1, "only what is on its way");
    assert_eq!(granted_now(&mut member, at(30)), 3, "and leased anew");
}

#[test]
fn a_reply_that_was_on_its_way_while_the_machine_was_suspended_leases_nothing() {
    let mut member = member();
    let start = now();
    member.note_clocks(start);
    member.begin_exchange(1, at(0));
    member.note_clocks(clocks(start, 1, 60_000));
    member.on_reply(&reply(&[(0, 5)]), at(1));
    assert_eq!(member.admit(1, at(1)), Grant::Later);
}

#[test]
fn a_wall_clock_that_is_corrected_or_set_back_changes_nothing() {
    let mut member = member();
    let start = now();
    member.note_clocks(start);
    exchange(&mut member, 1, &reply(&[(0, 5)]), at(0));
    for nth in 1..1_000 {
        member.note_clocks(clocks(start, nth, 41 * nth));
    }
    member.note_clocks(clocks(start, 1_000, 0));
    assert_eq!(granted_now(&mut member, at(1_000)), 5);
}

#[test]
fn what_was_heard_before_the_machine_was_suspended_is_told_as_old_as_it_is() {
    for (passed, told) in [(1_000, Some((4_000, 1_000))), (6_000, None)] {
        let mut member = member();
        let start = now();
        member.note_clocks(start);
        exchange(&mut member, 1, &reply(&[(0, 5)]), at(0));
        let grant = granted(member.admit(1, at(10)));
        let counted = CallOutcome {
            counter: Some(PublishedCounter {
                limit: Some(100),
                remaining: 0,
                resets_in: Some(millis(5_000)),
            }),
            ..served()
        };
        member.on_outcome(Some(grant), &counted, at(10));
        member.on_close(millis(5_000), CloseReason::QuotaSpent, at(10));
        member.note_clocks(clocks(start, 0, passed));
        let exchange = member.begin_exchange(1, at(10));
        let counter = exchange.counter;
        let left = told.map(|(left, age)| (millis(left), millis(age)));
        assert_eq!(
            counter.map(|counter| (counter.resets_in, counter.age)),
            left
        );
        let closing = exchange.closing;
        assert_eq!(
            closing.map(|closing| (closing.remaining, closing.age)),
            left
        );
    }
}
