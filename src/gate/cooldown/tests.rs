//! Closings, by heads and by whole responses.

use super::*;
use proptest::prelude::*;

fn bare(heard: Moment) -> Closing {
    closing(heard, Wait::Bare(Duration::from_secs(60)))
}

fn closing(heard: Moment, wait: Wait) -> Closing {
    Closing {
        wait,
        heard,
        refused: true,
        by_a_limit: true,
        path: Default::default(),
        decided_by: "retry-after".into(),
        at_most: None,
    }
}

#[test]
fn what_does_not_grow_is_forgotten_when_it_is_over() {
    let now = Moment::now();
    let mut cooldown = Cooldown::default();
    let named = closing(now, Wait::Named(Duration::from_secs(5)));
    let refused = cooldown.close(0, named, 0).gate;
    assert!(!cooldown.is_idle(refused));
    assert!(cooldown.is_idle(refused + LONGEST_BARE));
    cooldown.accepted(cooldown.epoch());
    assert!(cooldown.is_idle(refused));
    assert!(!cooldown.is_idle(refused.just_before()));
}

#[test]
fn sixty_four_refusals_at_once_shut_for_60_to_61_seconds() {
    let start = Moment::now();
    let mut cooldown = Cooldown::default();
    let sent_under = cooldown.epoch();
    let mut opens = start;
    for n in 0..64 {
        let heard = start + Duration::from_millis(n);
        opens = cooldown.close(sent_under, bare(heard), u64::MAX).gate;
    }
    assert!(opens >= start + Duration::from_secs(60));
    assert!(opens <= start + Duration::from_secs(61));
}

#[test]
fn a_bare_wait_doubles_with_every_closing_up_to_15_minutes() {
    let mut now = Moment::now();
    let mut cooldown = Cooldown::default();
    let mut minutes = Vec::new();
    for _ in 0..6 {
        let opens = cooldown.close(cooldown.epoch(), bare(now), 0).gate;
        minutes.push((opens - now).as_secs() / 60);
        now = opens;
    }
    assert_eq!(minutes, [1, 2, 4, 8, 15, 15]);
}

#[test]
fn an_accepted_answer_between_closings_ends_the_growth() {
    let now = Moment::now();
    let mut cooldown = Cooldown::default();
    let before = cooldown.epoch();
    let first = cooldown.close(before, bare(now), 0).gate;
    cooldown.accepted(before);
    let second = cooldown.close(cooldown.epoch(), bare(first), 0).gate;
    assert_eq!(
        second - first,
        Duration::from_secs(120),
        "a late answer proves nothing"
    );
    cooldown.accepted(cooldown.epoch());
    let third = cooldown.close(cooldown.epoch(), bare(second), 0).gate;
    assert_eq!(third - second, Duration::from_secs(60));
}

#[test]
fn a_shorter_hint_never_shortens_a_closing() {
    let now = Moment::now();
    let mut cooldown = Cooldown::default();
    let long = cooldown
        .close(0, closing(now, Wait::Named(Duration::from_secs(90))), 0)
        .gate;
    let same = cooldown
        .close(0, closing(now, Wait::Named(Duration::from_secs(5))), 0)
        .gate;
    assert_eq!(long, same);
}

#[test]
fn a_cap_on_cooldowns_sends_a_probe_early() {
    let now = Moment::now();
    let mut closing = closing(now, Wait::Named(Duration::from_secs(86_400)));
    closing.at_most = Some(Duration::from_secs(600));
    let opens = Cooldown::default().close(0, closing, 0).gate;
    assert_eq!(opens, now + Duration::from_secs(600));
}

proptest! {
    #[test]
    fn a_gate_never_opens_before_any_named_wait_is_over(
        hints in prop::collection::vec((0u64..400_000, 0u64..90_000, any::<u64>(), 0u16..4), 1..40)
    ) {
        let start = Moment::now();
        let mut cooldown = Cooldown::default();
        let mut told = start;
        for (heard, wait, roll, sent_under) in hints {
            let heard = start + Duration::from_millis(heard);
            let wait = Duration::from_millis(wait);
            told = told.max(heard + wait);
            cooldown.close(sent_under, closing(heard, Wait::Named(wait)), roll);
        }
        let just_before = start + (told - start).saturating_sub(Duration::from_millis(1));
        prop_assert!(told == start || cooldown.shut(just_before).is_some());
    }
}

fn named(heard: Moment, seconds: u64) -> Closing {
    closing(heard, Wait::Named(Duration::from_secs(seconds)))
}

#[test]
fn a_closing_by_the_head_holds_at_once_and_is_taken_back_without_a_trace() {
    let now = Moment::now();
    let mut cooldown = Cooldown::default();
    let before = cooldown.epoch();
    let id = cooldown.close_by_head(before, bare(now), 0);
    assert!(cooldown.shut(now).is_some() && cooldown.settled(now).is_none());
    assert_eq!(cooldown.decide(id, None, now), None);
    assert_eq!((cooldown.shut(now), cooldown.epoch()), (None, before));
    let opens = cooldown.close(before, bare(now), 0).gate;
    assert_eq!(
        opens - now,
        Duration::from_secs(60),
        "the floor has not grown"
    );
}

#[test]
fn what_others_closed_stays_when_a_closing_is_taken_back() {
    let now = Moment::now();
    let mut cooldown = Cooldown::default();
    let before = cooldown.epoch();
    let id = cooldown.close_by_head(before, named(now, 90), 0);
    cooldown.close(before, named(now, 30), 0);
    cooldown.decide(id, None, now);
    let opens = cooldown.shut(now).expect("the other holds").until;
    assert_eq!(opens, now + Duration::from_secs(30));
    let again = cooldown.close(cooldown.epoch(), bare(opens), 0).gate;
    assert_eq!(
        again - opens,
        Duration::from_secs(120),
        "the second in a row"
    );
}

#[test]
fn of_two_closings_by_heads_the_one_that_stands_counts_once() {
    let now = Moment::now();
    let mut cooldown = Cooldown::default();
    let before = cooldown.epoch();
    let first = cooldown.close_by_head(before, bare(now), 0);
    let second = cooldown.close_by_head(before, bare(now), 0);
    cooldown.decide(first, None, now);
    let opens = cooldown.decide(second, Some(bare(now)), now).unwrap().gate;
    assert_eq!(opens - now, Duration::from_secs(60));
    let next = cooldown.close(cooldown.epoch(), bare(opens), 0).gate;
    assert_eq!(next - opens, Duration::from_secs(120));
}

#[test]
fn a_body_lengthens_what_the_head_named_and_never_shortens_it() {
    let now = Moment::now();
    for (said, expected) in [(5, 30), (30, 30), (90, 90)] {
        let mut cooldown = Cooldown::default();
        let id = cooldown.close_by_head(0, named(now, 30), 0);
        let opening = cooldown.decide(id, Some(named(now, said)), now).unwrap();
        assert_eq!(opening.gate, now + Duration::from_secs(expected));
        assert_eq!(
            cooldown.shut(now).map(|shut| shut.until),
            Some(opening.gate)
        );
    }
}

#[test]
fn a_wait_in_the_body_takes_the_place_of_the_bare_floor() {
    let now = Moment::now();
    let mut cooldown = Cooldown::default();
    let id = cooldown.close_by_head(0, bare(now), 0);
    let opening = cooldown.decide(id, Some(named(now, 3)), now).unwrap();
    assert_eq!(opening.gate, now + Duration::from_secs(3));
    assert!(cooldown.shut(opening.gate).is_none());
}

#[test]
fn what_a_head_said_stands_if_the_body_is_never_read() {
    let now = Moment::now();
    let mut cooldown = Cooldown::default();
    let id = cooldown.close_by_head(0, bare(now), 0);
    assert_eq!(cooldown.confirm(id), Some(now + Duration::from_secs(60)));
    assert!(cooldown.settled(now).is_some());
}

#[test]
fn a_gate_that_was_reopened_takes_no_other_closing_back() {
    let now = Moment::now();
    let mut cooldown = Cooldown::default();
    let before = cooldown.close_by_head(0, named(now, 30), 0);
    cooldown.reopen();
    let after = cooldown.close_by_head(cooldown.epoch(), named(now, 90), 0);
    assert_ne!(before, after);
    cooldown.decide(before, None, now);
    let until = cooldown.shut(now).map(|shut| shut.until);
    assert_eq!(until, Some(now + Duration::from_secs(90)));
}
