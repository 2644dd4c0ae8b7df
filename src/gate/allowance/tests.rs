//! What holds for several quotas, or for a quota and what was learned of it.

use std::time::Duration;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn refused() -> Heard {
    Heard {
        ending: Ending::Refused,
        counter: None,
        looked_at: None,
        price: None,
        by_a_limit: true,
    }
}

/// Lets a call through, and has it refused under this epoch.
fn refuse(allowance: &mut Allowance, epoch: u16, now: Moment) {
    allowance.take(1, now);
    let pass = Pass {
        epoch,
        price: 1,
        sent: now,
        ..Pass::default()
    };
    allowance.answered(pass, refused(), now);
}

#[test]
fn a_call_that_is_sent_late_keeps_the_next_one_at_its_distance() {
    let mut allowance = Allowance::of(&[Quota::new(11, SECOND * 10).slack(Duration::ZERO).paced()]);
    let now = Moment::now();
    allowance.take(1, now);
    assert_eq!(allowance.next(1, now), now + SECOND);
    let late = now + SECOND * 5;
    let pass = Pass {
        price: 1,
        sent: now,
        ..Pass::default()
    };
    allowance.sent_later(pass, late);
    assert_eq!(allowance.next(1, late), late + SECOND);
}

#[test]
fn the_widest_distance_counts() {
    let quotas = [
        Quota::per_second(2).slack(Duration::ZERO).paced(),
        Quota::new(11, SECOND * 100).slack(Duration::ZERO).paced(),
        Quota::per_second(100),
    ];
    let mut allowance = Allowance::of(&quotas);
    let now = Moment::now();
    allowance.take(1, now);
    assert_eq!(allowance.next(1, now), now + SECOND * 10);
}

#[test]
fn a_server_that_says_what_is_left_teaches_nothing_by_refusing() {
    for publishes in [false, true] {
        let mut allowance = Allowance::of(&[Quota::new(20, SECOND)]);
        let mut now = Moment::now();
        if publishes {
            let counter = Counter {
                limit: Some(20),
                remaining: 19,
                resets_in: SECOND * 60,
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
