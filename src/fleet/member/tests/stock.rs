//! What was granted: dealt out in order, told, and given back.

use super::*;

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
