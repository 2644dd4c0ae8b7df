//! What holds for several quotas.

use std::time::Duration;

use super::*;
use crate::gate::{Outcome, Quota};

const SECOND: Duration = Duration::from_secs(1);

fn declared(quotas: &[Quota]) -> Limits {
    Limits::of(GateConfig {
        quotas,
        ..GateConfig::default()
    })
}

/// Of a call that costs one.
fn admitted(sent: Moment) -> Admitted {
    Admitted {
        cost: 1,
        sent,
        ..Admitted::default()
    }
}

/// From when a call of this cost may go.
fn next(limits: &mut Limits, cost: u32, now: Moment) -> Moment {
    let blocked = limits
        .blocked(cost.into(), now)
        .map(|blocked| blocked.until);
    blocked.max().unwrap_or(now)
}

#[test]
fn a_call_that_is_sent_late_keeps_the_next_one_at_its_distance() {
    let mut limits = declared(&[Quota::new(11, SECOND * 10).slack(Duration::ZERO).paced()]);
    let now = Moment::now();
    limits.charge(1, now);
    assert_eq!(next(&mut limits, 1, now), now + SECOND);
    let late = now + SECOND * 5;
    let admitted = admitted(now);
    assert!(limits.can_still_send(admitted, late));
    limits.on_late_send(admitted, late);
    limits.on_send(1, late);
    assert_eq!(next(&mut limits, 1, late), late + SECOND);
    assert!(!limits.can_still_send(admitted, late));
}

#[test]
fn a_call_whose_slots_have_expired_is_sent_if_there_are_others() {
    let mut limits = declared(&[Quota::new(2, SECOND)]);
    let early = Moment::now();
    limits.charge(1, early);
    let held_up = admitted(early);
    let now = early + SECOND * 5;
    assert!(limits.can_still_send(held_up, now));
    limits.charge(1, now);
    assert!(limits.can_still_send(held_up, now));
    limits.charge(1, now);
    assert!(!limits.can_still_send(held_up, now), "two others have them");
    let just_now = Admitted {
        sent: now,
        ..held_up
    };
    assert!(limits.can_still_send(just_now, now + SECOND / 2));
}

#[test]
fn a_call_that_is_not_sent_gives_its_distance_back() {
    let mut limits = declared(&[Quota::per_hour(2).paced()]);
    let now = Moment::now();
    limits.charge(1, now);
    let admitted = admitted(now);
    limits.abort(admitted);
    assert!(limits.is_unused(now), "nothing was sent");
}

#[test]
fn what_a_call_truly_costs_is_its_distance() {
    let quota = Quota::new(61, SECOND * 60).slack(Duration::ZERO);
    let mut limits = declared(&[quota.paced()]);
    let now = Moment::now();
    limits.charge(1, now);
    limits.on_send(1, now);
    let admitted = admitted(now);
    let completion = Completion {
        cost: Some(30),
        ..Completion::plain(Outcome::Ok)
    };
    limits.complete(admitted, completion, now);
    assert_eq!(next(&mut limits, 1, now), now + SECOND * 60 * 30 / 31);
}

#[test]
fn the_widest_distance_counts() {
    let quotas = [
        Quota::per_second(2).slack(Duration::ZERO).paced(),
        Quota::new(11, SECOND * 100).slack(Duration::ZERO).paced(),
        Quota::per_second(100),
    ];
    let mut limits = declared(&quotas);
    let now = Moment::now();
    limits.charge(1, now);
    assert_eq!(next(&mut limits, 1, now), now + SECOND * 10);
}
