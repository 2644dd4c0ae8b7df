//! A user opens the scope, in this process or in another one.

use super::*;

const DAY: Duration = Duration::from_secs(86_400);

fn closed_for(wait: Duration, reopened: u64) -> Reply {
    Reply {
        closed_for: wait,
        reopened,
        ..reply(&[])
    }
}

#[test]
fn what_a_user_opens_is_open_at_once_and_the_ledger_is_told() {
    let mut member = member();
    exchange(&mut member, 1, &reply(&[]), at(0));
    member.on_close(DAY, CloseReason::Refusal, at(10));
    exchange(&mut member, 1, &closed_for(DAY, 0), at(20));
    assert_eq!(member.admit(1, at(30)), Grant::At(DAY - millis(10)));
    member.on_reopen(at(35));
    assert!(member.wakes_gates);
    assert_eq!(member.admit(1, at(40)), Grant::Later);
    assert_eq!(member.next_exchange(at(40)), at(40));
    let told = exchange(&mut member, 1, &reply(&[(0, 1)]), at(40));
    assert_eq!((told.reopens, told.closing), (true, None));
    granted(member.admit(1, at(41)));
    assert!(!exchange(&mut member, 1, &reply(&[]), at(50)).reopens);
}

#[test]
fn a_reply_from_before_does_not_close_what_a_user_has_opened() {
    let mut member = member();
    exchange(&mut member, 1, &closed_for(DAY, 0), at(0));
    member.begin_exchange(1, at(10));
    member.on_reopen(at(15));
    member.on_reply(&closed_for(DAY, 0), at(20));
    assert_eq!(member.admit(1, at(20)), Grant::Later);
    assert!(exchange(&mut member, 1, &closed_for(Duration::ZERO, 1), at(20)).reopens);
    assert!(!member.opens_gates, "it was opened here");
}

#[test]
fn a_closing_that_was_not_told_is_forgotten_and_a_lost_opening_is_told_again() {
    let mut member = member();
    exchange(&mut member, 1, &reply(&[]), at(0));
    member.on_close(DAY, CloseReason::Refusal, at(10));
    member.begin_exchange(1, at(20));
    member.on_reopen(at(20));
    member.on_unreachable(&is_away(), at(20));
    let told = member.begin_exchange(1, at(100));
    assert_eq!((told.reopens, told.closing), (true, None));
    member.on_unreachable(&is_away(), at(100));
    let told = member.begin_exchange(1, at(300));
    assert_eq!((told.reopens, told.reopened_ago), (true, millis(30)));
}

#[test]
fn what_a_user_of_another_process_opens_is_open_here() {
    let mut member = member();
    exchange(&mut member, 1, &closed_for(DAY, 3), at(0));
    assert!(!member.opens_gates, "that was long ago");
    let later = closed_for(millis(500), 4);
    exchange(&mut member, 1, &later, at(10));
    assert!(member.opens_gates);
    assert_eq!(member.admit(1, at(10)), Grant::At(millis(500)));
    exchange(&mut member, 1, &closed_for(Duration::ZERO, 4), at(20));
    assert_eq!(
        member.admit(1, at(20)),
        Grant::At(millis(490)),
        "that is the same opening"
    );
}

#[test]
fn a_closing_that_was_heard_meanwhile_is_younger_than_an_opening_of_others() {
    let mut member = member();
    exchange(&mut member, 1, &reply(&[]), at(0));
    member.begin_exchange(1, at(10));
    member.on_close(millis(800), CloseReason::Refusal, at(15));
    member.on_reply(&closed_for(Duration::ZERO, 1), at(20));
    assert_eq!(member.admit(1, at(20)), Grant::At(millis(795)));
    assert!(
        member.opens_gates,
        "what has closed them before is over, and the member holds their calls"
    );
}

#[test]
fn a_closing_of_others_that_was_heard_meanwhile_outlives_an_opening_until_the_ledger_is_asked() {
    let mut member = member();
    exchange(&mut member, 1, &closed_for(DAY, 0), at(0));
    member.begin_exchange(1, at(10));
    // The message overtook the reply, in which only the opening was known.
    member.on_foreign_close(millis(800), at(15));
    let opened = Reply {
        grants: vec![vec![Granted {
            from: Duration::ZERO,
            count: 1,
        }]],
        ..closed_for(Duration::ZERO, 1)
    };
    member.on_reply(&opened, at(20));
    assert!(member.opens_gates);
    assert_eq!(member.admit(1, at(20)), Grant::At(millis(795)));
    assert_eq!(
        member.next_exchange(at(20)),
        at(20),
        "it may be older than the opening"
    );
    exchange(&mut member, 1, &closed_for(millis(790), 1), at(30));
    assert_eq!(member.admit(1, at(30)), Grant::At(millis(790)));
    assert!(member.next_exchange(at(40)) > at(40), "it knows");
    assert_eq!(
        member.admit(1, at(900)),
        Grant::Later,
        "what was granted before the closing went back"
    );
}

#[test]
fn a_closing_that_was_heard_before_an_opening_is_over_with_the_next_reply() {
    let mut member = member();
    exchange(&mut member, 1, &closed_for(DAY, 0), at(0));
    member.begin_exchange(1, at(10));
    member.on_foreign_close(DAY * 2, at(15));
    member.on_reply(&closed_for(Duration::ZERO, 1), at(20));
    exchange(&mut member, 1, &closed_for(Duration::ZERO, 1), at(30));
    assert_eq!(member.admit(1, at(30)), Grant::Later);
}

#[test]
fn a_late_message_does_not_close_what_a_user_has_opened() {
    let mut member = member();
    exchange(&mut member, 1, &closed_for(DAY, 0), at(0));
    member.on_reopen(at(5));
    member.on_foreign_close(DAY, at(10));
    assert_eq!(member.admit(1, at(10)), Grant::Later);
    member.begin_exchange(1, at(20));
    // It is older than the opening, or younger: the reply does not say.
    member.on_foreign_close(DAY, at(25));
    member.on_reply(&closed_for(Duration::ZERO, 1), at(30));
    assert_eq!(member.next_exchange(at(30)), at(30));
    exchange(&mut member, 1, &closed_for(Duration::ZERO, 1), at(40));
    assert_eq!(member.admit(1, at(40)), Grant::Later);
}

#[test]
fn a_day_that_others_have_closed_for_ends_although_this_member_has_closed_for_a_second() {
    let mut member = member();
    exchange(&mut member, 1, &closed_for(DAY, 0), at(0));
    member.begin_exchange(1, at(10));
    member.on_close(millis(800), CloseReason::Refusal, at(15));
    member.on_reply(&closed_for(Duration::ZERO, 1), at(20));
    assert_eq!(member.admit(1, at(20)), Grant::At(millis(795)));
}

#[test]
fn a_member_that_was_alone_says_how_old_its_closing_is_and_opens_if_it_is_too_old() {
    for was_reached in [true, false] {
        let mut member = member();
        if was_reached {
            exchange(&mut member, 1, &reply(&[]), at(0));
        }
        fails(&mut member, at(10));
        member.on_close(DAY, CloseReason::Refusal, at(100));
        // A shorter one that came later does not make it younger.
        member.on_close(millis(50), CloseReason::Refusal, at(200));
        let told = exchange(&mut member, 1, &closed_for(Duration::ZERO, 1), at(60_100));
        assert_eq!(told.closing.unwrap().age, millis(60_000));
        assert_eq!(member.admit(1, at(60_100)), Grant::Later);
        assert!(member.opens_gates, "{was_reached}");
        assert_eq!(
            exchange(&mut member, 1, &reply(&[]), at(60_200)).closing,
            None
        );
    }
}

#[test]
fn a_shorter_closing_after_an_opening_stands_where_a_longer_one_from_before_does_not() {
    let mut member = member();
    fails(&mut member, at(10));
    member.on_close(DAY, CloseReason::QuotaSpent, at(100));
    // A user opens the scope elsewhere, and two calls that were on their way are refused after that.
    member.on_close(millis(50_000), CloseReason::Refusal, at(59_000));
    member.on_close(millis(20_000), CloseReason::QuotaSpent, at(60_000));
    let told = exchange(&mut member, 1, &closed_for(Duration::ZERO, 1), at(60_100));
    assert_eq!(told.closing.unwrap().age, millis(60_000));
    assert!(member.opens_gates);
    assert_eq!(member.admit(1, at(60_100)), Grant::At(millis(48_900)));
    assert_eq!(member.next_exchange(at(60_100)), at(60_100));
    let noted = closed_for(millis(48_800), 1);
    let told = exchange(&mut member, 1, &noted, at(60_200))
        .closing
        .unwrap();
    assert_eq!(
        (told.remaining, told.age, told.is_refusal),
        (millis(48_800), millis(200), true)
    );
    assert_eq!(member.admit(1, at(60_200)), Grant::At(millis(48_800)));
    assert_eq!(
        exchange(&mut member, 1, &noted, at(60_300)).closing,
        None,
        "it is noted"
    );
}

#[test]
fn a_closing_that_the_ledger_has_not_noted_stands_though_others_have_opened_the_scope() {
    for state in [ReplyState::Late, ReplyState::TellAll] {
        let mut member = member();
        exchange(&mut member, 1, &reply(&[]), at(0));
        member.on_close(millis(50_000), CloseReason::Refusal, at(100));
        let opened = Reply {
            state,
            ..closed_for(Duration::ZERO, 1)
        };
        exchange(&mut member, 1, &opened, at(100));
        assert_eq!(member.admit(1, at(100)), Grant::At(millis(50_000)));
        let again = exchange(&mut member, 1, &closed_for(millis(49_000), 1), at(1_100));
        assert_eq!(again.closing.unwrap().age, millis(1_000), "{state:?}");
        assert_eq!(member.admit(1, at(1_100)), Grant::At(millis(49_000)));
    }
}

#[test]
fn a_ledger_that_has_forgotten_all_does_not_say_whether_a_closing_of_others_is_over() {
    let forgotten = [
        (ReplyState::TellAll, 1),
        (ReplyState::TellAll, 0),
        (ReplyState::Done, 0),
    ];
    for (state, reopened) in forgotten {
        let mut member = member();
        exchange(&mut member, 1, &closed_for(DAY, 0), at(0));
        member.begin_exchange(1, at(10));
        member.on_foreign_close(millis(800), at(15));
        member.on_reply(&closed_for(Duration::ZERO, 1), at(20));
        let empty = Reply {
            state,
            ..closed_for(Duration::ZERO, reopened)
        };
        exchange(&mut member, 1, &empty, at(30));
        exchange(
            &mut member,
            1,
            &closed_for(Duration::ZERO, reopened),
            at(40),
        );
        assert_eq!(member.admit(1, at(40)), Grant::At(millis(775)), "{state:?}");
    }
}

#[test]
fn an_opening_is_told_with_its_age_less_what_a_closing_may_have_taken_to_the_ledger() {
    let mut member = member();
    exchange(&mut member, 1, &reply(&[]), at(0));
    member.on_reopen(at(10));
    assert_eq!(
        member.begin_exchange(1, at(10)).reopened_ago,
        Duration::ZERO
    );
    member.on_unreachable(&is_away(), at(260));
    let told = exchange(&mut member, 1, &closed_for(DAY, 1), at(60_010));
    assert_eq!(told.reopened_ago, millis(59_750));
    assert_eq!(
        member.admit(1, at(60_010)),
        Grant::At(DAY),
        "another member was refused meanwhile"
    );
}
