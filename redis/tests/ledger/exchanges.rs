//! Random exchanges of members that say absolute numbers.

use std::time::Duration;

use proptest::prelude::*;
use tower_backoff::fleet::ledger::{
    Counter, Exchange, MemberAccount, QuotaUnit, ScopeClosing, Settled, Window,
};

/// What a step adds to what a member has said before.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) member: usize,
    pub(crate) exchange: Exchange,
    /// Mostly 1: the exchange is the next one.
    pub(crate) sequence_step: u64,
    /// The replies that were not heard.
    pub(crate) unheard: u64,
    pub(crate) pause: u64,
    /// By how much the clock is set back before.
    pub(crate) set_back: u64,
}

fn account() -> impl Strategy<Value = MemberAccount> {
    let log = prop::collection::vec((0_u64..400_000, 0_u32..6), 0..5);
    let numbers = (0_u64..12, 0_u64..10, 0_u64..8, 0_u64..8);
    let wants = (0_u32..6, 0_u32..12, 0_u32..30);
    (log, numbers, wants).prop_map(
        |(log, (held, settled, unconfirmed, in_window), (first, need, extra))| {
            MemberAccount {
                held,
                settled,
                // Made absolute when it is said.
                confirmed: unconfirmed,
                log: log
                    .into_iter()
                    .map(|(age, count)| Settled {
                        age: Duration::from_micros(age),
                        count,
                    })
                    .collect(),
                in_window,
                first,
                need,
                extra,
            }
        },
    )
}

/// Mostly short, sometimes from before the last opening by a user.
fn age() -> impl Strategy<Value = Duration> {
    let micros = prop_oneof![2 => 0_u64..30_000, 1 => 0_u64..2_000_000];
    micros.prop_map(Duration::from_micros)
}

fn counter() -> impl Strategy<Value = Counter> {
    let numbers = (0_u32..60, 0_u32..60, 0_u64..4_000_000, 0_u64..80, 0_u32..4);
    (numbers, age()).prop_map(
        |((limit, remaining, resets_in, settled_by_all, cost), age)| Counter {
            limit,
            remaining,
            resets_in: Duration::from_micros(resets_in),
            settled_by_all,
            cost,
            age,
        },
    )
}

fn exchange() -> impl Strategy<Value = Exchange> {
    let closing =
        (0_u64..300_000_000, any::<bool>(), age()).prop_map(|(nanos, is_refusal, age)| {
            ScopeClosing {
                remaining: Duration::from_nanos(nanos),
                is_refusal,
                age,
            }
        });
    (
        prop::collection::vec(account(), 3),
        prop::option::weighted(0.05, closing),
        prop::option::weighted(0.08, counter()),
        prop::bool::weighted(0.1),
        prop::bool::weighted(0.03),
        prop_oneof![5 => Just(1_u32), 1 => 0_u32..6],
        0_u32..4,
        (prop::bool::weighted(0.02), age()),
    )
        .prop_map(
            |(accounts, closing, counter, tells_all, leaves, members_known, served, reopening)| {
                Exchange {
                    accounts,
                    closing,
                    reopens: reopening.0,
                    reopened_ago: reopening.1,
                    counter,
                    tells_all,
                    leaves,
                    members_known,
                    served,
                    ..Exchange::default()
                }
            },
        )
}

pub(crate) fn step() -> impl Strategy<Value = Step> {
    let pause = prop_oneof![
        12 => 0_u64..15_000,
        4 => 15_000_u64..200_000,
        1 => 200_000_u64..2_500_000,
    ];
    let sequence_step = prop_oneof![12 => Just(1_u64), 1 => Just(0)];
    let set_back = prop_oneof![40 => Just(0_u64), 1 => 0_u64..3_000_000];
    (
        0_usize..5,
        exchange(),
        sequence_step,
        0_u64..3,
        pause,
        set_back,
    )
        .prop_map(
            |(member, exchange, sequence_step, unheard, pause, set_back)| Step {
                member,
                exchange,
                sequence_step,
                unheard: unheard / 2,
                pause,
                set_back,
            },
        )
}

pub(crate) fn windows() -> impl Strategy<Value = Vec<Window>> {
    let window = |(unit, limit, length, is_plan)| Window {
        unit,
        limit,
        length: Duration::from_micros(length),
        slack: Duration::ZERO,
        is_plan,
    };
    let unit = prop_oneof![6 => Just(QuotaUnit::Cost), 2 => Just(QuotaUnit::Calls), 1 => Just(QuotaUnit::InFlight)];
    let length = prop_oneof![1 => 1_u64..2_000, 8 => 10_000_u64..1_000_000];
    let each = (unit, 0_u32..60, length, prop::bool::weighted(0.2)).prop_map(window);
    prop::collection::vec(each, 0..4)
}

/// All that a member has said, so that it says absolute numbers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Past {
    sequence: u64,
    settled: [u64; 3],
}

pub(crate) fn said(step: &Step, past: &mut Past, windows: &[Window], lease: u64) -> Exchange {
    let mut exchange = step.exchange.clone();
    past.sequence += step.sequence_step;
    exchange.member = 0xabcd_0000_0000 + step.member as u64;
    exchange.sequence = past.sequence.max(1);
    exchange.last_reply = exchange.sequence.saturating_sub(1 + step.unheard);
    exchange.lease = Duration::from_micros(lease);
    exchange.windows = windows.to_vec();
    let counts = |unit| windows.iter().any(|window| window.unit == unit);
    let units = [true, counts(QuotaUnit::Calls), counts(QuotaUnit::InFlight)];
    exchange
        .accounts
        .truncate(units.iter().filter(|counts| **counts).count());
    for (account, settled) in exchange.accounts.iter_mut().zip(&mut past.settled) {
        let confirmed = settled.saturating_sub(account.confirmed);
        *settled += account.settled;
        (account.settled, account.confirmed) = (*settled, confirmed);
    }
    exchange
}

/// A member that says the same at given moments, with some numbers changed.
pub(crate) fn at(pauses: &[u64], change: impl Fn(usize, &mut Exchange)) -> Vec<Step> {
    let steps = pauses.iter().enumerate().map(|(index, pause)| {
        let mut exchange = Exchange {
            accounts: vec![MemberAccount::default()],
            members_known: 1,
            ..Exchange::default()
        };
        change(index, &mut exchange);
        Step {
            member: 0,
            exchange,
            sequence_step: 1,
            unheard: 0,
            pause: *pause,
            set_back: 0,
        }
    });
    steps.collect()
}
