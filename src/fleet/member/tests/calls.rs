//! What becomes of calls, and what is told of it.

use super::*;

#[test]
fn a_call_counts_from_the_end_of_its_slack_if_it_is_not_answered() {
    let mut member = member();
    exchange(&mut member, 1, &reply(&[(0, 5)]), at(0));
    let grant = granted(member.admit(1, at(0)));
    member.on_late_send(grant, at(100));
    assert_eq!(
        exchange(&mut member, 0, &reply(&[]), at(340)).accounts[0].settled,
        0
    );
    let told = exchange(&mut member, 0, &reply(&[]), at(400));
    assert_eq!(told.accounts[0].settled, 1);
    assert!(told.accounts[0].log[0].age >= millis(45));
    let costly = CallOutcome {
        cost: 3,
        ..served()
    };
    member.on_outcome(Some(grant), &costly, at(500));
    let told = exchange(&mut member, 0, &reply(&[]), at(600));
    assert_eq!(told.accounts[0].settled, 3, "what it has cost in truth");
    assert!(member.holds_nothing());
}

#[test]
fn calls_at_once_are_settled_when_their_bodies_have_ended() {
    let windows = [
        window(QuotaUnit::Cost, 100, WINDOW),
        window(QuotaUnit::InFlight, 5, Duration::ZERO),
    ];
    let mut member = member_of(&windows);
    let both = Reply {
        grants: vec![
            vec![Granted {
                from: Duration::ZERO,
                count: 5,
            }],
            vec![Granted {
                from: Duration::ZERO,
                count: 1,
            }],
        ],
        ..reply(&[])
    };
    exchange(&mut member, 2, &both, at(0));
    let grant = granted(member.admit(3, at(0)));
    assert_eq!(
        member.admit(1, at(0)),
        Grant::Later,
        "one of the five at once"
    );
    let outcome = CallOutcome {
        cost: 3,
        ..served()
    };
    member.on_outcome(Some(grant), &outcome, at(10));
    let told = exchange(&mut member, 1, &reply(&[]), at(20));
    let settled = |told: &Exchange| [told.accounts[0].settled, told.accounts[1].settled];
    assert_eq!((settled(&told), told.accounts[1].held), ([3, 0], 1));
    member.on_body_end(grant, at(30));
    let told = exchange(&mut member, 1, &reply(&[]), at(40));
    assert_eq!((settled(&told), told.accounts[1].held), ([3, 1], 0));
    assert!(member.holds_nothing());
}

#[test]
fn the_counter_of_an_answer_is_told_with_what_was_settled_when_its_call_was_granted() {
    let mut member = member_of(&[]);
    let settled = Reply {
        settled_by_all: 70,
        ..reply(&[(0, 5)])
    };
    exchange(&mut member, 1, &settled, at(0));
    let grant = granted(member.admit(1, at(0)));
    exchange(
        &mut member,
        1,
        &Reply {
            settled_by_all: 90,
            ..reply(&[])
        },
        at(10),
    );
    let outcome = CallOutcome {
        counter: Some(PublishedCounter {
            limit: Some(500),
            remaining: 400,
            resets_in: Some(Duration::from_secs(10)),
        }),
        ..served()
    };
    member.on_outcome(Some(grant), &outcome, at(100));
    let counter = exchange(&mut member, 1, &reply(&[]), at(300))
        .counter
        .unwrap();
    assert_eq!(
        (counter.limit, counter.remaining, counter.settled_by_all),
        (500, 400, 70)
    );
    assert_eq!(counter.resets_in, millis(9_800));
}
