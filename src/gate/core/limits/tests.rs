//! What holds for several quotas, or for a quota and what was learned of it.

use std::time::Duration;

use super::*;
use crate::gate::Quota;

const SECOND: Duration = Duration::from_secs(1);

fn declared(quotas: &[Quota]) -> Limits {
    Limits::of(GateConfig {
        quotas,
        ..GateConfig::default()
    })
}

fn refused() -> Completion {
    Completion {
        outcome: Outcome::RateLimited,
        counter: None,
        cost: None,
        by_limit: true,
        max_reset: Duration::MAX,
        path: Default::default(),
        bare_503: false,
    }
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
    let blocked = limits.blocked(cost, now).map(|blocked| blocked.until);
    blocked.max().unwrap_or(now)
}

/// Admits a call, and has it refused in this generation.
fn refuse(limits: &mut Limits, generation: u16, now: Moment) {
    limits.charge(1, now);
    let admitted = Admitted {
        generation,
        ..admitted(now)
    };
    limits.complete(admitted, refused(), now);
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
        outcome: Outcome::Ok,
        cost: Some(30),
        by_limit: false,
        ..refused()
    };
    limits.complete(admitted, completion, now);
    assert_eq!(next(&mut limits, 1, now), now + SECOND * 60 * 30 / 31);
}

#[test]
fn costs_do_not_make_what_was_learned_last() {
    let (tokens, many) = (
        Quota::new(3_000, SECOND * 2),
        Quota::new(30_000, SECOND * 2),
    );
    let calls = Quota::new(20, SECOND * 2).per_call();
    for quotas in [vec![calls, many], vec![many, calls], vec![tokens]] {
        let mut limits = declared(&quotas);
        let mut now = Moment::now();
        for generation in 0..2 {
            now += SECOND * 5;
            refuse(&mut limits, generation, now);
        }
        assert!(limits.paced);
        for _ in 0..1_000 {
            now = next(&mut limits, 100, now);
            limits.charge(100, now);
            let admitted = Admitted {
                generation: 2,
                cost: 100,
                ..admitted(now)
            };
            limits.complete(admitted, Completion::plain(Outcome::Ok), now);
        }
        assert!(!limits.paced, "{quotas:?}");
    }
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

#[test]
fn a_server_that_says_what_is_left_teaches_nothing_by_refusing() {
    for publishes in [false, true] {
        let mut limits = declared(&[Quota::new(20, SECOND)]);
        let mut now = Moment::now();
        if publishes {
            let counter = Remaining {
                limit: Some(20),
                remaining: 19,
                resets_in: Some(SECOND * 60),
            };
            let completion = Completion {
                outcome: Outcome::Ok,
                counter: Some(counter),
                ..refused()
            };
            limits.charge(1, now);
            limits.complete(Admitted::default(), completion, now);
        }
        for generation in 0..2 {
            now += SECOND * 3;
            refuse(&mut limits, generation, now);
        }
        assert_eq!(limits.paced, !publishes);
    }
}
