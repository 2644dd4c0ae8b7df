//! What holds for several quotas, or for a quota and what was learned of it.

use std::time::Duration;

use super::*;
use crate::gate::quota::Quota;

const SECOND: Duration = Duration::from_secs(1);

fn declared(quotas: &[Quota]) -> Allowance {
    Allowance::of(Facts {
        quotas,
        ..Facts::default()
    })
}

fn refused() -> Heard {
    Heard {
        ending: Ending::Refused,
        counter: None,
        price: None,
        by_a_limit: true,
        believed_for: Duration::MAX,
        path: Default::default(),
    }
}

/// Of a call that costs one.
fn pass(sent: Moment) -> Pass {
    Pass {
        price: 1,
        sent,
        ..Pass::default()
    }
}

/// Lets a call through, and has it refused under this epoch.
fn refuse(allowance: &mut Allowance, epoch: u16, now: Moment) {
    allowance.take(1, now);
    let pass = Pass { epoch, ..pass(now) };
    allowance.answered(pass, refused(), now);
}

#[test]
fn a_call_that_is_sent_late_keeps_the_next_one_at_its_distance() {
    let mut allowance = declared(&[Quota::new(11, SECOND * 10).slack(Duration::ZERO).paced()]);
    let now = Moment::now();
    allowance.take(1, now);
    assert_eq!(allowance.next(1, now), now + SECOND);
    let late = now + SECOND * 5;
    let pass = pass(now);
    assert!(allowance.may_be_sent(pass, late));
    allowance.sent_later(pass, late);
    allowance.is_sent(1, late);
    assert_eq!(allowance.next(1, late), late + SECOND);
    assert!(!allowance.may_be_sent(pass, late));
}

#[test]
fn a_call_whose_places_are_over_is_sent_if_there_are_others() {
    let mut allowance = declared(&[Quota::new(2, SECOND)]);
    let early = Moment::now();
    allowance.take(1, early);
    let held_up = pass(early);
    let now = early + SECOND * 5;
    assert!(allowance.may_be_sent(held_up, now));
    allowance.take(1, now);
    assert!(allowance.may_be_sent(held_up, now));
    allowance.take(1, now);
    assert!(!allowance.may_be_sent(held_up, now), "two others have them");
    let just_now = Pass {
        sent: now,
        ..held_up
    };
    assert!(allowance.may_be_sent(just_now, now + SECOND / 2));
}

#[test]
fn a_call_that_is_not_sent_gives_its_distance_back() {
    let mut allowance = declared(&[Quota::per_hour(2).paced()]);
    let now = Moment::now();
    allowance.take(1, now);
    let pass = pass(now);
    allowance.undo(pass);
    assert!(allowance.is_whole(now), "nothing was sent");
}

#[test]
fn what_a_call_truly_costs_is_its_distance() {
    let quota = Quota::new(61, SECOND * 60).slack(Duration::ZERO);
    let mut allowance = declared(&[quota.paced()]);
    let now = Moment::now();
    allowance.take(1, now);
    allowance.is_sent(1, now);
    let pass = pass(now);
    let heard = Heard {
        ending: Ending::Accepted,
        price: Some(30),
        by_a_limit: false,
        ..refused()
    };
    allowance.answered(pass, heard, now);
    assert_eq!(allowance.next(1, now), now + SECOND * 60 * 30 / 31);
}

#[test]
fn prices_do_not_make_what_was_learned_last() {
    let (tokens, many) = (
        Quota::new(3_000, SECOND * 2),
        Quota::new(30_000, SECOND * 2),
    );
    let calls = Quota::new(20, SECOND * 2).per_call();
    for quotas in [vec![calls, many], vec![many, calls], vec![tokens]] {
        let mut allowance = declared(&quotas);
        let mut now = Moment::now();
        for epoch in 0..2 {
            now += SECOND * 5;
            refuse(&mut allowance, epoch, now);
        }
        assert!(allowance.spaced);
        for _ in 0..1_000 {
            now = allowance.next(100, now);
            allowance.take(100, now);
            let pass = Pass {
                epoch: 2,
                price: 100,
                ..pass(now)
            };
            allowance.served(pass, now);
        }
        assert!(!allowance.spaced, "{quotas:?}");
    }
}

#[test]
fn the_widest_distance_counts() {
    let quotas = [
        Quota::per_second(2).slack(Duration::ZERO).paced(),
        Quota::new(11, SECOND * 100).slack(Duration::ZERO).paced(),
        Quota::per_second(100),
    ];
    let mut allowance = declared(&quotas);
    let now = Moment::now();
    allowance.take(1, now);
    assert_eq!(allowance.next(1, now), now + SECOND * 10);
}

#[test]
fn a_server_that_says_what_is_left_teaches_nothing_by_refusing() {
    for publishes in [false, true] {
        let mut allowance = declared(&[Quota::new(20, SECOND)]);
        let mut now = Moment::now();
        if publishes {
            let counter = Counter {
                limit: Some(20),
                remaining: 19,
                resets_in: Some(SECOND * 60),
            };
            let heard = Heard {
                ending: Ending::Accepted,
                counter: Some(counter),
                ..refused()
            };
            allowance.take(1, now);
            allowance.answered(Pass::default(), heard, now);
        }
        for epoch in 0..2 {
            now += SECOND * 3;
            refuse(&mut allowance, epoch, now);
        }
        assert_eq!(allowance.spaced, !publishes);
    }
}
