//! A ledger in Redis whose script replies anything, and the reference told anything.
//!
//! The first half of the bytes is what members say, and the other half what the script replies.

#![no_main]

use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use tower_backoff::fleet::ScopeName;
use tower_backoff::fleet::ledger::{
    Counter, Exchange, LedgerClient, LedgerState, MemberAccount, QuotaUnit, Reply, ScopeClosing,
    Settled, Unreachable, Window,
};
use tower_backoff_redis::{RedisLedger, RunScript, ScriptCall};

const UNITS: [QuotaUnit; 3] = [QuotaUnit::Cost, QuotaUnit::Calls, QuotaUnit::InFlight];

/// Takes numbers from bytes; zeros when they are used up. Mostly small ones.
struct Numbers<'a>(&'a [u8]);

impl Numbers<'_> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        *first
    }

    fn number(&mut self) -> u64 {
        let first = self.byte();
        let bytes = match first {
            0..0xf0 => return first.into(),
            0xf0..0xf8 => 2,
            _ => 8,
        };
        (0..bytes).fold(0, |number, _| number << 8 | u64::from(self.byte()))
    }

    fn small(&mut self) -> u32 {
        u32::try_from(self.number()).unwrap_or(u32::MAX)
    }

    fn micros(&mut self) -> Duration {
        Duration::from_micros(self.number())
    }

    fn bit(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    fn some<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        (self.byte() % 4 == 1).then(|| make(self))
    }

    fn few<T>(&mut self, mut make: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let count = self.byte() % 4;
        (0..count).map(|_| make(self)).collect()
    }

    fn window(&mut self) -> Window {
        Window {
            unit: UNITS[usize::from(self.byte() % 3)],
            limit: self.small(),
            length: self.micros(),
            slack: self.micros(),
            is_plan: self.bit(),
        }
    }

    fn account(&mut self) -> MemberAccount {
        MemberAccount {
            held: self.number(),
            settled: self.number(),
            confirmed: self.number(),
            log: self.few(|numbers| Settled {
                age: numbers.micros(),
                count: numbers.small(),
            }),
            in_window: self.number(),
            first: self.small(),
            need: self.small(),
            extra: self.small(),
        }
    }

    fn exchange(&mut self, windows: &[Window]) -> Exchange {
        Exchange {
            member: self.number() % 4,
            sequence: self.number(),
            last_reply: self.number(),
            lease: self.micros(),
            windows: windows.to_vec(),
            accounts: self.few(Self::account),
            tells_all: self.bit(),
            members_known: self.small(),
            closing: self.some(|numbers| ScopeClosing {
                remaining: numbers.micros(),
                is_refusal: numbers.bit(),
                age: numbers.micros(),
            }),
            reopens: self.bit(),
            reopened_ago: self.micros(),
            served: self.small(),
            counter: self.some(|numbers| Counter {
                limit: numbers.small(),
                remaining: numbers.small(),
                resets_in: numbers.micros(),
                settled_by_all: numbers.number(),
                cost: numbers.small(),
                age: numbers.micros(),
            }),
            leaves: self.bit(),
        }
    }
}

/// Replies with these integers, and keeps what the script would have been told.
struct Replies(Vec<i64>, Arc<Mutex<Vec<u8>>>);

impl RunScript for Replies {
    async fn run_script(&self, call: ScriptCall<'_>) -> Result<Vec<i64>, Unreachable> {
        assert_eq!(call.arguments.len(), 2);
        self.1.lock().unwrap().clone_from(&call.arguments[1]);
        Ok(self.0.clone())
    }
}

/// Reads the doubles that a script calculates with: all are integers.
fn unpacked(packed: &[u8]) -> Vec<u64> {
    let doubles = packed.chunks_exact(8);
    assert!(doubles.remainder().is_empty());
    let numbers = doubles.map(|bytes| f64::from_le_bytes(bytes.try_into().unwrap()));
    numbers
        .inspect(|number| assert_eq!(number.trunc(), *number))
        .map(|number| number as u64)
        .collect()
}

fn exchange(script: Replies, exchange: &Exchange) -> Result<Reply, Unreachable> {
    let ledger = RedisLedger::over(script);
    let exchanging = pin!(ledger.exchange(ScopeName([7; 16]), exchange));
    match exchanging.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(reply) => reply,
        Poll::Pending => panic!("nothing has to be waited for"),
    }
}

fuzz_target!(|data: &[u8]| {
    let (said, replied) = data.split_at(data.len() / 2);
    let mut said = Numbers(said);
    let mut replied = Numbers(replied);
    let windows = said.few(Numbers::window);
    let mut state = LedgerState::new();
    let mut now = 1_800_000_000_000_000;
    while !said.0.is_empty() {
        now += said.number() % 10_000_000;
        let said = said.exchange(&windows);
        let expected = state.exchange(&said, Duration::from_micros(now));
        assert_eq!(expected.grants.len(), said.accounts.len());

        let integers = (0..replied.byte()).map(|_| replied.number() as i64);
        let told = Arc::default();
        let reply = exchange(Replies(integers.collect(), Arc::clone(&told)), &said);
        let numbers = unpacked(&told.lock().unwrap());
        assert!(numbers.iter().all(|number| *number < 1 << 53), "{numbers:?}");
        if let Ok(reply) = reply {
            assert_eq!(reply.grants.len(), said.accounts.len());
            assert!(reply.free_in_windows.len() <= windows.len());
        }
    }
});
