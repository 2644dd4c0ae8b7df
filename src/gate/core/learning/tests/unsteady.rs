//! Callers who come and go, limits that change, and servers that do not say the truth.
//!
//! The bounds are of the same kind as those of `drains.rs`.

use std::time::Duration;

use super::answers::Wording;
use super::drains::{minute, of_minutes, two_seconds, within, within_of};
use super::limiters::{ChangingLimit, FixedWindow, RandomRefusals};
use super::world::QueueWorld;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);

/// A call each 11 s for an hour, and then 1,800 at once.
#[test]
fn an_hours_trickle_teaches_no_limit() {
    for says in [Wording::Seconds, Wording::Left] {
        let mut world = QueueWorld::of(minute(), says);
        world.jobs = (0..327).map(|call| call * 11 * SECOND).collect();
        world.jobs.extend([HOUR; 1_800]);
        within_of(&world, world.least(), HOUR, 1.05, 0.05);
    }
}

/// Nothing is asked meanwhile, so the burst costs what the first one did, and what the length is too long by.
#[test]
fn a_burst_after_ten_idle_windows_is_sent_as_before() {
    for (limiter, window) in [(minute(), MINUTE), (two_seconds(), 2 * SECOND)] {
        for says in [Wording::Seconds, Wording::Left, Wording::Bare503] {
            let mut world = QueueWorld::of(limiter.clone(), says).jobs(1_200);
            let burst = world.least() * 2 + window * 10;
            world.jobs.extend([burst; 1_200]);
            within_of(&world, world.least(), burst, 1.05, 0.05);
        }
    }
}

/// Another client takes most of some windows, so that a counter says early that nothing is left.
#[test]
fn bursts_beside_another_client_are_seldom_refused() {
    // Where the bursts take longer than the time between them, each tells less of what the other has left.
    for (limit, other, refused) in [(60, 5, 0.02), (60, 3, 0.02), (20, 1, 0.11)] {
        let aligned = FixedWindow::aligned(limit, 10 * SECOND, 4 * SECOND);
        let mut world = QueueWorld::of(aligned, Wording::Left);
        world.jobs = (0..100)
            .flat_map(|burst| [burst * 27 * SECOND; 40])
            .collect();
        world.foreign = Some(SECOND / other);
        within(&world, 1.02, refused);
    }
}

#[test]
fn calls_whose_callers_go_away_are_counted() {
    for says in [Wording::Seconds, Wording::Left] {
        let world = QueueWorld::of(two_seconds(), says);
        let world = QueueWorld {
            cancelled: 10,
            ..world
        };
        within(&world, 1.10, 0.06);
    }
}

#[test]
fn calls_that_were_never_sent_take_no_place() {
    for says in [Wording::Seconds, Wording::Left] {
        let world = QueueWorld::of(two_seconds(), says);
        let (sent, world) = (
            world.clone().jobs(2_700),
            QueueWorld {
                aborted: 10,
                ..world
            },
        );
        // Of a call that is not sent the number stays, so that counters are believed a little later.
        within_of(&world, sent.least(), Duration::ZERO, 1.20, 0.06);
    }
}

/// Each costs the two seconds after which another call may go, beside what windows of a minute cost.
#[test]
fn probes_that_hang_cost_two_seconds_each() {
    let world = of_minutes(minute(), Wording::Seconds);
    let world = QueueWorld {
        hanging_probes: 3,
        ..world
    };
    within(&world, 1.05 + 6.0 / 300.0, 0.05);
}

/// The least time is a second, which the server names, for each refusal. Some are taken for a pace, and the floor after
/// a bare 503 doubles while none is served.
#[test]
fn refusals_at_random_do_not_make_the_length_run_away() {
    let second = [Wording::Seconds, Wording::Zero];
    let bounds = [(1, 6.0, 0.03), (10, 4.5, 0.20), (33, 5.0, 0.60)];
    for (percent, ratio, refused) in bounds {
        for says in second {
            let world = QueueWorld::of(RandomRefusals::of(percent), says).jobs(1_000);
            for run in within(&world, ratio, refused) {
                assert!(run.longest <= MINUTE, "{:?}", run.longest);
            }
        }
    }
    let world = QueueWorld::of(RandomRefusals::of(33), Wording::Bare503).jobs(1_000);
    for run in within(&world, 13.0, 0.60) {
        assert!(run.longest <= 3 * MINUTE, "{:?}", run.longest);
    }
}

#[test]
fn a_limit_that_halves_is_found() {
    let at = 150 * SECOND;
    let short = ChangingLimit {
        first: two_seconds(),
        then: FixedWindow::of(10, 2 * SECOND),
        at,
    };
    within(&QueueWorld::of(short, Wording::Seconds), 1.10, 0.06);
    let long = ChangingLimit {
        first: minute(),
        then: FixedWindow::of(300, MINUTE),
        at,
    };
    within(&of_minutes(long, Wording::Seconds), 1.05, 0.05);
}

#[test]
fn a_limit_that_doubles_is_found() {
    let at = 150 * SECOND;
    let short = ChangingLimit {
        first: two_seconds(),
        then: FixedWindow::of(40, 2 * SECOND),
        at,
    };
    within(&QueueWorld::of(short, Wording::Seconds), 1.10, 0.06);
    let long = ChangingLimit {
        first: minute(),
        then: FixedWindow::of(1_200, MINUTE),
        at,
    };
    within(&of_minutes(long, Wording::Seconds), 1.05, 0.05);
}

#[test]
fn hints_that_lie_are_seen_through() {
    for says in [Wording::Quarter, Wording::Zero] {
        within(&QueueWorld::of(two_seconds(), says), 1.10, 0.06);
    }
    within(&of_minutes(minute(), Wording::Quarter), 1.05, 0.05);
    // The floors 0.05, 0.1, ... 25.6, 30 s end 23 s after the first window, and shorter ones are tried only now and then.
    within(&of_minutes(minute(), Wording::Zero), 1.45, 0.05);
}

#[test]
fn another_client_takes_a_third() {
    for says in [Wording::Seconds, Wording::Left] {
        let (long, short) = (
            of_minutes(minute(), says),
            QueueWorld::of(two_seconds(), says),
        );
        let long = QueueWorld {
            foreign: Some(MINUTE / 180),
            ..long
        };
        let short = QueueWorld {
            foreign: Some(2 * SECOND / 6),
            ..short
        };
        within(&long, 1.02, 0.03);
        within(&short, 1.30, 0.08);
    }
}
