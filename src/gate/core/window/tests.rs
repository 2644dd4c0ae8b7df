//! A slot, from when it is reserved until it is free.

use super::*;
use proptest::prelude::*;

const SLACK: Duration = Duration::from_millis(250);

fn window(limit: u32, seconds: u64) -> (SlidingWindow, Moment) {
    let born = Moment::now();
    let length = Duration::from_secs(seconds);
    (SlidingWindow::new(limit, length, SLACK), born)
}

#[test]
fn a_slot_is_free_one_window_after_the_answer() {
    let (mut window, now) = window(1, 2);
    window.reserve(1, now);
    let answered = now + Duration::from_millis(60);
    window.on_response(1, now, answered);
    let free = answered + Duration::from_secs(2);
    assert!(!window.has_slot(1, free));
    let next = window.next_slot(1, free);
    assert!(
        next > free && next < free + Duration::from_millis(10),
        "{:?}",
        next - free
    );
    assert!(window.has_slot(1, next));
}

#[test]
fn an_answer_that_is_told_late_frees_its_slot_at_once() {
    let (mut window, sent) = window(1, 1);
    window.reserve(1, sent);
    let after = |millis| sent + Duration::from_millis(millis);
    assert!(!window.has_slot(1, after(1_100)));
    window.on_response(1, sent, after(60));
    assert!(window.has_slot(1, after(1_103)));
}

#[test]
fn without_an_answer_a_slot_is_free_one_window_after_the_slack() {
    let (mut window, now) = window(1, 2);
    window.reserve(1, now);
    assert!(!window.has_slot(1, now + Duration::from_millis(2_250)));
    assert!(window.has_slot(1, now + Duration::from_millis(2_260)));
}

#[test]
fn a_call_that_was_never_sent_releases_its_slot_at_once() {
    let (mut window, now) = window(1, 60);
    window.reserve(1, now);
    assert!(!window.has_slot(1, now));
    window.abort(1, now);
    assert!(window.has_slot(1, now));
}

#[test]
fn an_answer_that_comes_after_a_whole_turn_of_the_wheel_takes_nothing_from_others() {
    let (mut window, sent) = window(1, 1);
    window.reserve(1, sent);
    let later = sent + Duration::from_secs(100);
    window.reserve(1, later);
    window.on_response(1, sent, later);
    assert_eq!(window.usage(later).used, 1);
}

#[test]
fn it_does_not_matter_when_the_first_call_is_made() {
    let (_, morning) = window(1, 2);
    let waits = |start: Moment| {
        let (mut window, _) = window(3, 2);
        let mut now = start;
        let mut waits = Vec::new();
        for step in 1..40 {
            let next = window.next_slot(1, now).max(now);
            waits.push(next - now);
            window.reserve(1, next);
            now = next + Duration::from_micros(12_345 * step);
            window.on_response(1, next, now);
        }
        waits
    };
    for nanos in [1, 777_777, 3_333_333_333] {
        let later = morning + Duration::from_nanos(nanos);
        assert_eq!(waits(later), waits(morning), "{nanos} ns later");
    }
}

#[test]
fn a_published_limit_of_calls_says_nothing_about_a_quota_of_which_calls_cost_more() {
    let (window, now) = window(1_000, 60);
    let mut window = window.correctable();
    window.reserve(1, now);
    window.correct(1, 50, now, now);
    window.publish(7, Duration::from_secs(50));
    assert_eq!(window.limit(), 1_000);
}

#[test]
fn a_million_slots_take_no_more_memory_than_a_hundred_thousand() {
    let (mut window, now) = window(1_000_000, 1);
    (0..1_000_000).for_each(|_| window.reserve(1, now));
    assert!(!window.has_slot(1, now));
    assert_eq!(window.ring.bytes(), self::window(100_000, 1).0.ring.bytes());
}

proptest! {
    /// The rule of the design, held against a plain list of all that was sent.
    #[test]
    fn a_slot_is_never_given_out_while_it_is_held(
        limit in 1u32..40,
        steps in prop::collection::vec((0u64..300, 0u64..600), 1..400),
    ) {
        let (mut window, mut now) = window(limit, 2);
        // When each call was sent, and by when the server has counted it.
        let mut sent: Vec<(Moment, Moment)> = Vec::new();
        let mut answers: Vec<(Moment, Moment)> = Vec::new();
        for (wait, latency) in steps {
            now += Duration::from_millis(wait);
            answers.sort_unstable();
            while answers.first().is_some_and(|(at, _)| *at <= now) {
                let (at, of) = answers.remove(0);
                window.on_response(1, of, at);
            }
            if !window.has_slot(1, now) {
                continue;
            }
            let counted = now + Duration::from_millis(latency).min(SLACK);
            let held = sent.iter().filter(|(_, by)| *by + window.length > now).count();
            prop_assert!(held < limit as usize, "{held} are held of {limit}");
            window.reserve(1, now);
            sent.push((now, counted));
            answers.push((now + Duration::from_millis(latency), now));
        }
    }
}
