//! Slow starts, and what windows were seen to hold.

use super::*;

#[track_caller]
fn let_all(slow_start: &mut SlowStart, now: Moment) -> u32 {
    let mut count = 0;
    while slow_start.next(now) <= now && count < 1_000 {
        slow_start.on_admit(now);
        count += 1;
    }
    count
}

fn learned(calls: u32) -> Option<LearnedWindow> {
    let length = Duration::from_secs(60);
    Some(LearnedWindow {
        calls,
        length,
        named: true,
    })
}

#[test]
fn rounds_double_as_answers_come() {
    let now = Moment::now();
    let mut slow_start = SlowStart::one_probe(None);
    let mut rounds = Vec::new();
    for _ in 0..5 {
        let round = let_all(&mut slow_start, now);
        rounds.push(round);
        (0..round).for_each(|_| slow_start.on_finish(true, true));
    }
    assert_eq!(rounds, [1, 2, 4, 8, 16]);
}

#[test]
fn a_failed_probe_is_followed_by_one_more() {
    let now = Moment::now();
    let mut slow_start = SlowStart::one_probe(learned(20));
    assert_eq!(let_all(&mut slow_start, now), 1);
    slow_start.on_finish(false, true);
    assert_eq!(let_all(&mut slow_start, now), 1);
}

#[test]
fn a_probe_that_hangs_holds_no_call_up_for_ever() {
    let now = Moment::now();
    let mut slow_start = SlowStart::one_probe(None);
    slow_start.on_admit(now);
    assert_eq!(slow_start.next(now), now + SILENCE);
    assert_eq!(let_all(&mut slow_start, now + SILENCE), 1);
}

#[test]
fn what_a_window_held_goes_at_once_and_one_call_beyond() {
    let now = Moment::now();
    let mut slow_start = SlowStart::one_probe(learned(20));
    assert_eq!(let_all(&mut slow_start, now), 1);
    slow_start.on_finish(true, true);
    assert_eq!(
        let_all(&mut slow_start, now),
        20,
        "nineteen more, and one beyond"
    );
    (0..20).for_each(|_| slow_start.on_finish(true, true));
    assert_eq!(let_all(&mut slow_start, now), 1, "beyond, one at a time");
}

#[test]
fn a_refusal_says_what_the_window_held() {
    let now = Moment::now();
    let mut slow_start = SlowStart::one_probe(None);
    assert_eq!(slow_start.learn(now, Duration::from_secs(60), true), None);
    slow_start.on_admit(now);
    slow_start.on_finish(true, true);
    let refused = now + Duration::from_secs(1);
    let seen = slow_start
        .learn(refused, Duration::from_secs(60), true)
        .unwrap();
    assert_eq!((seen.calls, seen.length), (1, Duration::from_secs(61)));
}

#[test]
fn when_the_window_is_over_the_next_one_begins_without_a_refusal() {
    let mut now = Moment::now();
    let mut slow_start = SlowStart::one_probe(learned(10));
    let_all(&mut slow_start, now);
    slow_start.on_finish(true, true);
    for _ in 0..3 {
        let round = let_all(&mut slow_start, now);
        (0..round).for_each(|_| slow_start.on_finish(true, true));
        now += Duration::from_secs(60);
    }
    assert!(let_all(&mut slow_start, now) >= 11);
}

#[test]
fn what_was_learned_is_forgotten_when_nothing_is_refused_any_more() {
    let mut now = Moment::now();
    let mut slow_start = SlowStart::one_probe(learned(10));
    let_all(&mut slow_start, now);
    slow_start.on_finish(true, true);
    for _ in 0..FORGOTTEN_AFTER {
        now += Duration::from_secs(60);
        slow_start.next(now);
        slow_start.on_admit(now);
        slow_start.on_finish(true, true);
    }
    now += Duration::from_secs(60);
    slow_start.on_admit(now);
    slow_start.on_finish(true, false);
    assert!(let_all(&mut slow_start, now) > 500, "it holds no call back");
}

#[test]
fn where_a_window_held_one_call_a_second_is_tried_in_every_tenth() {
    let mut now = Moment::now();
    let mut slow_start = SlowStart::one_probe(learned(1));
    let mut tried = Vec::new();
    for window in 1..=30 {
        let first = let_all(&mut slow_start, now);
        (0..first).for_each(|nth| slow_start.on_finish(nth == 0, true));
        let more = let_all(&mut slow_start, now);
        (0..more).for_each(|_| slow_start.on_finish(false, true));
        tried.extend((first + more > 1).then_some(window));
        now += Duration::from_secs(60);
    }
    assert_eq!(tried, [10, 20, 30]);
}
