//! A gate that opens books beside one that never does.

mod overtaken;
mod side;

use std::collections::VecDeque;
use std::time::Duration;

use proptest::prelude::*;

use self::side::{End, MINUTE, SILENT, Side, Step, steps};
use super::State;
use crate::gate::Quota;
use crate::gate::words::{Ending, Heard, Pass};
use crate::hint::Counter;
use crate::moment::Moment;

fn both_do_the_same(quotas: &[Quota], steps: &[Step]) -> Result<u32, TestCaseError> {
    let mut now = Moment::now();
    let (mut with, mut without) = (Side::new(quotas, true), Side::new(quotas, false));
    let mut passed = Duration::ZERO;
    for step in steps {
        if let Step::Passes(wait) = step {
            passed += *wait;
            // A book does not know when its calls were answered, and so not when a rest of a second began.
            if passed >= Duration::from_millis(500) {
                for side in [&mut with, &mut without] {
                    let all = side.on_their_way.len();
                    side.does(&Step::Served(all), now);
                    side.does(&Step::Seen, now);
                }
                passed = Duration::ZERO;
            }
            now += *wait;
        }
        let (one, other) = (with.does(step, now), without.does(step, now));
        prop_assert_eq!(one, other, "{:?} lets others through", step);
        if matches!(step, Step::Seen) {
            prop_assert_eq!(with.picture(now), without.picture(now));
        }
    }
    prop_assert_eq!(with.picture(now), without.picture(now));
    prop_assert_eq!(without.with_tickets, 0);
    Ok(with.with_tickets)
}

proptest! {
    #[test]
    fn nothing_can_be_told_from_a_gate_that_opens_books(steps in steps()) {
        both_do_the_same(&[], &steps)?;
        both_do_the_same(&[Quota::new(5_000, MINUTE)], &steps)?;
        let two = [Quota::new(1_000_000, MINUTE), Quota::new(3_000, MINUTE * 2).burst(2_000)];
        both_do_the_same(&two, &steps)?;
    }
}

#[test]
fn of_many_calls_nearly_all_have_tickets() {
    let steps: Vec<_> = (0..100)
        .flat_map(|_| [Step::Come(40, 1), Step::Served(40)])
        .collect();
    let with_tickets = both_do_the_same(&[Quota::new(1_000_000, MINUTE)], &steps).unwrap();
    assert!(with_tickets > 3_700, "{with_tickets} of 4,000");
}

/// A hundred calls at this distance from each other.
fn with_tickets_every(quotas: &[Quota], micros: u64) -> u32 {
    let (mut side, mut now) = (Side::new(quotas, true), start());
    for _ in 0..100 {
        assert!(side.comes(1, now));
        side.served(now);
        now += Duration::from_micros(micros);
    }
    side.with_tickets
}

#[test]
fn calls_have_tickets_if_five_of_them_come_while_a_book_is_open() {
    assert!(with_tickets_every(&[], 30_000) > 70);
    assert!(with_tickets_every(&[], 62_000) > 30);
    assert_eq!(with_tickets_every(&[], 62_500), 0);
    let short = [Quota::new(1_000_000, Duration::from_millis(400))];
    assert!(with_tickets_every(&short, 24_000) > 30);
    assert_eq!(with_tickets_every(&short, 25_000), 0);
}

#[test]
fn where_places_are_few_there_are_no_tickets() {
    let steps: Vec<_> = (0..40)
        .flat_map(|_| [Step::Come(10, 1), Step::Served(10)])
        .collect();
    assert_eq!(
        both_do_the_same(&[Quota::new(1_000, MINUTE)], &steps).unwrap(),
        0
    );
}

#[test]
fn what_is_served_with_a_ticket_shows_that_the_limit_is_lifted() {
    let published = [Step::Come(60, 1), Step::Ends(0, End::Left(7_000, 8_000))];
    let refused = [
        Step::Ends(0, End::Refused(Duration::ZERO)),
        Step::Passes(Duration::from_micros(1)),
        // Of calls from before: they show nothing.
        Step::Served(58),
    ];
    let lifted = [Step::Come(40, 1), Step::Served(40)];
    let steps = [&published[..], &refused, &lifted].concat();
    assert!(both_do_the_same(&[], &steps).unwrap() > 0);
}

proptest! {
    /// The rule of the design, held against a plain list of all that was sent.
    #[test]
    fn no_place_is_given_out_while_it_is_held(
        limit in 1_100u32..3_000,
        slack in 0u64..1_500,
        steps in prop::collection::vec((0u64..60, 1u32..200, 0usize..250), 1..80),
    ) {
        let (length, slack) = (Duration::from_secs(1), Duration::from_millis(slack));
        let mut side = Side::new(&[Quota::new(limit, length).slack(slack)], true);
        // When those on their way were sent, and until when each place is held by all that is known.
        let (mut sent, mut held) = (VecDeque::new(), Vec::new());
        let mut now = start();
        for (wait, calls, served) in steps {
            now += Duration::from_millis(wait);
            held.retain(|until| *until > now);
            for _ in 0..calls {
                if !side.comes(1, now) {
                    break;
                }
                sent.push_back(now);
                let latest = sent.iter().filter(|sent| **sent + slack + length > now);
                let taken = latest.count() + held.len();
                prop_assert!(taken <= limit as usize, "{taken} of {limit}");
            }
            for sent in sent.drain(..served.min(sent.len())) {
                side.served(now);
                held.push(now.min(sent + slack) + length);
            }
        }
    }
}

/// A gate that has seen many calls.
fn warm(quotas: &[Quota], opens_books: bool, start: Moment) -> Side {
    let mut side = Side::new(quotas, opens_books);
    for _ in 0..20 {
        assert!(side.comes(1, start));
        side.served(start);
    }
    side
}

/// A gate that has seen many calls, and has just opened a book for those that follow.
fn with_a_book(quotas: &[Quota], start: Moment) -> Side {
    let mut side = warm(quotas, true, start);
    side.state.settle(|| start);
    assert!(side.comes(1, start));
    side.with_tickets = 0;
    side
}

/// The beginning of a second, as budgets count them.
fn start() -> Moment {
    const SECOND: std::num::NonZeroU64 = std::num::NonZeroU64::new(1_000_000_000).unwrap();
    Moment::after_slices(Moment::now().slices(SECOND) + 2, SECOND)
}

#[track_caller]
fn good_for(quotas: &[Quota], start: Moment, micros: std::ops::Range<u64>) {
    let at = |micros| (start + Duration::from_micros(micros)).instant();
    let mut side = with_a_book(quotas, start);
    assert!(side.state.tear(at(micros.start)).is_some());
    assert!(side.state.tear(at(micros.end)).is_none());
}

#[test]
fn a_ticket_is_good_for_a_quarter_of_a_second_or_until_time_changes_something() {
    good_for(&[], start(), 249_999..250_000);
    // Another second begins, of those in which retries are budgeted.
    let late = start() + Duration::from_micros(999_500);
    good_for(&[], late, 499..500);
    // Of a window no more than a quarter.
    let quota = Quota::new(1_000_000, Duration::from_millis(400));
    good_for(&[quota], start(), 99_999..100_000);
}

#[test]
fn a_ticket_is_good_until_a_second_has_passed_since_an_answer_was_looked_at() {
    let start = start() + Duration::from_millis(200);
    let mut side = with_a_book(&[], start);
    let before = |micros: u64| start + Duration::from_micros(1_000_000 - micros);
    assert!(side.comes(1, before(500)));
    side.with_tickets = 0;
    assert!(side.comes(1, before(500)));
    assert_eq!(side.with_tickets, 0, "the book is opened");
    assert!(side.state.tear(before(1).instant()).is_some());
    assert!(side.state.tear(before(0).instant()).is_none());
}

#[test]
fn a_ticket_is_not_good_after_the_reset_that_a_server_names() {
    let start = start();
    let mut side = with_a_book(&[], start);
    let counter = |resets_in| Counter {
        limit: Some(8_000),
        remaining: 7_000,
        resets_in: Some(resets_in),
    };
    for _ in 0..20 {
        side.state.settle(|| start);
        let (_, pass) = (side.comes(1, start), side.on_their_way.pop().unwrap());
        side.state.settle(|| start);
        let heard = Heard {
            ending: Ending::Accepted,
            counter: Some(counter(Duration::from_micros(300))),
            looked_at: Some(SILENT + 3),
            price: None,
            by_a_limit: false,
            believed_for: Duration::MAX,
            path: Default::default(),
        };
        side.state.answered(pass, heard, start).now();
    }
    assert!(side.comes(1, start));
    let at = |micros| (start + Duration::from_micros(micros)).instant();
    assert!(side.state.tear(at(299)).is_some());
    assert!(side.state.tear(at(300)).is_none());
}

#[test]
fn a_place_taken_with_a_ticket_is_free_one_window_after_the_answer() {
    let start = start();
    let second = Duration::from_secs(1);
    let mut side = with_a_book(&[Quota::new(3_000, second)], start);
    for _ in 0..5 {
        assert!(side.comes(1, start));
    }
    assert_eq!(side.with_tickets, 5);
    (0..6).for_each(|_| side.served(start));
    let answered = start + Duration::from_millis(2);
    side.state.settle(|| answered);
    let spent = |side: &mut Side, at| side.state.allowance.spent(at)[0].spent;
    assert_eq!(spent(&mut side, answered), 26);
    assert_eq!(
        spent(&mut side, answered + second + Duration::from_millis(3)),
        0
    );
}

#[test]
fn a_ticket_shows_how_much_had_been_answered() {
    let start = start();
    let mut side = with_a_book(&[], start);
    let opener = side.on_their_way[0];
    assert!(side.comes(1, start));
    assert_eq!(side.on_their_way[1].answered_then, opener.answered_then);
    side.served(start);
    assert!(side.comes(1, start));
    assert_eq!(side.with_tickets, 2);
    assert_eq!(side.on_their_way[1].answered_then, opener.answered_then + 1);
}

#[test]
fn what_a_window_held_is_known_though_a_book_was_opened_as_it_began() {
    let steps = [
        Step::Come(10, 1),
        Step::Served(1),
        Step::Ends(0, End::Refused(Duration::ZERO)),
        Step::Come(1, 1),
        Step::Served(9),
        // Ten windows go by, and the last of these calls is not let through.
        Step::Come(10, 1),
        Step::Served(7),
        Step::Come(30, 1),
        Step::Served(30),
        Step::Passes(Duration::from_millis(100)),
        Step::Ends(0, End::Refused(Duration::from_secs(1))),
    ];
    both_do_the_same(&[], &steps).unwrap();
}

#[test]
fn calls_that_come_now_and_then_have_none() {
    assert_eq!(with_tickets_every(&[], 300_000), 0);
    let mut side = warm(&[], true, start());
    side.with_tickets = 0;
    for nth in 1..10 {
        let now = start() + Duration::from_millis(nth * 260);
        assert!(side.comes(1, now));
        // The first still comes after many.
        assert!(nth == 1 || !side.on_their_way[0].ticket, "call {nth}");
        side.served(now);
    }
}

#[test]
fn paced_calls_have_none() {
    let start = start();
    let mut side = Side::new(&[Quota::per_second(100_000).paced()], true);
    let mut sent = 0;
    for _ in 0..2_000 {
        sent += u32::from(side.comes(1, start));
        side.served(start);
    }
    assert_eq!(side.with_tickets, 0);
    // Those of five milliseconds, which timers cannot tell apart.
    assert!((400..=500).contains(&sent), "{sent}");
}

#[test]
fn a_call_that_belongs_to_a_closing_that_is_over_takes_no_place_of_a_probe() {
    let start = start();
    let mut side = Side::new(&[], true);
    assert!(side.comes(1, start));
    side.ends(
        0,
        End::Refused(Duration::from_secs(1)),
        start + Duration::from_millis(60),
    );
    let late = start + Duration::from_millis(61);
    let there = Pass {
        sent: start,
        ..Pass::default()
    };
    let pass = side.state.was_sent(1, there, late);
    side.on_their_way.push(pass);
    let opens = start + Duration::from_millis(1_060);
    assert!(side.comes(1, opens), "the one probe");
    side.ends(0, End::Dropped, opens);
    assert_eq!(side.state.in_flight(), 1);
}

#[test]
fn one_that_was_held_up_keeps_its_distance_from_one_that_passes_at_once() {
    let (start, second) = (start(), Duration::from_secs(1));
    let quota = Quota::new(11, second * 10).slack(Duration::ZERO);
    let mut side = Side::new(&[quota.paced()], true);
    let held_up = side.state.let_through(1, start);
    let now = start + second * 20;
    assert!(side.comes(1, now));
    let ready = now + Duration::from_millis(1);
    assert_eq!(side.state.still_holds(held_up, ready), None);
    side.state.undo(held_up).now();
    assert!(!side.comes(1, ready));
    assert!(side.comes(1, now + second));
}
