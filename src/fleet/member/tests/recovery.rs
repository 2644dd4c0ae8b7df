//! Exchanges that are lost, replies that make no sense, and what a member must not forget over that.

use super::*;

fn error_reply() -> Unreachable {
    Unreachable::ErrorReply(String::new())
}

fn tell_all() -> Reply {
    Reply {
        state: ReplyState::TellAll,
        ..Reply::default()
    }
}

#[test]
fn it_leaves_after_the_exchange_that_was_on_its_way() {
    for reached in [true, false] {
        let mut member = member();
        exchange(&mut member, 1, &reply(&[(0, 5)]), at(0));
        assert!(!member.begin_exchange(1, at(100)).leaves);
        member.leave();
        match reached {
            true => member.on_reply(&reply(&[(0, 3)]), at(110)),
            false => member.on_unreachable(&is_away(), at(110)),
        }
        assert_eq!(member.next_exchange(at(110)), at(110), "{reached}");
        let told = exchange(&mut member, 1, &reply(&[]), at(110));
        assert!(told.leaves);
        assert_eq!(told.accounts[0].held, 0, "what was granted meanwhile, too");
        assert_eq!(member.next_exchange(at(120)), Moment::FAR);
    }
}

#[test]
fn one_that_leaves_tells_all_to_a_ledger_that_has_lost_something() {
    let mut member = member();
    exchange(&mut member, 1, &reply(&[(0, 5)]), at(0));
    let grant = granted(member.admit(1, at(10)));
    member.on_outcome(Some(grant), &served(), at(10));
    exchange(&mut member, 0, &reply(&[]), at(20));
    member.leave();
    assert!(exchange(&mut member, 0, &tell_all(), at(30)).leaves);
    let told = exchange(&mut member, 0, &tell_all(), at(30));
    assert!(told.leaves && told.tells_all);
    assert_eq!(told.accounts[0].log.len(), 1);
    assert_eq!(member.next_exchange(at(40)), Moment::FAR, "only once");
}

#[test]
fn a_closing_is_told_again_if_its_exchange_was_lost() {
    for why in [is_away(), error_reply()] {
        let mut member = member();
        exchange(&mut member, 1, &reply(&[(0, 5)]), at(0));
        member.on_close(Duration::from_secs(30), CloseReason::Refusal, at(100));
        assert!(member.begin_exchange(1, at(100)).closing.is_some());
        member.on_unreachable(&why, at(350));
        let closing = exchange(&mut member, 1, &reply(&[]), at(1_100)).closing;
        let closing = closing.expect("no other member would hear of it");
        assert_eq!(
            (closing.remaining, closing.is_refusal),
            (Duration::from_secs(29), true)
        );
        assert_eq!(
            exchange(&mut member, 1, &reply(&[]), at(1_200)).closing,
            None
        );
    }
}

#[test]
fn a_closing_is_told_again_to_a_ledger_that_has_lost_its_keys() {
    let mut member = member();
    exchange(&mut member, 1, &reply(&[(0, 5)]), at(0));
    member.on_close(Duration::from_secs(30), CloseReason::Refusal, at(100));
    assert!(
        exchange(&mut member, 1, &tell_all(), at(100))
            .closing
            .is_some()
    );
    let closing = exchange(&mut member, 1, &reply(&[]), at(1_100)).closing;
    let closing = closing.expect("it may not have noted it");
    assert_eq!(
        (closing.remaining, closing.age),
        (Duration::from_secs(29), Duration::from_secs(1))
    );
}

#[test]
fn a_closing_that_was_over_before_the_ledger_came_back_is_not_told() {
    let mut member = member();
    fails(&mut member, at(0));
    member.on_close(Duration::from_secs(1), CloseReason::Refusal, at(100));
    let told = exchange(&mut member, 1, &reply(&[]), at(60_000));
    assert_eq!(told.closing, None);
}

#[test]
fn an_exchange_that_ended_with_its_runtime_is_told_again() {
    let mut member = member();
    exchange(&mut member, 1, &reply(&[(0, 5)]), at(0));
    let grant = granted(member.admit(1, at(10)));
    member.on_outcome(Some(grant), &served(), at(10));
    fails(&mut member, at(20));
    member.on_close(Duration::from_secs(30), CloseReason::Refusal, at(100));
    assert!(member.begin_exchange(1, at(100)).tells_all);
    // There is no reply, and no failure: the task was dropped.
    let told = exchange(&mut member, 1, &reply(&[]), at(200));
    assert!(told.tells_all && told.closing.is_some());
    assert_eq!(told.accounts[0].log.len(), 1);
}

#[test]
fn a_ledger_that_asks_again_and_again_is_as_good_as_away() {
    let mut member = member();
    exchange(&mut member, 1, &tell_all(), at(0));
    assert!(exchange(&mut member, 1, &tell_all(), at(1)).tells_all);
    assert_eq!(member.next_exchange(at(1)), at(501), "no storm");
    assert_eq!(granted_now(&mut member, at(2)), 0, "nothing was free");
    assert_eq!(granted_now(&mut member, at(1_002)), 10, "its share");
}

#[test]
fn a_ledger_without_room_leaves_a_member_its_share() {
    let mut member = member();
    let late = Reply {
        state: ReplyState::Late,
        ..Reply::default()
    };
    member.admit(1, at(0));
    exchange(&mut member, 1, &late, at(0));
    assert_eq!(member.next_exchange(at(0)), at(500));
    assert_eq!(granted_now(&mut member, at(1)), 10, "100 by 10 processes");
}

#[test]
fn a_call_that_costs_nothing_still_asks_for_its_place_among_the_calls() {
    let windows = [
        window(QuotaUnit::Cost, 100, WINDOW),
        window(QuotaUnit::Calls, 5, WINDOW),
    ];
    let mut member = member_of(&windows);
    assert_eq!(member.admit(0, at(0)), Grant::Later);
    let told = exchange(&mut member, 1, &reply(&[]), at(0));
    let needs = told.accounts.iter().map(|account| account.need);
    assert_eq!(needs.collect::<Vec<_>>(), [0, 1]);
}

#[test]
fn what_was_booked_is_held_until_its_moment_even_when_the_lease_ends() {
    let mut member = member_of(&[window(QuotaUnit::Cost, 100, Duration::from_secs(60))]);
    exchange(
        &mut member,
        9,
        &reply(&[(0, 5), (30_000, 3), (20_000, 1)]),
        at(0),
    );
    assert_eq!(
        member.admit(1, at(4_500)),
        Grant::Later,
        "a tenth before the end"
    );
    let held =
        |member: &mut MemberState, now| exchange(member, 9, &reply(&[]), at(now)).accounts[0].held;
    assert_eq!(held(&mut member, 4_600), 4, "the ledger still lends it");
    assert_eq!(held(&mut member, 8_000), 4);
    assert_eq!(held(&mut member, 20_000), 3);
    assert_eq!(held(&mut member, 30_000), 0);
}

#[test]
fn a_call_that_is_not_sent_after_its_lease_has_ended_is_no_stock() {
    let windows = [Window {
        slack: Duration::from_secs(60),
        ..window(QuotaUnit::Cost, 100, WINDOW)
    }];
    let mut member = member_of(&windows);
    exchange(&mut member, 1, &reply(&[(0, 1)]), at(0));
    let grant = granted(member.admit(1, at(4_000)));
    exchange(&mut member, 0, &reply(&[]), at(5_100));
    member.on_return(grant, at(5_150));
    assert_eq!(
        member.admit(1, at(5_150)),
        Grant::Later,
        "it counts as sent when the lease ended"
    );
}

#[test]
fn the_logs_stay_small_whatever_windows_there_are() {
    let windows = [
        window(QuotaUnit::Cost, 1_000_000, millis(100)),
        window(QuotaUnit::Cost, 1_000_000, Duration::from_secs(86_400)),
    ];
    let mut member = member_of(&windows);
    for second in 0..100 {
        exchange(&mut member, 1, &reply(&[(0, 1_000)]), at(1_000 * second));
        for now in 0..1_000 {
            let now = at(1_000 * second + now);
            let grant = granted(member.admit(1, now));
            member.on_outcome(Some(grant), &served(), now);
        }
    }
    for window in member.accounts[0].windows() {
        assert!(window.log.len() <= 258, "{}", window.log.len());
    }
    member.leave();
    exchange(&mut member, 0, &reply(&[]), at(100_000));
    let remembered = |member: &MemberState| member.accounts[0].unconfirmed_len();
    for now in 0..2_000 {
        if let Grant::Now(grant) = member.admit(1, at(100_000 + now)) {
            member.on_outcome(Some(grant), &served(), at(100_000 + now));
        }
    }
    assert_eq!(remembered(&member), 0, "no exchange will tell it");
}

#[test]
fn the_end_of_a_body_is_not_that_of_a_later_call() {
    let mut member = member();
    exchange(&mut member, 1, &reply(&[(0, 2)]), at(0));
    let first = granted(member.admit(1, at(0)));
    member.on_outcome(Some(first), &served(), at(1));
    let second = granted(member.admit(1, at(2)));
    // The gate limits the calls in flight, and this member does not: the windows of another layer were first.
    member.on_body_end(first, at(3));
    member.on_outcome(Some(second), &served(), at(4));
    assert!(member.holds_nothing());
    let told = exchange(&mut member, 0, &reply(&[]), at(500));
    assert_eq!((told.accounts[0].settled, told.accounts[0].held), (2, 0));
}

#[test]
fn alone_a_call_that_waits_for_another_one_is_told_of_its_end() {
    let mut member = member_of(&[window(QuotaUnit::InFlight, 10, Duration::ZERO)]);
    fails(&mut member, at(0));
    let grant = granted(member.admit(1, at(0)));
    assert_eq!(member.admit(1, at(1)), Grant::Later, "one of ten at once");
    member.on_outcome(Some(grant), &served(), at(10));
    member.on_body_end(grant, at(20));
    assert!(member.wakes_gates);
    granted(member.admit(1, at(20)));
}

#[test]
fn after_it_has_left_it_keeps_to_the_guess_if_the_ledger_was_never_reached() {
    let mut member = member();
    member.leave();
    member.begin_exchange(0, at(0));
    member.on_unreachable(&is_away(), at(0));
    assert_eq!(member.standing, Standing::Left);
    assert_eq!(granted_now(&mut member, at(1)), 10, "100 by 10 processes");
}

#[test]
fn a_hostile_ledger_overflows_nothing_and_stops_nothing_for_ever() {
    let mut member = member();
    let hostile = Reply {
        closed_for: Duration::ZERO,
        members: u32::MAX,
        settled_by_all: u64::MAX,
        free: u32::MAX,
        ask_again_in: Duration::MAX,
        grants: vec![
            vec![
                Granted {
                    from: Duration::MAX,
                    count: u32::MAX
                };
                3
            ];
            9
        ],
        ..Reply::default()
    };
    member.admit(1, at(0));
    exchange(&mut member, usize::MAX, &hostile, at(0));
    assert!(matches!(member.admit(1, at(1)), Grant::At(_)));
    assert!(member.next_exchange(at(1)) <= at(1_250));
    let grants = vec![vec![
        Granted {
            from: Duration::ZERO,
            count: u32::MAX
        };
        3
    ]];
    exchange(
        &mut member,
        usize::MAX,
        &Reply {
            grants,
            ..hostile.clone()
        },
        at(1_250),
    );
    granted(member.admit(u32::MAX, at(1_250)));
    fails(&mut member, at(1_300));
    granted(member.admit(1, at(1_400)));
    let closed = Reply {
        closed_for: Duration::MAX,
        ..hostile
    };
    exchange(&mut member, 0, &closed, at(2_000));
    assert!(matches!(member.admit(1, at(2_000)), Grant::At(_)));
    assert!(member.next_exchange(at(2_000)) <= at(3_250));
}

#[test]
fn a_published_quota_of_nothing_lets_one_call_look_after_its_reset() {
    let mut member = member_of(&[]);
    exchange(&mut member, 1, &reply(&[(0, 5)]), at(0));
    let grant = granted(member.admit(0, at(0)));
    let counter = PublishedCounter {
        limit: Some(0),
        remaining: 0,
        resets_in: Some(Duration::from_secs(1)),
    };
    let outcome = CallOutcome {
        cost: 0,
        counter: Some(counter),
        ..served()
    };
    member.on_outcome(Some(grant), &outcome, at(1));
    let told = exchange(&mut member, 1, &reply(&[]), at(2))
        .counter
        .unwrap();
    assert_eq!(told.limit, 1);
}

#[test]
fn a_ledger_that_has_lost_something_is_told_all_at_once() {
    let mut member = member();
    exchange(&mut member, 1, &reply(&[(0, 5)]), at(0));
    let grant = granted(member.admit(1, at(10)));
    member.on_outcome(Some(grant), &served(), at(10));
    exchange(&mut member, 0, &reply(&[]), at(20));
    let tell_all = Reply {
        state: ReplyState::TellAll,
        ..Reply::default()
    };
    assert!(!exchange(&mut member, 0, &tell_all, at(30)).tells_all);
    assert_eq!(member.next_exchange(at(31)), at(31));
    let told = exchange(&mut member, 0, &reply(&[]), at(31));
    assert!(told.tells_all);
    assert_eq!(
        told.accounts[0].log.len(),
        1,
        "confirmed once, and told again"
    );
}
