//! Closings, by heads and by whole responses.

use super::*;
use proptest::prelude::*;

fn bare(received_at: Moment) -> Closing {
    closing(received_at, Wait::Bare(Duration::from_secs(60)))
}

fn closing(received_at: Moment, wait: Wait) -> Closing {
    Closing {
        wait,
        received_at,
        refused: true,
        by_limit: true,
        path: Default::default(),
        decided_by: "retry-after".into(),
        max_wait: None,
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
    cooldown.on_success(cooldown.generation());
    assert!(cooldown.is_idle(refused));
    assert!(!cooldown.is_idle(refused.just_before()));
}

#[test]
fn sixty_four_refusals_at_once_shut_for_60_to_61_seconds() {
    let start = Moment::now();
    let mut cooldown = Cooldown::default();
    let sent_under = cooldown.generation();
    let mut opens = start;
    for n in 0..64 {
        let received_at = start + Duration::from_millis(n);
        opens = cooldown.close(sent_under, bare(received_at), u64::MAX).gate;
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
        let opens = cooldown.close(cooldown.generation(), bare(now), 0).gate;
        minutes.push((opens - now).as_secs() / 60);
        now = opens;
    }
    assert_eq!(minutes, [1, 2, 4, 8, 15, 15]);
}

#[test]
fn a_named_wait_that_was_kept_in_vain_eight_times_is_lengthened_up_to_a_minute() {
    let mut now = Moment::now();
    let mut cooldown = Cooldown::default();
    let mut close = |named, max_wait| {
        let wait = Wait::Named(Duration::from_secs(named));
        let closing = Closing {
            max_wait,
            ..closing(now, wait)
        };
        let opens = cooldown.close(cooldown.generation(), closing, 0).gate;
        let seconds = (opens - now).as_secs();
        now = opens;
        if named == 0 {
            cooldown.on_success(cooldown.generation());
        }
        seconds
    };
    let seconds = [1; 15].map(|named| close(named, None));
    assert_eq!(seconds, [1, 1, 1, 1, 1, 1, 1, 1, 2, 4, 8, 16, 32, 64, 64]);
    assert_eq!(close(90, None), 90, "a longer wait stands");
    let probe_after = Some(Duration::from_secs(5));
    assert_eq!(
        close(1, probe_after),
        5,
        "a probe is sent when it has to be"
    );
    assert_eq!(close(0, None), 64, "and then a call is served");
    assert_eq!(close(1, None), 1);
}

#[test]
fn an_accepted_answer_that_closes_by_its_head_ends_the_growth() {
    let named = |now, refused| Closing {
        refused,
        ..closing(now, Wait::Named(Duration::from_secs(1)))
    };
    for is_taken_back in [false, true] {
        let mut now = Moment::now();
        let mut cooldown = Cooldown::default();
        for _ in 0..20 {
            let refused = cooldown.close(cooldown.generation(), named(now, true), 0);
            assert_eq!(refused.gate, now + Duration::from_secs(1));
            now = refused.gate;
            let sent_under = cooldown.generation();
            let id = cooldown.close_provisionally(sent_under, named(now, false), 0);
            cooldown.on_success(sent_under);
            let whole = (!is_taken_back).then(|| named(now, false));
            cooldown.resolve(id, whole, now);
            assert_eq!(cooldown.streak(), 0, "taken back: {is_taken_back}");
            now += Duration::from_secs(1);
        }
    }
}

#[test]
fn an_accepted_answer_between_closings_ends_the_growth() {
    let now = Moment::now();
    let mut cooldown = Cooldown::default();
    let before = cooldown.generation();
    let first = cooldown.close(before, bare(now), 0).gate;
    cooldown.on_success(before);
    let second = cooldown.close(cooldown.generation(), bare(first), 0).gate;
    assert_eq!(
        second - first,
        Duration::from_secs(120),
        "a late answer proves nothing"
    );
    cooldown.on_success(cooldown.generation());
    let third = cooldown.close(cooldown.generation(), bare(second), 0).gate;
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
    closing.max_wait = Some(Duration::from_secs(600));
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
        for (received_at, wait, bits, sent_under) in hints {
            let received_at = start + Duration::from_millis(received_at);
            let wait = Duration::from_millis(wait);
            told = told.max(received_at + wait);
            cooldown.close(sent_under, closing(received_at, Wait::Named(wait)), bits);
        }
        let just_before = start + (told - start).saturating_sub(Duration::from_millis(1));
        prop_assert!(told == start || cooldown.closed(just_before).is_some());
    }
}

fn named(received_at: Moment, seconds: u64) -> Closing {
    closing(received_at, Wait::Named(Duration::from_secs(seconds)))
}

#[test]
fn a_closing_by_the_head_holds_at_once_and_is_taken_back_without_a_trace() {
    let now = Moment::now();
    let mut cooldown = Cooldown::default();
    let before = cooldown.generation();
    let id = cooldown.close_provisionally(before, bare(now), 0);
    assert!(cooldown.closed(now).is_some() && cooldown.settled(now).is_none());
    assert_eq!(cooldown.resolve(id, None, now), None);
    assert_eq!(
        (cooldown.closed(now), cooldown.generation()),
        (None, before)
    );
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
    let before = cooldown.generation();
    let id = cooldown.close_provisionally(before, named(now, 90), 0);
    cooldown.close(before, named(now, 30), 0);
    cooldown.resolve(id, None, now);
    let opens = cooldown.closed(now).expect("the other holds").until;
    assert_eq!(opens, now + Duration::from_secs(30));
    let again = cooldown.close(cooldown.generation(), bare(opens), 0).gate;
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
    let before = cooldown.generation();
    let first = cooldown.close_provisionally(before, bare(now), 0);
    let second = cooldown.close_provisionally(before, bare(now), 0);
    cooldown.resolve(first, None, now);
    let opens = cooldown.resolve(second, Some(bare(now)), now).unwrap().gate;
    assert_eq!(opens - now, Duration::from_secs(60));
    let next = cooldown.close(cooldown.generation(), bare(opens), 0).gate;
    assert_eq!(next - opens, Duration::from_secs(120));
}

#[test]
fn a_body_lengthens_what_the_head_named_and_never_shortens_it() {
    let now = Moment::now();
    for (said, expected) in [(5, 30), (30, 30), (90, 90)] {
        let mut cooldown = Cooldown::default();
        let id = cooldown.close_provisionally(0, named(now, 30), 0);
        let opening = cooldown.resolve(id, Some(named(now, said)), now).unwrap();
        assert_eq!(opening.gate, now + Duration::from_secs(expected));
        assert_eq!(
            cooldown.closed(now).map(|closed| closed.until),
            Some(opening.gate)
        );
    }
}

#[test]
fn a_wait_in_the_body_takes_the_place_of_the_bare_floor() {
    let now = Moment::now();
    let mut cooldown = Cooldown::default();
    let id = cooldown.close_provisionally(0, bare(now), 0);
    let opening = cooldown.resolve(id, Some(named(now, 3)), now).unwrap();
    assert_eq!(opening.gate, now + Duration::from_secs(3));
    assert!(cooldown.closed(opening.gate).is_none());
}

#[test]
fn what_a_head_said_stands_if_the_body_is_never_read() {
    let now = Moment::now();
    let mut cooldown = Cooldown::default();
    let id = cooldown.close_provisionally(0, bare(now), 0);
    assert!(cooldown.confirm(id), "it was a refusal");
    let settled = cooldown.settled(now).map(|closed| closed.until);
    assert_eq!(settled, Some(now + Duration::from_secs(60)));
}

#[test]
fn a_gate_that_was_reopened_takes_no_other_closing_back() {
    let now = Moment::now();
    let mut cooldown = Cooldown::default();
    let before = cooldown.close_provisionally(0, named(now, 30), 0);
    cooldown.reopen();
    let after = cooldown.close_provisionally(cooldown.generation(), named(now, 90), 0);
    assert_ne!(before, after);
    cooldown.resolve(before, None, now);
    let until = cooldown.closed(now).map(|closed| closed.until);
    assert_eq!(until, Some(now + Duration::from_secs(90)));
}
