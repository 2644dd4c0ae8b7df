//! The script and the reference give equal replies to the same exchanges.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use proptest::prelude::*;
use redis::Connection;
use tower_backoff::fleet::ScopeName;
use tower_backoff::fleet::ledger::{
    Exchange, LedgerClient, LedgerState, QuotaUnit, ScopeClosing, Settled, Unreachable, Window,
};
use tower_backoff_redis::{RedisLedger, RunScript, ScriptCall};

use crate::exchanges::{Past, Step, at, said, step, windows};
use crate::server::{self, Server};
use crate::versions::{before_ages, runs_before_ages};

/// The script with a clock that the test sets, or that of the server.
struct Clocked {
    connection: Mutex<Connection>,
    /// Zero: the server's own.
    clock: AtomicU64,
    /// The time that the script read.
    read: AtomicU64,
    /// Whether the next exchange is one of a process that was not upgraded yet.
    is_earlier: AtomicBool,
}

impl RunScript for &'static Clocked {
    async fn run_script(&self, call: ScriptCall<'_>) -> Result<Vec<i64>, Unreachable> {
        let clock = self.clock.load(Ordering::Relaxed);
        let source = match self.is_earlier.load(Ordering::Relaxed) {
            true => before_ages(call.source),
            false => call.source.to_owned(),
        };
        let source = match clock {
            0 => source,
            _ => {
                // Its keys would expire by the clock of the server: in seconds instead of milliseconds.
                let source = source.replace("'PEXPIRE'", "'EXPIRE'");
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
        is_earlier: AtomicBool::new(false),
    }))
}

/// What an earlier script notes of an exchange.
fn without_ages(exchange: &mut Exchange) {
    exchange.reopens = false;
    if let Some(closing) = &mut exchange.closing {
        closing.age = Duration::ZERO;
    }
    if let Some(counter) = &mut exchange.counter {
        counter.age = Duration::ZERO;
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.unwrap().block_on(future)
}

/// Whose clock it is, and whether some of the processes run an earlier script.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Virtual,
    Server,
    Upgrade,
}

/// Tells both the same, and compares their replies.
fn compare(
    ledger: &'static Clocked,
    scope: ScopeName,
    (windows, lease): (&[Window], u64),
    steps: &[Step],
    mode: Mode,
) -> Result<(), TestCaseError> {
    let client = RedisLedger::over(ledger);
    let mut state = LedgerState::new();
    let mut pasts = vec![Past::default(); 5];
    let mut now = 1_800_000_000_000_000;
    for (index, step) in steps.iter().enumerate() {
        now = now + step.pause - step.set_back;
        ledger.clock.store(
            if mode == Mode::Server { 0 } else { now },
            Ordering::Relaxed,
        );
        let mut exchange = said(step, &mut pasts[step.member], windows, lease);
        let is_earlier = mode == Mode::Upgrade && runs_before_ages(step.member, index);
        ledger.is_earlier.store(is_earlier, Ordering::Relaxed);
        if is_earlier {
            without_ages(&mut exchange);
        }
        if mode == Mode::Upgrade {
            // The earlier script does not note when a closing was heard: any opening is younger.
            exchange.reopened_ago = Duration::ZERO;
        }
        let reply = block_on(client.exchange(scope, &exchange));
        let read = Duration::from_micros(ledger.read.load(Ordering::Relaxed));
        let expected = state.exchange(&exchange, read);
        prop_assert_eq!(reply, Ok(expected), "step {}: {:?}", index, exchange);
        if mode == Mode::Server {
            std::thread::sleep(Duration::from_micros(step.pause.min(20_000)));
        }
    }
    Ok(())
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
        compare(ledger, new_scope(), (windows, lease), steps, Mode::Virtual).unwrap();
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

fn run(cases: u32, mode: Mode, most: usize) {
    let Some(server) = server::start(&[]) else {
        return;
    };
    let ledger = clocked(&server);
    let default = ProptestConfig::default();
    let config = ProptestConfig {
        // More of them in virtual time, if the environment says so.
        cases: if mode != Mode::Server {
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
        let lease = if mode == Mode::Server { lease + 5_000_000 } else { lease };
        compare(ledger, new_scope(), (&windows, lease), &steps, mode)?;
    });
}

#[test]
fn script_and_reference_give_equal_replies_at_any_time() {
    run(600, Mode::Virtual, 120);
}

#[test]
fn script_and_reference_give_equal_replies_by_the_clock_of_the_server() {
    run(20, Mode::Server, 40);
}

#[test]
fn earlier_and_present_scripts_give_the_replies_of_one_reference() {
    run(200, Mode::Upgrade, 120);
}
