//! Any order of calls, exchanges and closings: nothing is held in the end.

use proptest::prelude::*;

use super::*;

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

/// 2,000 cases, or more if the environment says so.
fn config() -> ProptestConfig {
    let default = ProptestConfig::default();
    ProptestConfig {
        cases: default.cases.max(2_000),
        failure_persistence: None,
        ..default
    }
}

proptest! {
    #![proptest_config(config())]

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
