//! The script and the reference give equal replies to the same exchanges.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use proptest::prelude::*;
use redis::Connection;
use tower_backoff::fleet::ScopeName;
use tower_backoff::fleet::ledger::{
    Counter, Exchange, LedgerClient, LedgerState, MemberAccount, QuotaUnit, ScopeClosing, Settled,
    Unreachable, Window,
};
use tower_backoff_redis::{RedisLedger, RunScript, ScriptCall};

use crate::server::{self, Server};

/// The script with a clock that the test sets, or that of the server.
struct Clocked {
    connection: Mutex<Connection>,
    /// Zero: the server's own.
    clock: AtomicU64,
    /// The time that the script read.
    read: AtomicU64,
}

impl RunScript for &'static Clocked {
    async fn run_script(&self, call: ScriptCall<'_>) -> Result<Vec<i64>, Unreachable> {
        let clock = self.clock.load(Ordering::Relaxed);
        let source = match clock {
            0 => call.source.to_owned(),
            _ => {
                // Its keys would expire by the clock of the server: in seconds instead of milliseconds.
                let source = call.source.replace("'PEXPIRE'", "'EXPIRE'");
                let source = source.replace("call('TIME')", "{ 0, ARGV[3] }");
                assert_ne!(source, call.source);
                source
            }
        };
        let mut command = redis::cmd("EVAL");
        command.arg(source).arg(call.keys.len()).arg(call.keys);
        command.arg(call.arguments).arg(clock);
        let reply: Result<Vec<i64>, _> = command.query(&mut *self.connection.lock().unwrap());
        let reply = reply.map_err(|error| Unreachable::ErrorReply(error.to_string()))?;
        self.read.store(reply[1] as u64, Ordering::Relaxed);
        Ok(reply)
    }
}

fn clocked(server: &Server) -> &'static Clocked {
    Box::leak(Box::new(Clocked {
        connection: Mutex::new(server.connection()),
        clock: AtomicU64::new(0),
        read: AtomicU64::new(0),
    }))
}

/// What a step adds to what a member has said before.
#[derive(Clone, Debug)]
struct Step {
    member: usize,
    exchange: Exchange,
    /// Mostly 1: the exchange is the next one.
    sequence_step: u64,
    /// The replies that were not heard.
    unheard: u64,
    pause: u64,
    /// By how much the clock is set back before.
    set_back: u64,
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
        prop::bool::weighted(0.02),
    )
        .prop_map(
            |(accounts, closing, counter, tells_all, leaves, members_known, served, reopens)| {
                Exchange {
                    accounts,
                    closing,
                    reopens,
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

fn step() -> impl Strategy<Value = Step> {
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

fn windows() -> impl Strategy<Value = Vec<Window>> {
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
struct Past {
    sequence: u64,
    settled: [u64; 3],
}

fn said(step: &Step, past: &mut Past, windows: &[Window], lease: u64) -> Exchange {
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

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.unwrap().block_on(future)
}

/// Tells both the same, and compares their replies.
fn compare(
    ledger: &'static Clocked,
    scope: ScopeName,
    (windows, lease): (&[Window], u64),
    steps: &[Step],
    is_virtual: bool,
) -> Result<(), TestCaseError> {
    let client = RedisLedger::over(ledger);
    let mut state = LedgerState::new();
    let mut pasts = vec![Past::default(); 5];
    let mut now = 1_800_000_000_000_000;
    for (index, step) in steps.iter().enumerate() {
        now = now + step.pause - step.set_back;
        ledger
            .clock
            .store(if is_virtual { now } else { 0 }, Ordering::Relaxed);
        let exchange = said(step, &mut pasts[step.member], windows, lease);
        let reply = block_on(client.exchange(scope, &exchange));
        let read = Duration::from_micros(ledger.read.load(Ordering::Relaxed));
        let expected = state.exchange(&exchange, read);
        prop_assert_eq!(reply, Ok(expected), "step {}: {:?}", index, exchange);
        if !is_virtual {
            std::thread::sleep(Duration::from_micros(step.pause.min(20_000)));
        }
    }
    Ok(())
}

/// A member that says the same at given moments, with some numbers changed.
fn at(pauses: &[u64], change: impl Fn(usize, &mut Exchange)) -> Vec<Step> {
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

#[test]
fn script_and_reference_agree_at_the_edges() {
    let Some(server) = server::start(&[]) else {
        return;
    };
    let ledger = clocked(&server);
    let second = Window {
        unit: QuotaUnit::Cost,
        limit: 9,
        length: Duration::from_secs(1),
        slack: Duration::ZERO,
        is_plan: false,
    };
    let agree = |windows: &[Window], lease, steps: &[Step]| {
        compare(ledger, new_scope(), (windows, lease), steps, true).unwrap();
    };
    // A slow start where no window says when it is over: 64 served calls.
    let slow_start = at(&[1_000; 90], |index, exchange| {
        exchange.served = (index > 1).into();
        (exchange.accounts[0].need, exchange.accounts[0].extra) = (1, 5);
        exchange.closing = (index == 0).then_some(ScopeClosing {
            remaining: Duration::ZERO,
            is_refusal: true,
            age: Duration::ZERO,
        });
    });
    agree(&[], 1_000_000, &slow_start);
    // No limit is known: 64 together, one more for each that was settled, a dear call alone, and at last no bound.
    let settled = [0, 0, 0, 30, 0, 300, 3_765, 1, 0];
    let cold = at(&[1_000; 9], |index, exchange| {
        let account = &mut exchange.accounts[0];
        (account.first, account.need, account.extra) = (1, 40, 9);
        account.held = [0, 40, 64, 34, 94, 0, 0, 0, 9_000][index];
        account.settled = settled[index];
        account.log = vec![Settled {
            age: Duration::ZERO,
            count: settled[index] as u32,
        }];
        if matches!(index, 2 | 4 | 5) {
            (account.first, account.need) = (500, 900);
        }
    });
    agree(&[], 1_000_000, &cold);
    // A call that is dearer than what a refusal has taught, while the window is in use and when it is empty.
    let dear = at(&[0, 20_000, 1_000_000, 1_000, 1_000], |index, exchange| {
        let account = &mut exchange.accounts[0];
        account.settled = if index == 0 { 6 } else { 0 };
        account.log = vec![Settled {
            age: Duration::ZERO,
            count: 6,
        }];
        account.held = if index == 3 { 8 } else { 0 };
        (account.first, account.need) = if index == 4 { (10, 10) } else { (8, 8) };
        exchange.closing = (index == 0).then_some(ScopeClosing {
            remaining: Duration::ZERO,
            is_refusal: true,
            age: Duration::ZERO,
        });
    });
    agree(&[second], 1_000_000, &dear);
    // A lease of 1 ms that is over, and a member that is forgotten a window and two leases later.
    for after in [999, 1_000, 1_001, 1_001_999, 1_002_000, 1_002_001] {
        let mut lapses = at(&[0, after, 1], |index, exchange| {
            exchange.accounts[0].need = 4;
            exchange.accounts[0].held = if index > 0 { 3 } else { 0 };
        });
        // Another member is heard of in between.
        lapses.insert(
            1,
            Step {
                member: 1,
                pause: 1_000,
                ..lapses[0].clone()
            },
        );
        agree(&[second], 1_000, &lapses);
    }
}

/// A scope that no other case uses.
fn new_scope() -> ScopeName {
    static SCOPES: AtomicU64 = AtomicU64::new(1);
    let number = SCOPES.fetch_add(1, Ordering::Relaxed);
    ScopeName(u128::from(number).to_be_bytes())
}

fn run(cases: u32, is_virtual: bool, most: usize) {
    let Some(server) = server::start(&[]) else {
        return;
    };
    let ledger = clocked(&server);
    let default = ProptestConfig::default();
    let config = ProptestConfig {
        // More of them in virtual time, if the environment says so.
        cases: if is_virtual {
            default.cases.max(cases)
        } else {
            cases
        },
        failure_persistence: None,
        ..default
    };
    let cases = (
        windows(),
        50_000_u64..400_000,
        prop::collection::vec(step(), 1..most),
    );
    proptest!(config, |((windows, lease, steps) in cases)| {
        // A machine that is busy must not let the keys expire.
        let lease = if is_virtual { lease } else { lease + 5_000_000 };
        compare(ledger, new_scope(), (&windows, lease), &steps, is_virtual)?;
    });
}

#[test]
fn script_and_reference_give_equal_replies_at_any_time() {
    run(600, true, 120);
}

#[test]
fn script_and_reference_give_equal_replies_by_the_clock_of_the_server() {
    run(20, false, 40);
}
