//! The clock of the ledger is set back.

use super::said::{LIMIT, Says, Told, granted, millis, said};

const YEAR: u64 = 365 * 24 * 3_600_000;

#[test]
fn a_closing_lasts_as_long_as_was_said_when_the_clock_was_a_year_ahead() {
    let mut told = Told::new();
    told.now += YEAR;
    told.tell(said(1, 1).refused(3_000));
    told.now -= YEAR;
    assert_eq!(told.tell(said(1, 2)).closed_for, millis(3_000));
    told.now += 2_999;
    assert_eq!(told.tell(said(1, 3)).closed_for, millis(1));
    told.now += 1;
    assert_eq!(granted(&told.tell(said(1, 4).needs(1))), [(0, 1)]);
}

#[test]
fn what_was_settled_before_the_clock_was_set_back_is_free_one_window_later() {
    let mut told = Told::new();
    told.tell(said(1, 1).settled(4, 4, 0));
    told.now -= 500;
    assert_eq!(told.tell(said(1, 2).settled(4, 0, 0)).free, LIMIT - 4);
    told.now += 500;
    assert_eq!(told.tell(said(1, 3).settled(4, 0, 0)).free, LIMIT - 4);
    told.now += 504;
    assert_eq!(told.tell(said(1, 4).settled(4, 0, 0)).free, LIMIT);
}
