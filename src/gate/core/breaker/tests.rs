//! The circuit breaker, told the time.

use super::*;

const ROUTE: PathHash = PathHash(1);
/// Long ago.
const NEVER: Moment = Moment::START;

fn fail(breaker: &mut Breaker, times: u32, now: Moment) {
    (0..times).for_each(|_| breaker.on_failure(ROUTE, now, NEVER, now));
}

#[test]
fn five_failures_in_a_row_over_a_second_are_an_outage() {
    let now = Moment::now();
    let mut breaker = Breaker::default();
    fail(&mut breaker, 64, now);
    assert!(!breaker.is_sure(now), "all at once prove nothing");
    assert_eq!(breaker.next(now), now, "new calls go on");
    let later = now + Duration::from_secs(1);
    assert_eq!(
        breaker.suspicion(now),
        Some(BreakerState::SuspectedUntil(later))
    );
    breaker.on_admit(later);
    assert!(breaker.next(later) > later, "one asks");
    fail(&mut breaker, 1, later);
    assert!(breaker.is_sure(later));
    assert_eq!(breaker.next(later), later + FIRST_INTERVAL);
}

#[test]
fn one_answer_below_500_among_failures_is_no_outage() {
    let mut now = Moment::now();
    let mut breaker = Breaker::default();
    for _ in 0..100 {
        fail(&mut breaker, 4, now);
        breaker.on_answer();
        now += Duration::from_millis(500);
    }
    assert!(!breaker.is_sure(now) && breaker.next(now) <= now);
}

#[test]
fn probes_come_at_growing_intervals() {
    let mut now = Moment::now();
    let mut breaker = Breaker::default();
    fail(&mut breaker, 5, now);
    now += Duration::from_secs(1);
    fail(&mut breaker, 1, now);
    let mut intervals = Vec::new();
    for _ in 0..6 {
        let probe = breaker.next(now);
        intervals.push((probe - now).as_secs());
        breaker.on_admit(probe);
        breaker.on_failure(ROUTE, probe, NEVER, probe);
        now = probe;
    }
    assert_eq!(intervals, [1, 2, 4, 8, 8, 8]);
}

#[test]
fn an_answer_says_whether_it_has_ended_an_outage() {
    let mut now = Moment::now();
    let mut breaker = Breaker::default();
    fail(&mut breaker, 5, now);
    assert!(!breaker.on_answer(), "it was a hiccup");
    fail(&mut breaker, 5, now);
    now += Duration::from_secs(1);
    fail(&mut breaker, 1, now);
    assert!(breaker.on_answer());
    assert!(breaker.is_calm() && !breaker.on_answer());
}

#[test]
fn it_does_not_open_within_ten_seconds_of_a_served_call() {
    let served = Moment::now();
    let mut breaker = Breaker::default();
    let mut now = served;
    for _ in 0..99 {
        breaker.on_failure(ROUTE, now, served, now);
        assert_eq!(breaker.next(now), now);
        now += Duration::from_millis(100);
    }
    now = served + Duration::from_secs(10);
    breaker.on_failure(ROUTE, now, served, now);
    assert!(breaker.is_sure(now));
}

#[test]
fn a_path_that_has_not_failed_is_asked_at_once_and_one_at_a_time() {
    let mut now = Moment::now();
    let mut breaker = Breaker::default();
    fail(&mut breaker, 5, now);
    now += Duration::from_secs(1);
    fail(&mut breaker, 1, now);
    let (good, other) = (PathHash(2), PathHash(3));
    assert!(!breaker.is_probe_at_once(ROUTE, now));
    assert!(breaker.is_probe_at_once(good, now));
    breaker.probe_at_once(now);
    assert!(!breaker.is_probe_at_once(other, now), "one at a time");
    breaker.on_failure(good, now, NEVER, now);
    assert!(!breaker.is_probe_at_once(good, now), "it has failed, too");
    assert!(breaker.is_probe_at_once(other, now));
    breaker.probe_at_once(now);
    breaker.on_cancel(now);
    assert!(breaker.is_probe_at_once(other, now), "its caller has left");
}

#[test]
fn where_eight_paths_have_failed_no_other_is_asked_at_once() {
    let now = Moment::now();
    let mut breaker = Breaker::default();
    let later = now + Duration::from_secs(1);
    fail(&mut breaker, 5, now);
    for path in 2..9 {
        assert!(breaker.is_probe_at_once(PathHash(1_000), later));
        breaker.on_failure(PathHash(path), later, NEVER, later);
    }
    assert!(!breaker.is_probe_at_once(PathHash(1_000), later));
    (0..1_000).for_each(|path| breaker.on_failure(PathHash(path), later, NEVER, later));
    let out = breaker.failures.and_then(|failures| failures.out);
    assert_eq!(out.map(|out| out.failed.len()), Some(PATHS));
}

#[test]
fn the_path_that_failed_last_lets_the_others_go_first() {
    let now = Moment::now();
    let mut breaker = Breaker::default();
    fail(&mut breaker, 5, now);
    let probe = now + Duration::from_secs(1);
    assert!(!breaker.should_yield(PathHash(2), probe));
    let steps = (0..100)
        .filter(|_| breaker.should_yield(ROUTE, probe))
        .count();
    assert_eq!(steps, STEPS_BACK as usize, "and then it goes itself");
}

#[test]
fn one_that_is_off_never_opens() {
    let mut now = Moment::now();
    let mut breaker = Breaker::with(CircuitBreaker::off());
    for _ in 0..100 {
        fail(&mut breaker, 5, now);
        assert!(breaker.is_calm());
        now += Duration::from_secs(1);
    }
}

#[test]
fn a_probe_at_once_whose_service_was_not_ready_and_whose_caller_leaves_is_followed_by_another() {
    let mut now = Moment::now();
    let mut breaker = Breaker::default();
    fail(&mut breaker, 5, now);
    now += Duration::from_secs(1);
    fail(&mut breaker, 1, now);
    let probe = breaker.next(now);
    breaker.probe_at_once(now);
    let sent = now + Duration::from_millis(100);
    breaker.on_late_send(now, sent);
    breaker.on_cancel(sent);
    assert!(breaker.is_probe_at_once(PathHash(2), sent));
    assert_eq!(
        breaker.next(sent),
        probe,
        "the other probe goes when it would have"
    );
}
