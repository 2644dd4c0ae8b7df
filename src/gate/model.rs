//! The gate under every schedule of two callers, and under thousands of schedules of more.
//!
//! Run by shuttle rather than loom: all that callers share is behind one lock, so there are no weak memory orders to
//! explore; and besides going through all schedules of two callers, shuttle samples those of many. No assertion is
//! needed that each caller gets through: shuttle panics when every thread is parked.
//!
//! Time stands still as long as any caller can run, and then jumps to the next timer. So it never helps a caller that
//! was not woken, except where a timer of the gate itself does.

mod rationed;
mod world;

use std::time::Duration;

use shuttle::rand::{Rng, thread_rng};
use shuttle::scheduler::{DfsScheduler, PctScheduler, RandomScheduler, Scheduler};
use shuttle::{Config, Runner};

use self::rationed::play_in_fleet;
use self::world::{CallerPlan, Fate, caller, play};
use super::Quota;

const SEED: u64 = 1;

fn run(scheduler: impl Scheduler + 'static, model: impl Fn() + Send + Sync + 'static) -> usize {
    let mut config = Config::new();
    config.stack_size = 0x20000;
    Runner::new(scheduler, config).run(model)
}

/// Samples in two ways: evenly, and with few changes of the caller that runs.
fn sample(times: usize, model: impl Fn() + Copy + Send + Sync + 'static) {
    let random = run(RandomScheduler::new_from_seed(SEED, times), model);
    let priorities = run(PctScheduler::new_from_seed(SEED, 4, times), model);
    println!("{} schedules", random + priorities);
}

fn one_of(fates: &[Fate]) -> Fate {
    fates[thread_rng().gen_range(0..fates.len())]
}

const LEAVES: [Fate; 5] = [
    Fate::Unasked,
    Fate::Waiting,
    Fate::Admitted,
    Fate::OnItsWay,
    Fate::Served,
];

#[test]
fn two_callers_for_one_slot_in_every_schedule() {
    let mut schedules = 0;
    for first in LEAVES {
        for second in LEAVES {
            let model = move || {
                play(&[Quota::concurrent(1)], &[first, second].map(caller));
            };
            schedules += run(DfsScheduler::new(None, false), model);
        }
    }
    println!("{schedules} schedules, which is all of them");
}

#[test]
fn two_callers_at_an_open_gate_in_every_schedule() {
    let fates = [Fate::OnItsWay, Fate::Served];
    let mut schedules = 0;
    for first in fates {
        for second in fates {
            let model = move || {
                play(&[], &[first, second].map(caller));
            };
            schedules += run(DfsScheduler::new(None, false), model);
        }
    }
    println!("{schedules} schedules, which is all of them");
}

#[test]
fn no_caller_passes_an_open_gate_that_a_refusal_has_just_closed() {
    sample(10_000, || {
        let fates = [Fate::OnItsWay, Fate::Served, Fate::Served, Fate::Refused(2)];
        let plans: Vec<_> = (0..6).map(|_| caller(one_of(&fates))).collect();
        play(&[], &plans);
    });
}

#[test]
fn no_call_is_stuck_and_no_slot_is_given_out_twice_wherever_a_call_is_dropped() {
    sample(10_000, || {
        let plans: Vec<_> = (0..7).map(|_| caller(one_of(&LEAVES))).collect();
        let took = play(&[Quota::concurrent(2)], &plans);
        assert_eq!(took, Duration::ZERO, "no caller needs a timer");
    });
}

#[test]
fn callers_without_a_timer_get_through_although_others_are_left_alone() {
    sample(5_000, || {
        let plans: Vec<_> = (0..9)
            .map(|_| CallerPlan {
                takes: Duration::from_millis(thread_rng().gen_range(0..3) * 100),
                ..caller(one_of(&[
                    Fate::Waiting,
                    Fate::LeftAlone,
                    Fate::OnItsWay,
                    Fate::Served,
                    Fate::Served,
                    Fate::Refused(2),
                ]))
            })
            .collect();
        let quotas = [Quota::per_second(2), Quota::concurrent(2)];
        let took = play(&quotas, &plans);
        assert!(took < Duration::from_secs(300), "{took:?}");
    });
}

#[test]
fn the_patience_of_each_ends_in_time_although_few_have_timers() {
    sample(5_000, || {
        let plans: Vec<_> = (0..8)
            .map(|nth| CallerPlan {
                takes: Duration::from_secs(if nth == 0 { 60 } else { 1 }),
                patience: Duration::from_secs(thread_rng().gen_range(1..100)),
                ..caller(one_of(&[Fate::Waiting, Fate::Served, Fate::Served]))
            })
            .collect();
        play(&[Quota::concurrent(1)], &plans);
    });
}

#[test]
fn two_callers_whose_calls_are_granted_later() {
    let mut schedules = 0;
    for first in LEAVES {
        let model = move || {
            play_in_fleet(&[], &[first, Fate::Served].map(caller));
        };
        schedules += run(DfsScheduler::new(Some(2_000), false), model);
    }
    println!("{schedules} schedules");
}

#[test]
fn a_member_that_wakes_the_gate_is_always_heard_and_no_grant_is_lost() {
    sample(2_000, || {
        let plans: Vec<_> = (0..6).map(|_| caller(one_of(&LEAVES))).collect();
        let took = play_in_fleet(&[Quota::concurrent(3)], &plans);
        // A member that has changed its mind while it replied is asked again a millisecond later.
        assert!(
            took < Duration::from_millis(100),
            "{took:?}: a wake was lost"
        );
    });
}
