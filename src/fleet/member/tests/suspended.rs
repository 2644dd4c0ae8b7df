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
