//! Closings of this member and of others.

use super::*;

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
