//! The queue beside a plain list that does the same, slowly.

use std::sync::Arc;
use std::task::{Wake, Waker};
use std::time::Duration;

use proptest::prelude::*;

use super::Waiters;
use crate::retry::Priority;
use crate::time::Moment;

/// Wakes no task; told apart by its address.
struct NoWake;

impl Wake for NoWake {
    fn wake(self: Arc<Self>) {}
}

fn second(seconds: u64) -> Moment {
    Moment::START + Duration::from_secs(seconds)
}

#[derive(Clone, Debug)]
enum QueueStep {
    Arrive(usize, u64),
    /// This many take a number, and a place only later or never.
    Idle(usize),
    /// One of those who have a number, waiting or not, waits until then.
    WaitAgain(prop::sample::Index, u64),
    Leave(prop::sample::Index),
    /// All but one in this many of the waiting calls leave.
    Thin(usize),
    Skip(usize),
    Expire(u64),
}

fn few_or_many() -> impl Strategy<Value = usize> {
    prop_oneof![4 => Just(1), 1 => Just(80)]
}

fn steps() -> impl Strategy<Value = Vec<QueueStep>> {
    let step = prop_oneof![
        6 => (few_or_many(), 0u64..100).prop_map(|(calls, latest)| QueueStep::Arrive(calls, latest)),
        2 => few_or_many().prop_map(QueueStep::Idle),
        3 => (any::<prop::sample::Index>(), 0u64..100)
            .prop_map(|(who, latest)| QueueStep::WaitAgain(who, latest)),
        4 => any::<prop::sample::Index>().prop_map(QueueStep::Leave),
        1 => (2usize..40).prop_map(QueueStep::Thin),
        1 => (1usize..5).prop_map(QueueStep::Skip),
        1 => (0u64..100).prop_map(QueueStep::Expire),
    ];
    prop::collection::vec(step, 1..60)
}

/// Everybody who has a number, in order of arrival.
#[derive(Default)]
struct List {
    callers: Vec<Caller>,
}

struct Caller {
    number: u64,
    place: Place,
    latest: Moment,
    /// Whether it was told that its patience has ended.
    told: bool,
    waker: Waker,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    None,
    Present,
    Skipped,
}

impl List {
    fn waiting(&self) -> impl Iterator<Item = &Caller> {
        let waiting = |caller: &&Caller| caller.place != Place::None;
        self.callers.iter().filter(waiting)
    }

    fn present(&self) -> impl Iterator<Item = &Caller> {
        let present = |caller: &&Caller| caller.place == Place::Present;
        self.callers.iter().filter(present)
    }

    fn first(&self) -> Option<&Waker> {
        let first = self.present().next().or_else(|| self.waiting().next())?;
        Some(&first.waker)
    }
}

fn same(all_wakers: &[Waker], callers: &[&Waker]) -> bool {
    all_wakers.len() == callers.len()
        && callers
            .iter()
            .all(|caller| all_wakers.iter().any(|waker| waker.will_wake(caller)))
}

/// Does the same to both, and compares what they answer.
fn step(waiters: &mut Waiters<Waker>, list: &mut List, step: QueueStep) {
    match step {
        QueueStep::Arrive(calls, latest) => {
            let before = list.callers.len();
            take_numbers(calls, waiters, list);
            for caller in &mut list.callers[before..] {
                park(waiters, caller, second(latest));
            }
        }
        QueueStep::Idle(calls) => take_numbers(calls, waiters, list),
        QueueStep::WaitAgain(who, latest) if !list.callers.is_empty() => {
            let at = who.index(list.callers.len());
            park(waiters, &mut list.callers[at], second(latest));
        }
        QueueStep::Leave(who) if !list.callers.is_empty() => {
            let at = who.index(list.callers.len());
            let caller = &mut list.callers[at];
            let waited = std::mem::replace(&mut caller.place, Place::None) != Place::None;
            assert_eq!(waiters.leave(caller.number).is_some(), waited);
        }
        QueueStep::Thin(one_in) => {
            let callers = list.callers.iter_mut();
            let waiting = callers.filter(|caller| caller.place != Place::None);
            for (nth, caller) in waiting.enumerate() {
                if nth % one_in != 0 {
                    caller.place = Place::None;
                    assert!(waiters.leave(caller.number).is_some());
                }
            }
        }
        QueueStep::Skip(calls) => {
            let callers = list.callers.iter_mut();
            let present = callers.filter(|caller| caller.place == Place::Present);
            let mut expected = Vec::new();
            for caller in present.take(calls) {
                caller.place = Place::Skipped;
                expected.push(&caller.waker);
            }
            assert!(
                same(&waiters.skip(calls), &expected),
                "a skipped caller is told"
            );
        }
        QueueStep::Expire(before) => {
            let told = waiters.expiring_before(second(before));
            for caller in &mut list.callers {
                let ends = caller.place != Place::None && caller.latest < second(before);
                let is_told = told.iter().any(|told| told.will_wake(&caller.waker));
                assert!(ends || !is_told, "no call is told early");
                caller.told |= is_told;
                assert!(!ends || caller.told, "each caller is told");
            }
        }
        QueueStep::WaitAgain(..) | QueueStep::Leave(..) => {}
    }
}

fn take_numbers(calls: usize, waiters: &mut Waiters<Waker>, list: &mut List) {
    list.callers.extend((0..calls).map(|_| Caller {
        number: waiters.arrive(Priority::Normal),
        place: Place::None,
        latest: Moment::START,
        told: false,
        waker: Waker::from(Arc::new(NoWake)),
    }));
}

fn park(waiters: &mut Waiters<Waker>, caller: &mut Caller, latest: Moment) {
    let waited = std::mem::replace(&mut caller.place, Place::Present) != Place::None;
    (caller.latest, caller.told) = (latest, false);
    let before = waiters.park(caller.number, latest, caller.waker.clone());
    assert_eq!(before.is_some(), waited);
}

fn compare(waiters: &Waiters<Waker>, list: &List) {
    let waiting = list.waiting().count();
    assert_eq!((waiters.len(), waiters.is_empty()), (waiting, waiting == 0));
    let first = waiters.first();
    assert_eq!(first.is_some(), list.first().is_some());
    assert!(first.is_none_or(|first| first.will_wake(list.first().unwrap())));
    let first = list.present().next().map(|caller| caller.number);
    for caller in &list.callers {
        let is_first = first.is_none_or(|first| first >= caller.number);
        assert_eq!(waiters.is_first(caller.number), is_first);
    }
    let untold = list.waiting().filter(|caller| !caller.told);
    if let Some(earliest) = untold.map(|caller| caller.latest).min() {
        assert!(
            waiters
                .earliest_deadline()
                .is_some_and(|known| known <= earliest)
        );
    }
    assert!(waiting > 0 || waiters.normal.capacity() <= 2 * Waiters::<Waker>::FEW);
}

proptest! {
    #[test]
    fn a_queue_does_as_a_plain_list_would(steps in steps()) {
        let (mut waiters, mut list) = (Waiters::default(), List::default());
        for each in steps {
            step(&mut waiters, &mut list, each);
            compare(&waiters, &list);
        }
    }

    /// However they leave: each call that is left has a timer, or another one has that wakes it.
    #[test]
    fn as_long_as_a_call_waits_one_has_a_timer(
        many in 2usize..300,
        order in prop::collection::vec(any::<prop::sample::Index>(), 300),
        back_to_front in any::<bool>(),
    ) {
        let mut waiters = Waiters::default();
        let mut waiting: Vec<_> = (0..many).map(|_| (waiters.arrive(Priority::Normal), Waker::from(Arc::new(NoWake)), false)).collect();
        if back_to_front {
            waiting.reverse();
        }
        for (number, waker, watches) in &mut waiting {
            waiters.park(*number, second(60), waker.clone());
            *watches = waiters.should_hold_timer(*number, second(60));
        }
        for leaves in order {
            if waiting.len() < 2 {
                break;
            }
            let (number, ..) = waiting.swap_remove(leaves.index(waiting.len()));
            waiters.leave(number);
            let woken = waiters.if_few_left();
            for (number, waker, watches) in &mut waiting {
                if woken.iter().any(|woken| woken.will_wake(waker)) {
                    *watches = waiters.should_hold_timer(*number, second(60));
                }
            }
            let watch = waiting.iter().any(|(.., watches)| *watches);
            prop_assert!(watch || waiting.is_empty(), "{} wait", waiting.len());
        }
    }

    /// Whichever calls are never polled again: the others are woken when the last timer of those has rung.
    #[test]
    fn when_no_timer_is_left_all_are_woken(many in 65usize..300, polled in any::<prop::sample::Index>()) {
        let mut waiters = Waiters::default();
        let calls: Vec<_> = (0..many).map(|_| (waiters.arrive(Priority::Normal), Waker::from(Arc::new(NoWake)))).collect();
        let polled = &calls[polled.index(many)];
        let mut timer_holders = Vec::new();
        for (number, waker) in &calls {
            waiters.park(*number, second(60), waker.clone());
            if waiters.should_hold_timer(*number, second(60)) {
                timer_holders.push(*number);
            }
        }
        let mut woken = false;
        for number in timer_holders {
            let rung = waiters.on_timer(number, second(1));
            woken |= rung.iter().any(|waker| waker.will_wake(&polled.1));
        }
        prop_assert!(woken);
        prop_assert!(waiters.should_hold_timer(polled.0, second(60)), "it looks after the others now");
    }
}

fn wait_all(waiters: &mut Waiters<Waker>, latest: impl IntoIterator<Item = u64>) -> Vec<u64> {
    let latest = latest.into_iter();
    latest
        .map(|latest| {
            let number = waiters.arrive(Priority::Normal);
            waiters.park(number, second(latest), Waker::noop().clone());
            number
        })
        .collect()
}

#[test]
fn of_many_only_the_first_and_one_in_thirty_two_have_timers() {
    let mut waiters = Waiters::default();
    let numbers = wait_all(&mut waiters, [300; 1_000]);
    let watches = |number: &u64| waiters.should_hold_timer(*number, second(300));
    let timers = numbers.into_iter().filter(watches).count();
    assert!((15..50).contains(&timers), "{timers}");
}

#[test]
fn a_call_less_patient_than_those_before_has_a_timer() {
    let mut waiters = Waiters::default();
    wait_all(&mut waiters, [300; 100]);
    let hasty = wait_all(&mut waiters, [3])[0];
    assert!(waiters.should_hold_timer(hasty, second(3)));
    let patient = wait_all(&mut waiters, [300])[0];
    assert!(!waiters.should_hold_timer(patient, second(300)));
}

#[test]
fn one_patient_caller_among_many_that_come_and_go_takes_no_memory_for_them() {
    let mut waiters = Waiters::default();
    wait_all(&mut waiters, [100_000]);
    for _ in 0..1_000_000 {
        waiters.arrive(Priority::Normal);
    }
    let last = wait_all(&mut waiters, [100_000])[0];
    assert!(
        waiters.normal.capacity() < 1_000,
        "{}",
        waiters.normal.capacity()
    );
    assert!(!waiters.is_first(last));
}
