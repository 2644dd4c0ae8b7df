//! What a member sends while its ledger is away.

use super::*;

#[test]
fn alone_it_takes_its_part_of_what_was_free_in_each_window() {
    let mut member = member_of(&[
        window(QuotaUnit::Calls, 100, WINDOW),
        window(QuotaUnit::Cost, 1_000, Duration::from_secs(60)),
    ]);
    let free = Reply {
        free: 900,
        free_in_windows: vec![20, 900],
        grants: vec![Vec::new(); 2],
        ..reply(&[])
    };
    exchange(&mut member, 1, &free, at(0));
    fails(&mut member, at(10));
    let mut sent: Vec<u64> = Vec::new();
    for now in 20..30_000 {
        while let Grant::Now(grant) = member.admit(1, at(now)) {
            member.on_outcome(Some(grant), &served(), at(now));
            sent.push(now);
        }
    }
    let before = |end| sent.iter().filter(|at| **at < end).count();
    assert_eq!(before(1_000), 5, "a quarter of 20");
    assert!((25..=30).contains(&before(2_000)), "and then 25 a second");
    assert_eq!(before(30_000), 225, "a quarter of 900 in the first minute");
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
