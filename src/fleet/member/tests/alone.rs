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
