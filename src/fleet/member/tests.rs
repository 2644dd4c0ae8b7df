//! The member against a ledger whose replies are written down here.

mod alone;
mod recovery;
mod reopening;
mod suspended;

use std::time::Duration;

use proptest::prelude::*;

use super::state::{MemberState, Standing};
use super::{Away, LeaseSettings};
use crate::fleet::ledger::{Exchange, Granted, QuotaUnit, Reply, ReplyState, Unreachable, Window};
use crate::fleet::{CallEnding, CallOutcome, CloseReason, Grant, GrantId, PublishedCounter};
use crate::time::Moment;

const SETTINGS: LeaseSettings = LeaseSettings {
    lease: Duration::from_secs(5),
    timeout: Duration::from_millis(250),
    processes: 10,
    when_away: Away::Share,
};

const WINDOW: Duration = Duration::from_secs(1);

fn at(millis: u64) -> Moment {
    Moment::START + Duration::from_secs(100_000) + Duration::from_millis(millis)
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn window(unit: QuotaUnit, limit: u32, length: Duration) -> Window {
    Window {
        unit,
        limit,
        length,
        slack: millis(250),
        is_plan: false,
    }
}

/// A member of a scope with 100 a second.
fn member() -> MemberState {
    member_of(&[window(QuotaUnit::Cost, 100, WINDOW)])
}

fn member_of(windows: &[Window]) -> MemberState {
    MemberState::new(SETTINGS, 1, windows, at(0))
}

/// A reply that grants these: from when, and how many.
fn reply(granted: &[(u64, u32)]) -> Reply {
    let granted = granted.iter().map(|(from, count)| Granted {
        from: millis(*from),
        count: *count,
    });
    Reply {
        members: 4,
        ask_again_in: millis(125),
        grants: vec![granted.collect()],
        ..Reply::default()
    }
}

fn exchange(member: &mut MemberState, waiting: usize, reply: &Reply, now: Moment) -> Exchange {
    let exchange = member.begin_exchange(waiting, now);
    member.on_reply(reply, now);
    exchange
}

fn is_away() -> Unreachable {
    Unreachable::NoConnection(String::new())
}

fn fails(member: &mut MemberState, now: Moment) {
    member.begin_exchange(20, now);
    member.on_unreachable(&is_away(), now);
}

#[track_caller]
fn granted(grant: Grant) -> GrantId {
    match grant {
        Grant::Now(grant) => grant,
        other => panic!("{other:?}"),
    }
}

fn served() -> CallOutcome {
    CallOutcome {
        ending: CallEnding::Served,
        cost: 1,
        counter: None,
    }
}

/// How many calls in a row are granted now.
fn granted_now(member: &mut MemberState, now: Moment) -> usize {
    (0..1_000)
        .take_while(|_| matches!(member.admit(1, now), Grant::Now(_)))
        .count()
}

#[test]
fn a_call_waits_for_the_first_exchange_and_then_takes_from_the_stock() {
    let mut member = member();
    assert_eq!(member.admit(1, at(0)), Grant::Later);
    assert_eq!(member.next_exchange(at(0)), at(0));
    let told = exchange(&mut member, 1, &reply(&[(0, 3)]), at(1));
    assert_eq!((told.accounts[0].need, told.accounts[0].first), (1, 1));
    assert_eq!(told.sequence, 1);
    assert_eq!(granted_now(&mut member, at(1)), 3);
}

#[test]
fn what_was_booked_is_used_from_its_moment_and_in_order() {
    let mut member = member();
    exchange(&mut member, 4, &reply(&[(0, 1), (300, 1), (500, 2)]), at(0));
    granted(member.admit(1, at(0)));
    assert_eq!(member.admit(1, at(0)), Grant::At(millis(300)));
    assert_eq!(
        member.admit(2, at(0)),
        Grant::At(millis(500)),
        "a dearer one"
    );
    assert_eq!(member.admit(1, at(299)), Grant::At(millis(1)));
    granted(member.admit(1, at(300)));
    assert_eq!(member.admit(1, at(400)), Grant::At(millis(100)));
    assert_eq!(granted_now(&mut member, at(500)), 2);
}

#[test]
fn it_exchanges_when_half_the_last_portion_is_left_and_when_asked_in_vain() {
    let mut member = member();
    let ask_at_once = Reply {
        ask_again_in: Duration::ZERO,
        ..reply(&[(0, 4)])
    };
    exchange(&mut member, 1, &ask_at_once, at(0));
    assert_eq!(
        member.next_exchange(at(0)),
        at(1_250),
        "a quarter of the lease"
    );
    granted(member.admit(1, at(1)));
    assert_eq!(member.next_exchange(at(1)), at(1_250));
    granted(member.admit(1, at(2)));
    assert_eq!(member.next_exchange(at(2)), at(2), "half is left");
    let told = exchange(&mut member, 0, &reply(&[]), at(3));
    assert_eq!(told.accounts[0].held, 4, "two in stock, two on their way");
    granted(member.admit(1, at(4)));
    granted(member.admit(1, at(4)));
    assert_eq!(member.admit(1, at(4)), Grant::Later);
    assert_eq!(
        member.next_exchange(at(4)),
        at(128),
        "when the ledger has said"
    );
}

#[test]
fn what_was_settled_is_told_within_half_a_window() {
    let mut member = member();
    exchange(&mut member, 1, &reply(&[(0, 10)]), at(0));
    let grant = granted(member.admit(1, at(0)));
    member.on_outcome(Some(grant), &served(), at(20));
    assert_eq!(member.next_exchange(at(20)), at(500));
    let told = exchange(&mut member, 0, &reply(&[]), at(500));
    let account = &told.accounts[0];
    assert_eq!((account.settled, account.confirmed, told.served), (1, 0, 1));
    assert_eq!(account.log.len(), 1);
    assert!(account.log[0].age <= millis(480) && account.log[0].age > millis(470));
    assert_eq!(member.next_exchange(at(500)), at(1_750), "all is confirmed");
    let told = exchange(&mut member, 0, &reply(&[]), at(1_750));
    assert_eq!(
        (told.accounts[0].confirmed, told.accounts[0].log.len()),
        (1, 0)
    );
}

#[test]
fn a_surplus_goes_back_when_no_call_waits() {
    let mut member = member();
    exchange(&mut member, 1, &reply(&[(0, 10), (900, 2)]), at(0));
    granted(member.admit(1, at(0)));
    let told = exchange(&mut member, 0, &reply(&[]), at(100));
    assert_eq!(told.accounts[0].held, 1 + 1 + 2, "on its way, soon, booked");
    let told = exchange(&mut member, 0, &reply(&[]), at(2_000));
    assert_eq!(told.accounts[0].held, 0, "no call came for a second");
}

#[test]
fn a_lost_exchange_leaves_it_alone_with_its_stock_and_then_its_share() {
    let mut member = member();
    exchange(&mut member, 1, &reply(&[(0, 5)]), at(0));
    fails(&mut member, at(10));
    assert!(matches!(member.standing, Standing::Alone(_)));
    assert_eq!(granted_now(&mut member, at(20)), 5, "the stock");
    assert_eq!(
        member.admit(1, at(20)),
        Grant::At(millis(990)),
        "nothing was free"
    );
    for nth in 0..20 {
        granted(member.admit(1, at(1_010 + nth)));
    }
    assert_eq!(
        member.admit(1, at(1_040)),
        Grant::Later,
        "25 of 100 are on their way"
    );
}

#[test]
fn alone_it_sends_its_part_of_what_was_free_within_the_first_window() {
    let mut member = member();
    let with_free = Reply {
        free: 40,
        ..reply(&[])
    };
    exchange(&mut member, 1, &with_free, at(0));
    fails(&mut member, at(10));
    assert_eq!(granted_now(&mut member, at(20)), 10, "a quarter of 40");
}

#[test]
fn alone_it_keeps_to_its_share_in_any_window() {
    let mut member = member();
    exchange(&mut member, 1, &reply(&[]), at(0));
    fails(&mut member, at(0));
    let mut sent: Vec<u64> = Vec::new();
    for now in 1_000..6_000 {
        if let Grant::Now(grant) = member.admit(1, at(now)) {
            member.on_outcome(Some(grant), &served(), at(now));
            sent.push(now);
        }
    }
    for (first, last) in sent.iter().zip(sent.iter().skip(25)) {
        assert!(last - first >= 1_000, "26 within {}", last - first);
    }
    assert!(sent.len() >= 120, "{} of 125", sent.len());
}

#[test]
fn a_ledger_that_was_never_reached_leaves_each_process_its_part_of_the_quota() {
    let mut member = member();
    fails(&mut member, at(0));
    assert_eq!(granted_now(&mut member, at(1)), 10, "100 by 10 processes");
}

#[test]
fn with_more_members_than_places_each_sends_one_in_a_longer_window() {
    let mut member = member_of(&[window(QuotaUnit::Cost, 4, WINDOW)]);
    fails(&mut member, at(0));
    let mut sent: Vec<u64> = Vec::new();
    for now in 0..12_000 {
        if let Grant::Now(grant) = member.admit(1, at(now)) {
            member.on_outcome(Some(grant), &served(), at(now));
            sent.push(now);
        }
    }
    assert_eq!(
        sent,
        [0, 3_000, 6_000, 9_000],
        "ten processes, four a second"
    );
}

#[test]
fn a_provider_that_bans_gets_nothing_while_the_ledger_is_away() {
    let mut member = member();
    member.settings.when_away = Away::Nobody;
    exchange(&mut member, 1, &reply(&[(0, 2)]), at(0));
    fails(&mut member, at(10));
    assert_eq!(
        granted_now(&mut member, at(20)),
        2,
        "what was granted before"
    );
    assert_eq!(granted_now(&mut member, at(2_000)), 0);
}

#[test]
fn it_tries_again_sooner_after_a_lost_connection_than_after_an_error_reply() {
    let mut lost = member();
    let mut tries = Vec::new();
    let mut now = at(0);
    for _ in 0..6 {
        lost.begin_exchange(0, now);
        lost.on_unreachable(&is_away(), now);
        tries.push(lost.next_exchange(now).since(now).as_millis());
        now = lost.next_exchange(now);
    }
    assert_eq!(tries, [50, 100, 200, 400, 500, 500]);
    let mut refused = member();
    refused.begin_exchange(0, at(0));
    refused.on_unreachable(&Unreachable::ErrorReply("OOM".to_owned()), at(0));
    assert_eq!(refused.next_exchange(at(0)), at(500));
}

#[test]
fn back_from_being_alone_it_tells_all_of_the_longest_window() {
    let mut member = member();
    exchange(&mut member, 1, &reply(&[(0, 5)]), at(0));
    for now in [100, 900] {
        let grant = granted(member.admit(1, at(now)));
        member.on_outcome(Some(grant), &served(), at(now));
    }
    fails(&mut member, at(950));
    let told = exchange(&mut member, 0, &reply(&[]), at(1_200));
    assert!(told.tells_all);
    let account = &told.accounts[0];
    assert_eq!((account.settled, account.confirmed), (2, 0));
    assert_eq!(
        (account.log.len(), account.in_window),
        (1, 1),
        "the older one is over"
    );
    assert_eq!(member.standing, Standing::Leased);
    let told = exchange(&mut member, 0, &reply(&[]), at(1_300));
    assert!(!told.tells_all);
    assert_eq!(
        (told.accounts[0].confirmed, told.accounts[0].log.len()),
        (2, 0)
    );
}

#[test]
fn what_was_sent_alone_while_an_exchange_was_on_its_way_comes_out_of_its_grant() {
    let mut member = member();
    exchange(&mut member, 1, &reply(&[]), at(0));
    fails(&mut member, at(10));
    granted(member.admit(1, at(1_100)));
    let told = member.begin_exchange(10, at(1_200));
    assert_eq!(told.accounts[0].held, 1);
    for _ in 0..3 {
        granted(member.admit(1, at(1_250)));
    }
    member.on_reply(&reply(&[(0, 2), (300, 4)]), at(1_300));
    assert_eq!(granted_now(&mut member, at(1_300)), 0);
    assert_eq!(granted_now(&mut member, at(1_600)), 3);
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

#[test]
fn a_stock_whose_lease_has_ended_is_void() {
    let mut member = member();
    exchange(&mut member, 1, &reply(&[(0, 5), (4_600, 5)]), at(0));
    let on_its_way = granted(member.admit(1, at(4_499)));
    assert_eq!(
        member.admit(1, at(4_500)),
        Grant::Later,
        "a tenth before its end"
    );
    let told = exchange(&mut member, 1, &reply(&[]), at(4_600));
    assert_eq!(told.accounts[0].held, 1);
    member.on_return(on_its_way, at(4_600));
    assert!(member.holds_nothing());
}

#[test]
fn a_closing_takes_the_stock_back_and_is_told_at_once() {
    let mut member = member();
    exchange(&mut member, 1, &reply(&[(0, 5), (500, 3)]), at(0));
    member.on_close(Duration::from_secs(2), CloseReason::Refusal, at(100));
    assert_eq!(member.admit(1, at(100)), Grant::At(Duration::from_secs(2)));
    assert_eq!(member.next_exchange(at(100)), at(100));
    let told = exchange(&mut member, 1, &reply(&[]), at(150));
    let closing = told.closing.unwrap();
    assert_eq!(
        (closing.remaining, closing.is_refusal),
        (millis(1_950), true)
    );
    assert_eq!(
        told.accounts[0].held, 3,
        "what was booked goes back at its moment"
    );
    let told = exchange(&mut member, 1, &reply(&[]), at(600));
    assert_eq!((told.closing, told.accounts[0].held), (None, 0));
    assert_eq!(
        member.admit(1, at(2_100)),
        Grant::Later,
        "and is granted anew"
    );
}

#[test]
fn a_closing_of_another_member_holds_its_calls() {
    let mut member = member();
    exchange(&mut member, 1, &reply(&[(0, 5)]), at(0));
    let closed = Reply {
        closed_for: Duration::from_secs(30),
        ..reply(&[])
    };
    exchange(&mut member, 0, &closed, at(100));
    assert_eq!(member.admit(1, at(100)), Grant::At(Duration::from_secs(30)));
    member.on_foreign_close(Duration::from_secs(40), at(100));
    assert_eq!(member.admit(1, at(100)), Grant::At(Duration::from_secs(40)));
    fails(&mut member, at(200));
    assert_eq!(
        member.admit(1, at(100)),
        Grant::At(Duration::from_secs(40)),
        "alone, too"
    );
}

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

#[test]
fn a_member_that_leaves_tells_what_is_on_its_way_and_gives_the_rest_back() {
    let mut member = member();
    exchange(&mut member, 1, &reply(&[(0, 5)]), at(0));
    granted(member.admit(1, at(0)));
    member.leave();
    assert_eq!(member.next_exchange(at(10)), at(10));
    let told = exchange(&mut member, 0, &reply(&[]), at(10));
    assert!(told.leaves);
    assert_eq!(told.accounts[0].held, 1);
    assert_eq!(member.next_exchange(at(20)), Moment::FAR);
}

#[test]
fn it_leads_while_it_knows_the_limits_for_all() {
    let mut member = member();
    assert!(!member.leads(), "before the first exchange");
    exchange(&mut member, 1, &reply(&[]), at(0));
    assert!(member.leads());
    fails(&mut member, at(10));
    assert!(!member.leads(), "alone");
    let mut undeclared = member_of(&[window(QuotaUnit::InFlight, 5, Duration::ZERO)]);
    exchange(&mut undeclared, 1, &reply(&[]), at(0));
    assert!(!undeclared.leads());
    let published = Reply {
        is_published: true,
        ..reply(&[])
    };
    exchange(&mut undeclared, 1, &published, at(0));
    assert!(undeclared.leads());
}

#[derive(Clone, Debug)]
enum MemberStep {
    Admit(u32),
    Return(usize),
    End(usize, CallEnding),
    BodyEnds(usize),
    LateSend(usize),
    Close(u64, bool),
    Exchange(Option<Vec<(u64, u32)>>),
    TellAll,
    Late,
}

fn step() -> impl Strategy<Value = MemberStep> {
    let ending = prop_oneof![
        Just(CallEnding::Served),
        Just(CallEnding::Refused),
        Just(CallEnding::Failed),
        Just(CallEnding::Dropped),
    ];
    let grants = prop::collection::vec((0..3_000u64, 1..20u32), 0..4);
    prop_oneof![
        6 => (0..4u32).prop_map(MemberStep::Admit),
        1 => any::<usize>().prop_map(MemberStep::Return),
        4 => (any::<usize>(), ending).prop_map(|(nth, ending)| MemberStep::End(nth, ending)),
        2 => any::<usize>().prop_map(MemberStep::BodyEnds),
        1 => any::<usize>().prop_map(MemberStep::LateSend),
        1 => (1..5_000u64, any::<bool>()).prop_map(|(wait, refused)| MemberStep::Close(wait, refused)),
        4 => prop::option::of(grants).prop_map(MemberStep::Exchange),
        1 => Just(MemberStep::TellAll),
        1 => Just(MemberStep::Late),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever becomes of the calls and of the exchanges: when all calls have ended, none is held.
    #[test]
    fn nothing_is_held_when_all_calls_have_ended(
        steps in prop::collection::vec((step(), 0..400u64), 1..120),
        limits_concurrency: bool,
    ) {
        let mut windows = vec![
            window(QuotaUnit::Cost, 100, WINDOW),
            window(QuotaUnit::Calls, 20, millis(300)),
        ];
        if limits_concurrency {
            windows.push(window(QuotaUnit::InFlight, 10, Duration::ZERO));
        }
        let mut member = member_of(&windows);
        let mut now = at(0);
        let mut on_their_way: Vec<GrantId> = Vec::new();
        let mut bodies: Vec<GrantId> = Vec::new();
        let mut settled = [0; 3];
        for (step, later) in steps {
            now += millis(later);
            let pick = |calls: &mut Vec<GrantId>, nth: usize| {
                (!calls.is_empty()).then(|| calls.swap_remove(nth % calls.len()))
            };
            match step {
                MemberStep::Admit(cost) => {
                    if let Grant::Now(grant) = member.admit(cost, now) {
                        on_their_way.push(grant);
                    }
                }
                MemberStep::Return(nth) => {
                    if let Some(grant) = pick(&mut on_their_way, nth) {
                        member.on_return(grant, now);
                    }
                }
                MemberStep::LateSend(nth) if !on_their_way.is_empty() => {
                    member.on_late_send(on_their_way[nth % on_their_way.len()], now);
                }
                MemberStep::End(nth, ending) => {
                    if let Some(grant) = pick(&mut on_their_way, nth) {
                        member.on_outcome(Some(grant), &CallOutcome { ending, ..served() }, now);
                        if limits_concurrency && ending != CallEnding::Dropped {
                            bodies.push(grant);
                        }
                    }
                }
                MemberStep::BodyEnds(nth) => {
                    if let Some(grant) = pick(&mut bodies, nth) {
                        member.on_body_end(grant, now);
                    }
                }
                MemberStep::LateSend(_) => {}
                MemberStep::Close(wait, refused) => {
                    let reason = if refused { CloseReason::Refusal } else { CloseReason::QuotaSpent };
                    member.on_close(millis(wait), reason, now);
                }
                MemberStep::Exchange(grants) => {
                    let told = member.begin_exchange(on_their_way.len(), now);
                    for (account, before) in told.accounts.iter().zip(&mut settled) {
                        prop_assert!(account.settled >= *before);
                        prop_assert!(account.confirmed <= account.settled);
                        *before = account.settled;
                    }
                    match grants {
                        None => member.on_unreachable(&is_away(), now),
                        Some(grants) => {
                            let each = reply(&grants).grants.remove(0);
                            let grants = vec![each; windows.len()];
                            member.on_reply(&Reply { grants, ..reply(&[]) }, now);
                        }
                    }
                }
                MemberStep::TellAll | MemberStep::Late => {
                    member.begin_exchange(0, now);
                    let state = match step {
                        MemberStep::Late => ReplyState::Late,
                        _ => ReplyState::TellAll,
                    };
                    member.on_reply(&Reply { state, ..Reply::default() }, now);
                }
            }
            prop_assert!(member.next_exchange(now) >= now);
        }
        for grant in on_their_way {
            let dropped = CallOutcome { ending: CallEnding::Dropped, ..served() };
            member.on_outcome(Some(grant), &dropped, now);
        }
        for grant in bodies {
            member.on_body_end(grant, now);
        }
        prop_assert!(member.holds_nothing());
        member.leave();
        now += Duration::from_secs(3);
        let told = member.begin_exchange(0, now);
        for account in &told.accounts {
            prop_assert_eq!(account.held, 0);
        }
    }
}
