//! Portions, bookings, several windows and units.

use super::super::members::MOST_MEMBERS;
use super::super::terms::COST;
use super::fleet::SimulatedFleet;
use super::member::{MILLI, Needs, SECOND};
use super::said::{LIMIT, Says, Told, granted, millis, said, window};
use crate::fleet::ledger::{MemberAccount, QuotaUnit, ReplyState};

#[test]
fn a_first_start_is_not_slowed() {
    let mut told = Told::new();
    // Half of what is free is the portion of a member that is alone.
    assert_eq!(granted(&told.tell(said(1, 1).needs(20))), [(0, LIMIT / 2)]);
    assert_eq!(granted(&told.tell(said(2, 1).needs(20))), [(0, 2)]);
}

#[test]
fn scarce_places_go_round_in_small_portions() {
    let mut told = Told::with(vec![window(QuotaUnit::Cost, 160, 1_000)]);
    for member in 2..11 {
        told.tell(said(member, 1));
    }
    // 160 / (2 * 10) while all is free, 160 / (8 * 10) when little is left.
    let first = told.tell(said(1, 1).needs(100));
    assert_eq!(granted(&first), [(0, 8)]);
    told.tell(said(1, 2).holds(160));
    let small = told.tell(said(1, 3).holds(150).needs(100));
    assert_eq!(granted(&small), [(0, 2)]);
}

#[test]
fn extra_is_granted_only_while_there_is_plenty() {
    let mut told = Told::new();
    let mut exchange = said(1, 1).needs(1);
    exchange.accounts[0].extra = 5;
    assert_eq!(granted(&told.tell(exchange)), [(0, 6)]);
    let mut exchange = said(1, 2).holds(15).needs(1);
    exchange.accounts[0].extra = 5;
    assert_eq!(granted(&told.tell(exchange)), [(0, 1)]);
}

#[test]
fn the_first_call_is_granted_what_it_costs() {
    let mut told = Told::with(vec![window(QuotaUnit::Cost, 100, 1_000)]);
    for member in 2..20 {
        told.tell(said(member, 1));
    }
    let mut exchange = said(1, 1).needs(40);
    exchange.accounts[0].first = 30;
    assert_eq!(granted(&told.tell(exchange)), [(0, 30)]);
}

#[test]
fn the_oldest_places_are_booked_first() {
    let mut told = Told::with(vec![window(QuotaUnit::Cost, 4, 1_000)]);
    told.tell(said(1, 1).needs(4));
    told.tell(said(1, 2).holds(3).settled(1, 1, 0));
    told.now += 100;
    told.tell(said(1, 3).holds(2).settled(2, 1, 0));
    told.now += 100;
    told.tell(said(1, 4).settled(4, 2, 0));
    told.now += 100;
    let first = told.tell(said(2, 1).needs(1));
    let second = told.tell(said(3, 1).needs(1));
    let third = told.tell(said(4, 1).needs(1));
    // A place is free one window after it was settled, and at most a 256th later.
    let from = |reply| granted(reply)[0].0;
    assert!((700..704).contains(&from(&first)), "{first:?}");
    assert!((800..804).contains(&from(&second)), "{second:?}");
    assert!((900..904).contains(&from(&third)), "{third:?}");
    let later = told.tell(said(2, 2).holds(1).needs(2));
    assert!((900..904).contains(&from(&later)), "{later:?}");
    let none = told.tell(said(5, 1).needs(1));
    assert_eq!((granted(&none), none.ask_again_in), (vec![], millis(125)));
}

#[test]
fn a_booked_place_counts_from_the_latest_of_its_windows() {
    let windows = vec![
        window(QuotaUnit::Cost, 2, 100),
        window(QuotaUnit::Cost, 2, 1_000),
    ];
    let mut told = Told::with(windows);
    told.tell(said(1, 1).needs(2));
    told.tell(said(1, 2).settled(2, 2, 0));
    let booked = granted(&told.tell(said(1, 3).settled(2, 0, 0).needs(1)));
    assert!((1_000..1_004).contains(&booked[0].0), "{booked:?}");
}

#[test]
fn nothing_is_booked_in_a_window_that_shrank() {
    let mut told = Told::with(vec![window(QuotaUnit::Cost, 8, 1_000)]);
    told.tell(said(1, 1).needs(8));
    told.tell(said(1, 2).settled(4, 4, 0));
    told.windows = vec![window(QuotaUnit::Cost, 3, 1_000)];
    let reply = told.tell(said(1, 3).settled(4, 0, 0).needs(1));
    assert_eq!((granted(&reply), reply.ask_again_in), (vec![], millis(125)));
}

#[test]
fn calls_in_flight_are_free_when_they_are_settled_and_never_booked() {
    let windows = vec![
        window(QuotaUnit::Cost, 100, 1_000),
        window(QuotaUnit::InFlight, 2, 0),
    ];
    let mut told = Told::with(windows);
    let with = |sequence, held, need| {
        let mut exchange = said(1, sequence);
        exchange.accounts.push(MemberAccount {
            held,
            need,
            first: need.min(1),
            ..MemberAccount::default()
        });
        exchange
    };
    let first = told.tell(with(1, 0, 3));
    let count = |reply: &crate::fleet::ledger::Reply| {
        reply.grants[1]
            .iter()
            .map(|granted| granted.count)
            .sum::<u32>()
    };
    assert_eq!((count(&first), first.ask_again_in), (1, millis(0)));
    assert_eq!(count(&told.tell(with(2, 1, 3))), 1);
    assert_eq!(count(&told.tell(with(3, 2, 3))), 0);
    assert_eq!(count(&told.tell(with(4, 1, 3))), 1);
}

#[test]
fn each_unit_is_served_by_itself() {
    let windows = vec![
        window(QuotaUnit::Calls, 4, 1_000),
        window(QuotaUnit::Cost, 1_000, 1_000),
    ];
    let mut told = Told::with(windows);
    let mut exchange = said(1, 1);
    exchange.accounts = vec![
        MemberAccount {
            first: 50,
            need: 100,
            ..MemberAccount::default()
        },
        MemberAccount {
            first: 1,
            need: 2,
            ..MemberAccount::default()
        },
    ];
    let reply = told.tell(exchange);
    assert_eq!(
        (reply.grants[0][0].count, reply.grants[1][0].count),
        (100, 2)
    );
    assert_eq!(reply.free, 900);
}

#[test]
fn without_any_limit_all_is_granted() {
    let mut told = Told::with(Vec::new());
    // Enough was settled without a counter of the server.
    let reply = told.tell(said(1, 1).settled(4_096, 4_096, 0).needs(70_000));
    assert_eq!((granted(&reply), reply.free), (vec![(0, 70_000)], u32::MAX));
}

#[test]
fn a_ledger_takes_in_a_bounded_number_of_members() {
    let mut told = Told::new();
    for member in 0..MOST_MEMBERS as u64 {
        told.tell(said(member, 1));
    }
    let reply = told.tell(said(1 << 40, 1).needs(1));
    assert_eq!(
        (reply.state, told.state.members.known()),
        (ReplyState::Late, MOST_MEMBERS)
    );
    told.now += 10_000;
    for exchange in 0..MOST_MEMBERS as u64 / 64 {
        told.tell(said(1, 2 + exchange));
    }
    assert!(told.state.members.known() < 100);
}

#[test]
fn hostile_numbers_do_no_harm() {
    let mut told = Told::with(vec![window(QuotaUnit::Cost, u32::MAX, u64::MAX / 2_000)]);
    for sequence in [1, 2, u64::MAX] {
        let mut exchange = said(1, sequence)
            .holds(u64::MAX)
            .settled(u64::MAX, u32::MAX, u64::MAX);
        exchange.accounts[0].in_window = u64::MAX;
        exchange.lease = std::time::Duration::MAX;
        exchange.tells_all = true;
        told.tell(exchange.needs(u32::MAX).refused(u64::MAX));
    }
}

/// Members that want more than there is, with answers at once: the places that are used, of those that there are.
fn use_of(members: usize, limit: u32, length: u64) -> (f64, Vec<u64>) {
    let windows = vec![super::fleet::window(QuotaUnit::Cost, limit, length)];
    let mut fleet = SimulatedFleet::new(windows, members);
    let mut asks_at = vec![0; members];
    let end = fleet.now + 12 * length;
    while fleet.now < end {
        // Each time another one is first.
        for turn in 0..members {
            let member = (turn + (fleet.now / 7 % 1_009) as usize) % members;
            let asks_at = &mut asks_at[member];
            if fleet.now >= *asks_at {
                let held = fleet.members[member].held(COST) as u32;
                let need = 25_u32.saturating_sub(held);
                let needs = Needs {
                    first: 1,
                    need,
                    extra: 0,
                };
                let reply = fleet.exchange(member, needs);
                let again = reply.ask_again_in.as_micros() as u64;
                *asks_at = fleet.now + again.clamp(length / 200, length / 8);
            }
            fleet.send(member, 25, 1, 0);
            fleet.answer(member, 25);
        }
        fleet.advance(length / 500);
    }
    assert_eq!(fleet.overrun(), None);
    let measured = fleet
        .counted
        .iter()
        .filter(|(at, _)| *at >= end - 10 * length);
    let sent = measured.count() as f64 / 10.0 / f64::from(limit);
    (
        sent,
        (0..members)
            .map(|member| fleet.members[member].settled(COST))
            .collect(),
    )
}

#[test]
fn a_scarce_quota_is_used_up_and_shared_equally() {
    for (members, limit, length) in [
        (16, 200, SECOND),
        (16, 20, 2 * SECOND),
        (3, 10, 100 * MILLI),
    ] {
        let (used, shares) = use_of(members, limit, length);
        println!("{members} members, {limit} per {length} us: {used:.3} used, {shares:?}");
        assert!(used > 0.97, "{used}");
        let sum: u64 = shares.iter().sum();
        let squares: u64 = shares.iter().map(|share| share * share).sum();
        let jain = (sum * sum) as f64 / (members as u64 * squares) as f64;
        assert!(jain > 0.95, "{jain}: {shares:?}");
    }
}
