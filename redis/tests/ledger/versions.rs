//! Processes of several releases at one server: what is not known is kept, and what is missing is nothing.

use std::sync::Mutex;
use std::time::Duration;

use redis::{Connection, Value};
use tower_backoff::fleet::ledger::{LedgerClient, ReplyState, ScopeClosing, Unreachable};
use tower_backoff_redis::{RedisLedger, RunScript, ScriptCall};

use crate::server::{self, Server};
use crate::store::{SCOPE, said, settled};

/// The script as it was before it knew the age of what it is told. It has written what a process leaves behind that is not
/// upgraded yet. No release has a script to run instead.
pub(crate) fn before_ages(source: &str) -> String {
    // The last number of the state is the 42nd, and the three that it did not know are the last ones.
    let changes = [
        ("return { 42, now,", "return { 39, now,"),
        ("ahead, now, 0, 0, 0 }", "ahead, now }"),
        ("while state[1] < 42 do", "while state[1] < 39 do"),
        ("if state[41] <= reopened_at then", "if true then"),
        (" and state[42] <= reopened_at then", " then"),
        (
            "state[37], state[40] = state[37] + 1, max(state[40], reopened_at)",
            "state[37] = state[37] + 1",
        ),
        (
            "if closing > 0 and heard_at(closing_age) < state[40] then closing = 0 end",
            "",
        ),
        (
            "if closing > 0 then state[41] = max(state[41], heard_at(closing_age)) end",
            "",
        ),
        ("has_counter = has_counter and counted_at >= state[40]", ""),
        ("state[42] = max(state[42], counted_at)", ""),
    ];
    changes
        .iter()
        .fold(source.to_owned(), |source, (now, before)| {
            assert_eq!(source.matches(now).count(), 1, "{now}");
            source.replace(now, before)
        })
}

/// Whether a process is upgraded only after so many exchanges of all.
pub(crate) fn runs_before_ages(process: usize, exchanges: usize) -> bool {
    exchanges < 24 * process
}

fn key() -> String {
    format!("tb2:{{{}}}:s", "5c".repeat(16))
}

/// Reads the numbers of a field, `state` or that of a member, and returns what the script makes of them.
fn numbers<T: redis::FromRedisValue>(server: &Server, field: &str, lua: &str) -> T {
    let script = format!(
        "local packed = redis.call('HGET', KEYS[1], ARGV[1]) \
         local numbers = {{ struct.unpack('<' .. string.rep('d', #packed / 8), packed) }} \
         numbers[#numbers] = nil {lua}"
    );
    server.command(&["EVAL", &script, "1", &key(), field])
}

/// Changes the numbers of a field.
fn change(server: &Server, field: &str, lua: &str) {
    let write = "local packed = struct.pack('<' .. string.rep('d', #numbers), unpack(numbers)) \
                 return redis.call('HSET', KEYS[1], ARGV[1], packed)";
    numbers::<Value>(server, field, &format!("{lua} {write}"));
}

/// The members of another release: they say fewer numbers than these, or more.
struct OtherMembers {
    connection: Mutex<Connection>,
    fewer: usize,
    more: usize,
}

impl RunScript for OtherMembers {
    async fn run_script(&self, call: ScriptCall<'_>) -> Result<Vec<i64>, Unreachable> {
        let mut said = call.arguments[1].clone();
        said.truncate(said.len() - 8 * self.fewer);
        said.extend(
            [9.0; 8]
                .iter()
                .take(self.more)
                .flat_map(|number: &f64| number.to_le_bytes()),
        );
        let mut command = redis::cmd("EVAL");
        command.arg(call.source).arg(call.keys.len()).arg(call.keys);
        command.arg(&call.arguments[0]).arg(said);
        let reply = command.query(&mut *self.connection.lock().unwrap());
        reply.map_err(|error| Unreachable::ErrorReply(error.to_string()))
    }
}

#[tokio::test]
async fn members_of_other_releases_say_less_or_more() {
    let Some(server) = server::start(&[]) else {
        return;
    };
    let ends = [(4, 0), (3, 0), (2, 0), (1, 0), (0, 0), (0, 5)];
    for (member, (fewer, more)) in (1..).zip(ends) {
        let ledger = RedisLedger::over(OtherMembers {
            connection: Mutex::new(server.connection()),
            fewer,
            more,
        });
        let mut opens = said(member, 1, 0);
        opens.reopens = true;
        let opened = ledger.exchange(SCOPE, &opens).await.unwrap();
        // The first of these numbers says that a user has opened the scope.
        assert_eq!(opened.reopened, member - 1, "{fewer} fewer");
        let mut refused = said(member, 2, 1);
        refused.closing = Some(ScopeClosing {
            remaining: Duration::from_secs(60),
            is_refusal: true,
            age: Duration::ZERO,
        });
        let closed = ledger.exchange(SCOPE, &refused).await.unwrap();
        assert_eq!(closed.state, ReplyState::Done);
        assert!(closed.closed_for >= Duration::from_secs(59), "{closed:?}");
    }
}

#[tokio::test]
async fn what_a_later_release_has_added_is_kept() {
    let Some(server) = server::start(&[]) else {
        return;
    };
    let ledger = RedisLedger::new(&server.url()).unwrap();
    let member = format!("m:{:016x}", 1);
    ledger.exchange(SCOPE, &settled(1, 1, 3)).await.unwrap();
    // The first number of the state says how many there are before those of the windows.
    let added = "numbers[1] = numbers[1] + 1 table.insert(numbers, numbers[1], 4711)";
    change(&server, "state", added);
    change(&server, &member, "numbers[#numbers + 1] = 4711");
    server.command::<Value>(&["HSET", &key(), "later", "4712"]);
    for sequence in 2..5 {
        let mut exchange = settled(1, sequence, 3);
        exchange.accounts[0].confirmed = 3;
        let reply = ledger.exchange(SCOPE, &exchange).await.unwrap();
        assert_eq!((reply.state, reply.settled_by_all), (ReplyState::Done, 3));
        ledger.exchange(SCOPE, &said(2, sequence, 2)).await.unwrap();
    }
    let kept: i64 = numbers(&server, "state", "return numbers[numbers[1]]");
    assert_eq!(kept, 4711);
    let kept: i64 = numbers(&server, &member, "return numbers[#numbers]");
    assert_eq!(kept, 4711);
    assert_eq!(server.command::<String>(&["HGET", &key(), "later"]), "4712");
}

#[tokio::test]
async fn what_an_earlier_release_did_not_know_is_nothing() {
    let Some(server) = server::start(&[]) else {
        return;
    };
    let ledger = RedisLedger::new(&server.url()).unwrap();
    let member = format!("m:{:016x}", 1);
    ledger.exchange(SCOPE, &settled(1, 1, 3)).await.unwrap();
    // The numbers that places go round by came later.
    change(
        &server,
        "state",
        "for _ = 32, numbers[1] do table.remove(numbers, 32) end numbers[1] = 31",
    );
    change(&server, &member, "numbers[16] = nil");
    for sequence in 2..40 {
        let mut exchange = settled(1, sequence, 3);
        exchange.accounts[0].confirmed = 3;
        let reply = ledger.exchange(SCOPE, &exchange).await.unwrap();
        assert_eq!((reply.state, reply.settled_by_all), (ReplyState::Done, 3));
        for other in 2..12 {
            ledger
                .exchange(SCOPE, &said(other, sequence, 2))
                .await
                .unwrap();
        }
    }
}
